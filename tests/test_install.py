"""What users install: on each Python from 3.11.0 on, and without tools for work on the project itself."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from paths import ROOT
from small_study import NOT_COMPILED, ONE_CONDITION, ONE_UNIT

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
    ours = PROJECT["name"]
    todo = [Requirement(text) for text in PROJECT["optional-dependencies"][name] if not text.startswith(ours)]
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
    tools = {"zensical", "pymdown-extensions", "mkdocstrings", "pytest", "mypy", "ruff", "uv"}
    assert not _needs("study") & tools
    study = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("study:"))
    assert study == "study: setup"
    recipe = (ROOT / "Makefile").read_text().partition("$(STAMP): ")[2].partition("\n\n")[0]
    assert "-e '.[study]'\n" in recipe
    assert "dev" not in recipe


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds, and the command that it installs."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    for name in ("glifr", "launch", "analysis", "studies", "search_spaces"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, place], cwd=source, check=True, capture_output=True, timeout=600)
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(place / "site")
    shutil.rmtree(source)
    (entry_points,) = (place / "site").glob("*.dist-info/entry_points.txt")
    target = re.search(r"glifr-study = ([\w.]+):(\w+)", entry_points.read_text())
    assert target
    command = place / "glifr-study"
    command.write_text(f"import sys\nfrom {target[1]} import {target[2]}\nsys.exit({target[2]}())\n")
    return place


def command(installed: Path, where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, in another folder than the project's."""
    own = {**os.environ, "PYTHONPATH": str(installed / "site"), "COLUMNS": "200"}
    given = [sys.executable, str(installed / "glifr-study"), *arguments]
    return subprocess.run(given, cwd=where, env=own, capture_output=True, text=True, timeout=600)


def test_the_wheel_holds_studies_spaces_templates_and_cluster_files(installed: Path) -> None:
    held = {
        path.relative_to(installed / "site").as_posix() for path in (installed / "site").rglob("*") if path.is_file()
    }
    wanted = [path for folder in ("studies", "search_spaces") for path in (ROOT / folder).rglob("*.yaml")]
    wanted += [path for path in (ROOT / "analysis").rglob("*") if path.suffix in (".j2", ".css", ".csv", ".json")]
    wanted += [*(ROOT / "launch" / "cluster").glob("*.sh"), *(ROOT / "launch" / "cluster").glob("*.yaml")]
    wanted += [path for name in ("glifr", "launch", "analysis") for path in (ROOT / name).rglob("*.py")]
    missing = {path.relative_to(ROOT).as_posix() for path in wanted if path.name != "site.sh"} - held
    assert not missing
    assert {"glifr/py.typed", "launch/py.typed", "analysis/py.typed"} < held
    assert not [name for name in held if name.startswith("tests") or "__pycache__" in name]


def test_a_studys_name_is_enough_for_the_projects_own(installed: Path, tmp_path: Path) -> None:
    done = command(installed, tmp_path, "smnist_ablation", "--profile", "none")
    assert done.returncode == 2
    assert "the study has no such profile" in done.stderr
    unknown = command(installed, tmp_path, "smnist_ablatio")
    assert unknown.returncode == 2
    assert "does not exist" in unknown.stderr


@pytest.mark.program
def test_the_installed_command_runs_a_study_from_another_folder(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(ONE_CONDITION)
    changes = [word for text in (*ONE_UNIT, NOT_COMPILED) for word in ("--set", text)]
    done = command(installed, tmp_path, "mine.yaml", *changes)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "results").rglob("report.html"))
    assert not (installed / "results").exists()


def _locked() -> dict[str, str]:
    text = (ROOT / "requirements.txt").read_text()
    return {name.lower(): version for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE)}


def test_the_lock_has_the_versions_of_the_constraints() -> None:
    pins = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in PINS.items()}
    assert {name: version for name, version in _locked().items() if pins.get(name, version) != version} == {}


def test_the_lock_has_all_that_a_study_needs_with_hashes_and_no_index() -> None:
    text = (ROOT / "requirements.txt").read_text()
    assert _needs("study") | _needs("cpu") <= set(_locked())
    entries = re.split(r"\n(?=\S)", text.strip())
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text


def test_torch_for_the_cpu_asks_for_the_index_that_has_it(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "requirements.txt", "constraints.txt"):
        (tmp_path / name).touch()
    done = subprocess.run(["make", "setup", "TORCH=cpu"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "TORCH_INDEX=URL" in done.stdout
    assert not (tmp_path / ".venv").exists()
