"""Table 1: what stands beside the interval over networks, and what is not shown of a few."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from records_factory import Synthetic, write_study

from analysis import Assessment, assess, load, report_warnings
from analysis.tables import Table, conditions_sheet
from analysis.tables.derived import derived_tables
from analysis.text import NOTHING

SMALL = Synthetic(conditions=("RNN", "LHetA"), seeds=12, trials=0, silencing=False, epochs=2)


def judged(tmp_path: Path, study: Synthetic) -> tuple[Assessment, Table]:
    a = assess(load(write_study(tmp_path / "s", study)))
    return a, conditions_sheet(a, report_warnings(a))


def column(sheet: Table, name: str) -> list[str]:
    place = [h.text for h in sheet.heads].index(name)
    return [row[place].text for row in sheet.rows]


def test_an_accuracy_has_the_error_of_its_test_set_beside_its_interval(tmp_path: Path) -> None:
    a, sheet = judged(tmp_path, SMALL)
    wanted = [math.sqrt(r.interval.mean * (1 - r.interval.mean) / 500) for r in a.performances]
    assert [r.test_error for r in a.performances] == pytest.approx(wanted)
    assert column(sheet, "test-set SE") == [f"{100 * w:.2f}" for w in wanted]
    assert derived_tables(a, [])["conditions"]["test_error"].tolist() == pytest.approx(wanted)
    assert "all networks were tested on the same 500 test samples" in sheet.caption
    assert "those of differences between conditions included" in sheet.caption


def test_a_loss_says_that_its_error_is_not_available(tmp_path: Path) -> None:
    _, sheet = judged(tmp_path, SMALL.with_(accuracy=False))
    assert column(sheet, "test-set SE") == [NOTHING] * 2
    assert "not available for a loss" in sheet.caption


@pytest.mark.parametrize(("seeds", "shown"), [(9, False), (10, True)])
def test_the_interquartile_mean_is_shown_from_ten_networks_on(tmp_path: Path, seeds: int, shown: bool) -> None:
    _, sheet = judged(tmp_path, SMALL.with_(seeds=seeds, diverged=frozenset({("RNN", 1)})))
    found = column(sheet, "IQM")
    assert [text != NOTHING for text in found if text] == [shown] * 2
    assert all(len(row) == len(sheet.heads) for row in sheet.rows)
