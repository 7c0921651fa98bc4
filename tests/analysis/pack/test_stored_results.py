"""docs/results: what its page says and shows is what its packs hold."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from paths import ROOT

from analysis import Results, figures, load, make_report
from analysis.statistics.recovery import WITHIN, recovered, recoveries
from glifr.records.archive import MOST_BYTES

STORED = ROOT / "docs" / "results"
PAGE = (STORED / "README.md").read_text(encoding="utf-8")
PACKS = sorted(STORED.glob("*.tar.xz"))


def _section(study: str) -> str:
    (found,) = [part for part in PAGE.split("\n## ")[1:] if f"studies/{study}.yaml" in part]
    return found


def _rows(study: str) -> dict[str, list[str]]:
    """The first table of a study's section, by its first column."""
    lines = [line for line in _section(study).splitlines() if line.startswith("| ")]
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:])
    return {first: rest for first, *rest in cells}


@pytest.fixture(scope="module")
def stored() -> dict[str, Results]:
    return {path.name.removesuffix(".tar.xz"): load(path) for path in PACKS}


def test_packs_are_small() -> None:
    assert {"published_sine", "parameter_recovery"} <= {path.name.removesuffix(".tar.xz") for path in PACKS}
    assert all(path.stat().st_size <= MOST_BYTES for path in PACKS)


def test_a_pack_is_a_whole_study_of_committed_code(stored: dict[str, Results]) -> None:
    for study, results in stored.items():
        assert results.complete, study
        assert results.problems == (), study
        assert results.info.name == study
        assert not any(session["dirty"] for session in results.sessions), study


def test_numbers_on_the_page_are_those_of_the_pack(stored: dict[str, Results]) -> None:
    told = {study: results for study, results in stored.items() if not study.endswith("_recovery")}
    assert len(told) == 3
    for study, results in told.items():
        measure, rows = results.info.measure, _rows(study)
        values = results.final_values() * measure.scale
        assert list(rows) == results.info.names
        for name, (n, found, *_) in rows.items():
            own = values[name].dropna()
            assert (int(n), found) == (
                len(own),
                f"{own.mean():.{measure.decimals}f} ± {own.std():.{measure.decimals}f}",
            )


def _recovered(results: Results) -> dict[tuple[str, str], str]:
    found = recovered(recoveries(results.tables["parameters"]))
    return {(r.condition, r.parameter): f"{r.recovered} of {r.networks}" for r in found}


def test_recovered_parameters_on_the_page_are_those_of_the_pack(stored: dict[str, Results]) -> None:
    results = stored["parameter_recovery"]
    rows, counted = _rows("parameter_recovery"), _recovered(results)
    assert results.info.names == ["LHet", "LHetA", "RHetA"]
    for parameter in ("thresh", "k_m"):
        assert rows[f"`{parameter}`"] == [counted[name, parameter] for name in results.info.names]
    assert all(counted[name, p] == "0 of 20" for name in ("LHetA", "RHetA") for p in ("k_j", "r_j", "a_j"))


def test_identifiable_parameters_on_the_page_are_those_of_the_pack(stored: dict[str, Results]) -> None:
    results = stored["identifiable_recovery"]
    rows, counted = _rows("identifiable_recovery"), _recovered(results)
    for parameter in ("thresh", "k_m", "k_j", "r_j", "a_j"):
        own = [counted.get((name, parameter), "has none") for name in results.info.names]
        assert rows[f"`{parameter}`"] == own
    found = recoveries(results.tables["parameters"])
    each = (found["error"] <= WITHIN).groupby([found["condition"], found["seed"]]).all()
    all_five = [f"{each[name].sum()} of {len(each[name])}" for name in ("LHetA", "RHetA")]
    assert rows["all five"] == ["has none", *all_five]


def test_tables_and_figures_are_made_of_a_stored_pack_again(tmp_path: Path) -> None:
    made = make_report(STORED / "parameter_recovery.tar.xz", parts=("html", "csv", "png"), out=tmp_path)
    assert made.complete
    assert {Path(path).stem for path in made.figures} < set(figures.FIGURES)
    assert {"parameter_distributions", "current_curves", "step_responses", "example_outputs", "learning_curves"} < {
        Path(path).stem for path in made.figures
    }
    pictures = re.findall(r"!\[[^]]*\]\(parameter_recovery/([^)]+)", PAGE)
    assert pictures
    for picture in pictures:
        shown, again = imread(STORED / "parameter_recovery" / picture), imread(tmp_path / picture)
        assert shown.shape == again.shape, "run `make pictures`"
        assert np.abs(shown - again).mean() < 0.01, "run `make pictures`"


def test_every_picture_and_file_that_the_page_names_is_there() -> None:
    named = [link for link in re.findall(r"\]\(([^)#]+)", PAGE) if not link.startswith("http")]
    assert len(named) > 5
    assert [link for link in named if not (STORED / link).is_file()] == []
