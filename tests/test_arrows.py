"""The arrows of the design: which room may import which, and each third party has one home."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from paths import ROOT

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


# room -> the rooms of its package that it may import; all may import the ground floor
GROUND = {
    "glifr": ("errors", "checks", "conditions", "configuration", "parameters", "outside"),
    "launch": ("jobs", "failures", "full_disk", "code", "continuing"),
    "analysis": ("text", "files", "measure", "parallel"),
}
MAY_IMPORT = {
    "glifr": {
        "records": "",
        "engine": "",
        "neurons": "engine",
        "networks": "engine neurons",
        "definitions": "engine neurons networks",
        "tasks": "records networks",
        "characterise": "records engine networks tasks",
        "training": "records engine networks definitions tasks characterise",
        "records.storage": "records networks definitions tasks",
    },
    "launch": {
        "outside": "",
        "studyfile": "outside",
        "planning": "studyfile",
        "ledger": "outside studyfile planning",
        "scheduling": "studyfile planning ledger",
        "tracking": "studyfile planning ledger",
        "workers": "studyfile planning ledger tracking",
        "executors": "outside planning ledger tracking workers",
        "terminal": "studyfile planning ledger",
        "budget": "studyfile planning ledger scheduling executors terminal",
    },
    "analysis": {
        "statistics": "",
        "results": "statistics",
        "sequential": "statistics results",
        "published": "statistics results",
        "judgement": "statistics results sequential published",
        "tables": "statistics results sequential published judgement",
        "figures": "statistics results sequential published judgement tables",
        "pack": "statistics results",
        "simulation": "statistics sequential",
    },
}
MOST_FILES = 16  # of a room; more wants another room


def modules(package: str) -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files(package)
    }


def room_of(package: str, module: str) -> str:
    """The room that a module lies in: the longest of those listed, '' for the package's own folder."""
    below = module.removeprefix(f"{package}.")
    return max((r for r in MAY_IMPORT[package] if below == r or below.startswith(f"{r}.")), key=len, default="")


@pytest.mark.parametrize(("package", "room"), [(p, room) for p, rooms in MAY_IMPORT.items() for room in rooms])
def test_a_room_imports_only_rooms_below_it(package: str, room: str) -> None:
    known = modules(package)
    allowed = [f"{package}.{name}" for name in (room, *MAY_IMPORT[package][room].split(), *GROUND[package])]
    for module, path in known.items():
        if room_of(package, module) != room or path.name == "__main__.py":  # a command stands above the rooms
            continue
        for name in imports_of(path) & known.keys():
            inside = any(name == a or room_of(package, name) == a.removeprefix(f"{package}.") for a in allowed)
            assert inside or name == package, f"{path.relative_to(ROOT)} imports {name}"


def test_every_room_has_its_arrows_and_they_point_one_way() -> None:
    """Each room may import only rooms listed before it, so there is no circle."""
    for package, rooms in MAY_IMPORT.items():
        before: list[str] = []
        for room, allowed in rooms.items():
            assert set(allowed.split()) <= set(before), f"{package}.{room}"
            before.append(room)
        folders = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
        assert folders - {"report", "cluster"} == {room for room in rooms if "." not in room}, package


def test_a_room_is_small_and_says_what_belongs_in_it() -> None:
    for package in (*ROOMS, "benchmarks", "tests"):
        for folder in {path.parent for path in files(package)}:
            room = folder.relative_to(ROOT).as_posix()
            if room == "launch/cluster":  # a script and what it starts
                continue
            own = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
            assert len(own) <= MOST_FILES, f"{room} has {len(own)} files"
            assert package == "tests" or ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), room


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
        ("optuna", ("launch/scheduling/search", "launch/tracking/optuna_mirror")),
        ("wandb", "launch/tracking/"),
        ("yaml", "launch/studyfile/"),
        ("pydantic", "launch/studyfile/"),
        ("pandas", "analysis/"),
        ("matplotlib", "analysis/"),
        ("scipy", "analysis/"),
        ("torchvision", "glifr/tasks/"),
        ("mlxtend", "glifr/tasks/"),
        ("numba", "glifr/engine/cpu/"),
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


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest imports them by their names alone, and would run one of the two."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []
