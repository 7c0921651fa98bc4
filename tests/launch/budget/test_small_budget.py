"""A limit in hours below what can be tested is told by a plain run too, before its first unit."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import ONE_CONDITION

from launch import cli
from launch.ledger.units import Ledger

pytestmark = pytest.mark.program


def test_a_plain_run_tells_that_its_hours_are_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(ONE_CONDITION.replace("mode: offline", "mode: disabled") + "budget: {hours: 1.0e-6}\n")
    given = [str(path), "--results", str(tmp_path / "results")]
    assert cli.main(given) == 1
    out = capsys.readouterr().out
    assert "even the smallest that can be tested takes" in out
    assert out.index("even the smallest") < out.index("units done")
    told = [event["message"] for event in Ledger(tmp_path / "results" / "small" / "full").events()]
    assert any("the budget is too small for these conditions" in line for line in told)
