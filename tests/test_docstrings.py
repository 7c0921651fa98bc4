"""Docstrings name only what there is; the rest of their style is held by ruff (`convention = "google"`)."""

from __future__ import annotations

import ast
import re

import pytest
from paths import ROOT

FILES = [path for room in ("glifr", "launch", "analysis") for path in sorted((ROOT / room).rglob("*.py"))]
CLASSES = [(p, n) for p in FILES for n in ast.walk(ast.parse(p.read_text())) if isinstance(n, ast.ClassDef)]
BY_NAME = {node.name: node for _, node in CLASSES}
DESCRIBED = [
    pytest.param(node, id=f"{path.relative_to(ROOT)}:{node.name}")
    for path, node in CLASSES
    if re.search(r"^(Args|Attributes):$", ast.get_docstring(node) or "", re.M)
]


def _said(docstring: str, section: str) -> set[str]:
    found = re.search(rf"^{section}:\n((?:(?:    .*)?\n?)*)", docstring, re.M)
    return set(re.findall(r"^    (\*{0,2}\w+):", found.group(1), re.M)) if found else set()


def _attributes(node: ast.ClassDef) -> set[str]:
    bases = [BY_NAME[b.id] for b in node.bases if isinstance(b, ast.Name) and b.id in BY_NAME and b.id != node.name]
    names: set[str] = set().union(*map(_attributes, bases))
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef):
            names.add(inner.name)
        elif isinstance(inner, ast.Name | ast.Attribute) and isinstance(inner.ctx, ast.Store):
            names.add(inner.id if isinstance(inner, ast.Name) else inner.attr)
    return names


@pytest.mark.parametrize("node", DESCRIBED)
def test_a_class_has_what_its_docstring_describes(node: ast.ClassDef) -> None:
    docstring = ast.get_docstring(node) or ""
    assert _said(docstring, "Attributes") <= _attributes(node)
    arguments = _said(docstring, "Args")
    if arguments:
        init = next((f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None)
        fields = {f.target.id for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)}
        given = {a.arg for a in ast.walk(init.args) if isinstance(a, ast.arg)} - {"self"} if init else fields
        assert {name.lstrip("*") for name in arguments} <= given
        if init:
            assert {name.lstrip("*") for name in arguments} == given, "all arguments, or none"
