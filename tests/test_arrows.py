"""The arrows of the design: which room may import which, and each third party has one home."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("glifr", "launch", "analysis")


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it; `from a import b` counts as a.b too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def importers(*modules: str) -> set[str]:
    """The files of all rooms that import one of the modules, or something below it."""
    return {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in files(room)
        if any(name == m or name.startswith(m + ".") for name in imports_of(path) for m in modules)
    }


@pytest.mark.parametrize("module", ["launch", "analysis", "ray", "optuna", "wandb", "yaml", "pydantic", "pandas"])
def test_the_science_imports_none_of_these(module: str) -> None:
    assert not {path for path in importers(module) if path.startswith("glifr/")}


@pytest.mark.parametrize("module", ["launch", "ray", "optuna", "wandb", "torch"])
def test_the_analysis_imports_none_of_these(module: str) -> None:
    assert not {path for path in importers(module) if path.startswith("analysis/")}


def test_the_analysis_knows_only_records_and_conditions_of_the_science() -> None:
    for path in files("analysis"):
        for name in imports_of(path):
            if name.split(".")[0] == "glifr":
                assert name.startswith(("glifr.records", "glifr.conditions")), f"{path}: {name}"


@pytest.mark.parametrize(
    ("module", "home"),
    [
        ("ray", "launch/executors/ray_"),
        ("optuna", "launch/search"),
        ("wandb", "launch/tracking"),
        ("yaml", "launch/spec/"),
        ("pydantic", "launch/spec/"),
        ("pandas", "analysis/"),
        ("matplotlib", "analysis/"),
        ("scipy", "analysis/"),
        ("torchvision", "glifr/tasks/"),
        ("mlxtend", "glifr/tasks/"),
        (
            "numba",
            tuple(
                f"glifr/kernels/{name}.py"
                for name in ("code_cache", "denormals_cpu", "emit", "jobs", "products_cpu", "retreat_cpu", "vectors")
            ),
        ),
        ("triton", ("glifr/engine/cuda/", "benchmarks/kernels.py")),
    ],
)
def test_each_third_party_has_one_home(module: str, home: str | tuple[str, ...]) -> None:
    found = importers(module)
    assert found, f"nothing imports {module}: is the table out of date?"
    assert all(path.startswith(home) for path in found), found


def test_only_benchmarks_of_the_launcher_and_of_searches_import_it() -> None:
    """The others run where Ray, pydantic and YAML are not installed."""
    rooms = {"launcher": ("analysis",), "searches": ()}
    for path in files("benchmarks"):
        barred = next(
            (rooms[part] for part in path.parts if part in rooms), ("launch", "analysis", "benchmarks.launcher")
        )
        found = {name for name in imports_of(path) if name.startswith(barred)} if barred else set()
        assert not found, f"{path}: {found}"


def test_only_the_end_of_a_session_calls_the_report() -> None:
    assert {path for path in importers("analysis") if path.startswith("launch/")} == {"launch/session.py"}
