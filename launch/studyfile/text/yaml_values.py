"""Values in YAML's own words: what plain text is read as, and how a value of a study is shown on one line."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from glifr.errors import Written

CORE = "tag:yaml.org,2002:"
NULL, BOOL, INT, FLOAT, STR = (CORE + name for name in ("null", "bool", "int", "float", "str"))
PATTERNS = {
    NULL: re.compile(r"~|null|Null|NULL|"),
    BOOL: re.compile(r"true|True|TRUE|false|False|FALSE"),
    INT: re.compile(r"[-+]?[0-9]+"),
    FLOAT: re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
}
# what plain text is: for PyYAML's parser and its writer
RESOLVERS = {None: [(tag, re.compile(f"(?:{pattern.pattern})$")) for tag, pattern in PATTERNS.items()]}


class _Dumper(yaml.SafeDumper):
    """PyYAML's writer, with quotes only where the reader would take plain text for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    """On one line, also where the text has several; what cannot be printed is escaped."""
    return dumper.represent_scalar(STR, value, style=None if value.isprintable() else '"')


def _number(dumper: _Dumper, value: float) -> yaml.ScalarNode:
    """As short as can be: 1e-05."""
    return dumper.represent_scalar(FLOAT, repr(value)) if math.isfinite(value) else dumper.represent_float(value)


_Dumper.yaml_implicit_resolvers = RESOLVERS
_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _number)


def as_yaml(value: Any) -> Written:
    """A value as a study has it: null, true, [Homm]. What YAML cannot say is shown as Python writes it."""
    if isinstance(value, Written):
        return value
    try:
        text = yaml.dump(
            value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=math.inf, allow_unicode=True
        )
    except yaml.YAMLError:
        return Written(repr(value))
    return Written(text.rstrip("\n").removesuffix("\n..."))
