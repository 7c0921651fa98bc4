"""What each condition cost, by stage, against the records one by one."""

from __future__ import annotations

from pathlib import Path

from records_factory import Synthetic, write_study

from analysis import load
from analysis.tables import cost_sheet
from glifr.records import STAGES, scan


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_the_cost_is_the_sum_over_the_units_with_a_result(tmp_path: Path) -> None:
    root = write_study(tmp_path / "study", Synthetic(conditions=("RNN", "LHetA"), seeds=3, trials=4, epochs=5, masks=2))
    units = [unit for unit in scan(root).units if unit.result is not None]
    sheet = cost_sheet(load(root))
    assert [row[0].text for row in sheet.rows] == ["RNN", "LHetA", "all"]
    stages = [stage for stage in STAGES if any(unit.unit.stage == stage for unit in units)]
    assert stages == ["search", "confirm", "final", "silencing"]
    for row in sheet.rows:
        own = [u for u in units if row[0].text in ("all", u.unit.condition)]
        expected: list[float] = []
        for stage in stages:
            results = [u.result for u in own if u.unit.stage == stage and u.result is not None]
            seeds = [seed for result in results for seed in result.seeds]
            trained = [len(seeds), sum(seed.epochs for seed in seeds)] if stage != "silencing" else [len(results)]
            expected += [*trained, sum(result.seconds for result in results)]
        every = [u.result for u in own if u.result is not None]
        expected += [sum(seed.epochs for result in every for seed in result.seeds), sum(r.seconds for r in every)]
        found = [number(cell.text) for cell in row[1:]]
        assert len(found) == len(sheet.heads) - 1 == len(expected)
        assert all(abs(a - b) <= 0.5 for a, b in zip(found, expected, strict=True)), (found, expected)
        assert expected[0] > 0


def test_a_stage_that_did_not_run_has_no_column(tmp_path: Path) -> None:
    root = write_study(tmp_path / "study", Synthetic(conditions=("RNN",), seeds=2, trials=0, silencing=False))
    assert [name for name, _ in cost_sheet(load(root)).groups] == ["", "Final", "All stages"]
