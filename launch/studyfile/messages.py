"""pydantic's errors in plain sentences, each with the key path it belongs to."""

from __future__ import annotations

import re
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from glifr.errors import nearest
from launch.studyfile.schema import allowed_at, keys_at, kind_at, members_of, untagged, where_else
from launch.studyfile.tree import NOTHING, Fault, InvalidValue, KeyPath
from launch.studyfile.values import LOOKS, NUMBER, RULE

_KEY = "[key]"  # how pydantic marks that the key, not its value, is at fault
_SECRET = (("notify",),)  # sections whose values are not shown
_MARKS = (_KEY, NUMBER, LOOKS)  # of pydantic, in paths
_SENTENCES = {
    "int_type": "this must be a whole number",
    "float_type": "this must be a number",
    "string_type": "this must be text",
    "bool_type": "this must be true or false",
    "dict_type": "this must be a mapping (keys with values)",
    "model_type": "this must be a mapping (keys with values)",
    "literal_error": "this is not one of the words that may stand here",
    "string_too_short": "the text is empty",
    "greater_than": "the number is too small",
    "greater_than_equal": "the number is too small",
    "less_than": "the number is too large",
    "less_than_equal": "the number is too large",
}


def faults_of(error: ValidationError) -> list[Fault]:
    """One fault for each of pydantic's errors that is not a mere consequence of another.

    Left out: values that the YAML reader has already refused, what stands below an unknown name, and a missing key
    where a misspelling of it stands.
    """
    errors = [e for e in error.errors(include_url=False) if not isinstance(e["input"], InvalidValue)]
    unknown = [e["loc"] for e in errors if e["type"] == "extra_forbidden"]
    misnamed = [e["loc"][:-1] for e in errors if e["loc"][-1:] == (_KEY,)]
    return [_fault(e) for e in errors if not (_misspelt(e, unknown) or _below(e["loc"], misnamed))]


def _misspelt(error: ErrorDetails, unknown: list[KeyPath]) -> bool:
    path = error["loc"]
    beside = [str(other[-1]) for other in unknown if other[:-1] == path[:-1]]
    return error["type"] == "missing" and bool(get_close_matches(str(path[-1]), beside, n=1, cutoff=0.7))


def _below(path: KeyPath, misnamed: list[KeyPath]) -> bool:
    return path[-1:] != (_KEY,) and any(path[: len(root)] == root for root in misnamed)


def _fault(error: ErrorDetails) -> Fault:
    kind, tagged, found = error["type"], tuple(key for key in error["loc"] if key not in _MARKS), error["input"]
    path = untagged(tagged)
    if path[:1] in _SECRET:
        found = NOTHING
    if kind in ("missing", "union_tag_not_found"):
        return _missing(path if kind == "missing" else (*path, "name"))
    if kind == "extra_forbidden":
        return _unknown(path) if path == tagged else _lacking(path, tagged)
    if kind == "union_tag_invalid":
        return _unnamed(path, error["ctx"]["tag"])
    if kind == RULE:
        said = error["ctx"]
        return Fault(path, said["rule"], found, said["allowed"], said["todo"])
    return Fault(path, _SENTENCES.get(kind, "this value cannot stand here"), found, _allowed(path), _todo(error))


def _missing(path: KeyPath) -> Fault:
    return Fault(path, f"the key {str(path[-1])!r} is missing", NOTHING, _allowed(path), f"add `{path[-1]}:` here")


def _unknown(path: KeyPath) -> Fault:
    keys = keys_at(path[:-1]) or []
    todo = where_else(path) or "remove the key"
    return Fault(path, f"unknown key {str(path[-1])!r}", NOTHING, ", ".join(keys), todo)


def _lacking(path: KeyPath, tagged: KeyPath) -> Fault:
    """A setting that none of several types has, or another one than the one that was chosen."""
    key, (what, name), own = str(path[-1]), tagged[-3:-1], keys_at(tagged[:-1]) or []
    others = [other for other, kind in members_of(kind_at(path[:-1])).items() if key in kind.model_fields]
    todo = nearest(key, own) or "remove the key"
    if others:
        todo = f"remove it, or choose {' or '.join(others)}"
    return Fault(path, f"the {what} {name} has no setting {key!r}", NOTHING, ", ".join(own), todo)


def _unnamed(path: KeyPath, found: str) -> Fault:
    known = list(members_of(kind_at(path)))
    rule = f"there is no {path[-1]} {found!r}"
    return Fault((*path, "name"), rule, found, "one of " + ", ".join(known), nearest(found, known))


def _allowed(path: KeyPath) -> str:
    """What may stand at `path`, or, for an item of a list, in the list."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    return allowed_at(path)


def _todo(error: ErrorDetails) -> str:
    kind, found = error["type"], error["input"]
    if kind == "literal_error" and isinstance(found, str):
        return nearest(found, re.findall(r"'([^']*)'", error["ctx"]["expected"]))
    if kind in ("int_type", "float_type") and isinstance(found, str):
        if re.fullmatch(r"[-+]?[0-9]+[0-9_, ]*[0-9]", found) and not found.isdigit():
            return "write digits only"
        return "remove the quotes" if re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", found) else ""
    if kind == "int_type" and isinstance(found, float) and found.is_integer():
        return f"write {int(found)}"
    if kind == "string_type" and found is not None and not isinstance(found, dict | list):
        return "put quotes around it"
    return ""
