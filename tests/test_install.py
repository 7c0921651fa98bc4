"""What users install: on each Python from 3.11.0 on, and without tools for work on the project itself."""

from __future__ import annotations

import contextlib
import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
OLDEST = ("3.11.0", "3.11.2", "3.11.4")  # Debian 12 has 3.11.2


@pytest.mark.parametrize("package", PINS)
def test_e8_no_pin_shuts_out_a_python_that_the_project_supports(package: str) -> None:
    try:
        found = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        pytest.skip("belongs to an extra that is not installed here")
    if found["Version"] != PINS[package]:
        pytest.skip(f"{found['Version']} is installed here, so this says nothing of {PINS[package]}")
    supported = SpecifierSet(found.get("Requires-Python") or "")
    assert not [python for python in OLDEST if python not in supported], f"{package} needs Python {supported}"


def test_e8_the_oldest_python_is_the_one_that_the_project_names() -> None:
    assert OLDEST[0] in SpecifierSet(PROJECT["requires-python"])


def _needs(name: str) -> set[str]:
    """Every package that one of ours brings along, in lower case, as installed here."""
    found: set[str] = set()
    todo = [Requirement(text) for text in PROJECT[name]]
    while todo:
        one = todo.pop()
        package = re.sub(r"[-_.]+", "-", one.name).lower()
        if package in found or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        found.add(package)
        with contextlib.suppress(metadata.PackageNotFoundError):
            todo += [Requirement(text) for text in metadata.requires(package) or ()]
    return found


def test_e8_a_study_needs_no_tool_of_the_developers() -> None:
    tools = {"mkdocs", "mkdocs-material", "pymdown-extensions", "mkdocstrings", "pytest", "mypy", "ruff", "uv"}
    assert not _needs("dependencies") & tools
    study = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("study:"))
    assert study == "study: setup"
    recipe = (ROOT / "Makefile").read_text().partition("$(STAMP): ")[2].partition("\n\n")[0]
    assert "-e .\n" in recipe
    assert "dev" not in recipe
