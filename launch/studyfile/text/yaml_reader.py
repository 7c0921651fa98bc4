"""A safe and unsurprising YAML reader: text -> `Tree`, with everything wrong in it named at once.

The rules are those of YAML 1.2's core schema, and stricter where a value could mean two things:
- `true`, `false` are the booleans; `on`, `off`, `yes`, `no` are text. `1e-3` is a number.
- `010` is refused (8 in old YAML, 10 in new). `.inf`, `.nan` and numbers too large are refused.
- a key given twice, a key that is not text, the merge key `<<`, and tags (`!!python/object`, `!include`) are refused.
- anchors and aliases may be used, `MAX_ALIASES` times in a file; values nest `MAX_DEPTH` deep.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from glifr.errors import InputError, Problem, Written
from launch.studyfile.text.yaml_values import BOOL, CORE, INT, NULL, PATTERNS, RESOLVERS, STR
from launch.studyfile.tree import Fault, InvalidValue, KeyPath, Mark, Tree

MAX_ALIASES = 1000
MAX_DEPTH = 50

_MAX_DIGITS = 30  # of a whole number; far more than any field takes


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with the plain scalars of YAML 1.2; values are made by `_Reader`, never by PyYAML."""


_Loader.yaml_implicit_resolvers = RESOLVERS


def read_yaml(raw: bytes, file: str) -> tuple[Tree, list[Fault]]:
    """Reads YAML.

    Args:
        raw: The content of the file.
        file: Its name in messages.

    Returns:
        The data, and the faults found while reading it; their values are `InvalidValue` in the data.

    Raises:
        InputError: Nothing can be read: not UTF-8, malformed, or empty.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        found = f"byte 0x{raw[error.start]:02x}"
        raise InputError(
            Problem("the file is not UTF-8 text", f"{file} (line {line})", found, "UTF-8", "save the file as UTF-8")
        ) from None
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        raise _malformed(error, file) from None
    except RecursionError:
        raise _too_deep(file) from None
    finally:
        if loader is not None:
            loader.dispose()
    if root is None:
        raise InputError(
            Problem("the file is empty", file, "nothing", "a mapping", "copy an example from studies/ and change it")
        )
    reader = _Reader(file)
    reader.marks[()] = Mark(file, ())
    data = reader.value(root, ())
    return Tree(data, reader.marks), reader.faults


def _too_deep(file: str) -> InputError:
    rule = "the YAML is nested too deeply"
    return InputError(Problem(rule, file, allowed=f"at most {MAX_DEPTH} levels", todo="look for unclosed brackets"))


def _malformed(error: yaml.YAMLError, file: str) -> InputError:
    line, found, todo = "", str(error).splitlines()[0], "mend the YAML: look at this line and the one before it"
    if isinstance(error, yaml.MarkedYAMLError):
        found = error.problem or found
        mark = error.problem_mark or error.context_mark
        line = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    elif isinstance(error, yaml.reader.ReaderError):
        found, todo = f"character {_character(error.character)}", "remove that character"
    if "\\t" in found:
        todo = "indent with spaces, not tabs"
    elif "single document" in str(error):
        found, todo = "a second document after '---'", "keep one document in a file"
    elif "undefined alias" in found:
        todo = "define the anchor (&name) before its alias (*name), or put quotes around text that begins with *"
    return InputError(Problem("the YAML is malformed", f"{file}{line}", found, todo=todo))


def _character(value: int | bytes | str) -> str:
    return f"0x{value:02x}" if isinstance(value, int) else repr(value)


@dataclass
class _Reader:
    """Turns parsed nodes into values; collects marks and faults."""

    file: str
    marks: dict[KeyPath, Mark] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    open: set[int] = field(default_factory=set)
    aliases: int = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        if len(path) > MAX_DEPTH:
            raise _too_deep(self.file)
        if id(node) in self.open:
            return self._refuse(path, "an alias stands inside the value that it repeats", "*alias", "write it out")
        if id(node) in self.seen:
            self.aliases += 1
            if self.aliases > MAX_ALIASES:
                raise InputError(
                    Problem(
                        "too many repeats by YAML aliases",
                        f"{self.file} (line {node.start_mark.line + 1})",
                        f"more than {MAX_ALIASES}",
                        f"at most {MAX_ALIASES} uses of *alias in a file",
                        "write the values out",
                    )
                )
        self.seen.add(id(node))
        self.open.add(id(node))
        try:
            return self._convert(node, path)
        finally:
            self.open.discard(id(node))

    def _convert(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == CORE + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == CORE + "seq":
            return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and (node.tag == STR or node.tag in PATTERNS):
            return self._scalar(node, path)
        tag = node.tag.replace(CORE, "!!")
        return self._refuse(path, "YAML tags are not allowed in a study", tag, "remove the tag and write plain values")

    def _item(self, node: yaml.Node, path: KeyPath) -> Any:
        self.marks[path] = Mark(self.file, path, node.start_mark.line + 1)
        return self.value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != STR:
                text = key_node.value if isinstance(key_node, yaml.ScalarNode) else "a list or mapping"
                self._refuse(path, f"a key on line {line} is not text", text, "put the key in quotes, or correct it")
                continue
            key = key_node.value
            if key == "<<":
                self._refuse(path, f"the merge key << on line {line} is not supported", key, "write the values out")
            elif key in result:
                rule = f"the key is given twice, on lines {lines[key]} and {line}"
                self.faults.append(Fault((*path, key), rule, todo="keep one of the two"))
            else:
                lines[key] = line
                self.marks[(*path, key)] = Mark(self.file, (*path, key), line)
                result[key] = self.value(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text, tag = node.value, node.tag
        if tag == STR:
            half = re.search("[\ud800-\udfff]", text)  # half of a character, from an escape; no file can hold it
            return text if half is None else self._refuse(path, "text with half a character", text, "remove the escape")
        if not PATTERNS[tag].fullmatch(text):  # an explicit tag that its text does not fit, as in !!int abc
            shown = f"{tag.replace(CORE, '!!')} {text}"
            return self._refuse(path, "YAML tags are not allowed in a study", shown, "remove the tag")
        if tag == NULL:
            return None
        if tag == BOOL:
            return text.lower() == "true"
        if tag == INT:
            return self._whole_number(text, path)
        if re.search(r"inf|nan", text, re.IGNORECASE) or not math.isfinite(float(text)):
            return self._refuse(path, "the number is not finite", text, "write a finite number")
        return float(text)

    def _whole_number(self, text: str, path: KeyPath) -> Any:
        digits = text.lstrip("+-")
        if len(digits) > 1 and digits.startswith("0"):
            plain = text.replace(digits, digits.lstrip("0") or "0")
            todo = f"write {plain}, or '{text}' in quotes if it is text"
            return self._refuse(path, "a whole number begins with 0, which old YAML reads as octal", text, todo)
        if len(digits) > _MAX_DIGITS:
            return self._refuse(path, "the number is too large", text, f"at most {_MAX_DIGITS} digits")
        return int(text)

    def _refuse(self, path: KeyPath, rule: str, found: str, todo: str) -> InvalidValue:
        self.faults.append(Fault(path, rule, Written(found), todo=todo))
        return InvalidValue(found)
