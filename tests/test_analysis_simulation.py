"""Simulated studies with a fixed seed: coverage, false findings and power. `make simulate` runs more of them."""

from __future__ import annotations

import pytest

from analysis.simulation import (
    SPREAD,
    contrast_errors,
    factorial_errors,
    factorial_power,
    iqm_coverage,
    main,
    t_coverage,
)


@pytest.mark.parametrize("seeds", [3, 5, 10, 20])
def test_the_t_interval_covers_its_level(seeds: int) -> None:
    assert 0.93 <= t_coverage(seeds, 1000) <= 0.97


@pytest.mark.parametrize(("seeds", "lost", "wanted"), [(10, 0.0, 0.93), (20, 0.0, 0.95), (10, 0.1, 0.93)])
def test_the_interval_of_the_iqm_covers_what_it_is_said_to(seeds: int, lost: float, wanted: float) -> None:
    assert iqm_coverage(seeds, 1000, lost) == pytest.approx(wanted, abs=0.02)


def test_the_planned_family_keeps_its_level() -> None:
    different, equivalent = contrast_errors(10, 400)
    assert different <= 0.06
    assert equivalent <= 0.07


def test_the_factorial_keeps_its_level_and_sees_what_it_should() -> None:
    assert factorial_errors(10, 300) <= 0.06
    # the smallest main effect that ten seeds show with 80 % power, in standard deviations of a network
    assert factorial_power(10, 0.63 * SPREAD, 300) == pytest.approx(0.8, abs=0.07)


def test_the_command_prints_a_line_a_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["20"]) == 0
    out = capsys.readouterr().out
    assert out.count("covers") == 7
    assert out.count("false findings") == 4
