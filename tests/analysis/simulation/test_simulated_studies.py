"""Simulated studies with a fixed seed: coverage, false findings and power. `make simulate` runs more of them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.simulation import __main__ as command
from analysis.simulation.families import PLANNED, effects, equivalents, judgements
from analysis.simulation.nulls import NAMES, NULLS, Null
from analysis.simulation.rate import Rate
from analysis.simulation.rates import MARGIN, null_rates, other_rates
from analysis.statistics.contrasts import ContrastResult, judge
from analysis.statistics.factorial import factorial
from analysis.statistics.intervals import t_interval
from analysis.statistics.skewness import TOLERATED, are_skewed
from glifr.records import Contrast, pair

BY_NAME = {null.name: null for null in NULLS}
ALL = pytest.mark.parametrize("null", NULLS, ids=list(BY_NAME))


def rates(name: str, units: int, studies: int) -> dict[str, float]:
    return {rate.what: rate.share for rate in null_rates(BY_NAME[name], units, studies)}


def frame(study: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(study, columns=list(NAMES), index=range(1, len(study) + 1))


@ALL
@pytest.mark.parametrize("units", [4, 10])
def test_many_studies_at_once_are_judged_as_each_alone(null: Null, units: int) -> None:
    values = null.draw(np.random.default_rng(units), 2, units)
    values[:1, :, 5] += 2 * values.std()  # some with an effect
    planned, parts = judgements(values, PLANNED), judgements(values, effects())
    close = equivalents(values, PLANNED, 4 * values.std())
    for s, study in enumerate(values):
        one = judge(frame(study), PLANNED, smallest_effect=1e-12)
        seven = [e.judged for e in factorial(frame(study), smallest_effect=1e-12).effects]
        for found, alone in ((planned, one), (parts, seven)):
            assert found.p[s] == pytest.approx([j.p_holm for j in alone], nan_ok=True)
            assert found.different()[s].tolist() == [j.verdict.different for j in alone]
        assert planned.low[s] == pytest.approx([j.interval.low for j in one], nan_ok=True)
        assert planned.high[s] == pytest.approx([j.interval.high for j in one], nan_ok=True)
        tested = [j for j in one if not np.isnan(j.p)]
        assert np.nanmin(planned.p_t[s]) == pytest.approx(min(1.0, len(tested) * _smallest_t(tested)))
        alone = judge(frame(study), PLANNED, smallest_effect=4 * float(values.std()))
        if units >= 10:  # with four nothing is testable, so nothing is called equivalent
            assert close[s].tolist() == [j.verdict.word == "equivalent" for j in alone]


def _smallest_t(judged: Sequence[ContrastResult]) -> float:
    return min(float(stats.ttest_1samp(j.pairs, 0).pvalue) for j in judged)


def test_the_effects_are_the_factorials() -> None:
    assert [len(c.of) + len(c.minus) for c in effects()] == [8] * 7
    assert set(effects()[0].of) == {"HomA", "LHetA", "FHetA", "RHetA"}


@ALL
def test_in_every_null_all_conditions_have_one_mean(null: Null) -> None:
    values = null.draw(np.random.default_rng(1), 4000, 20)
    means, errors = values.mean(axis=(0, 1)), values.std(axis=(0, 1)) / np.sqrt(80_000)
    assert (np.abs(means - null.mean) < 4.5 * errors).all()


def test_a_copy_is_a_copy_and_the_sine_study_has_its_covariance() -> None:
    rng = np.random.default_rng(2)
    copies = BY_NAME["copies"].draw(rng, 3, 5)
    assert np.array_equal(copies[..., NAMES.index("Hom")], copies[..., NAMES.index("HomA")])
    drawn = BY_NAME["sine"].draw(rng, 20_000, 10).reshape(-1, 10)
    correlations = np.corrcoef(drawn.T)
    assert correlations[NAMES.index("Hom"), NAMES.index("HomA")] > 0.999
    assert correlations[NAMES.index("FHet"), NAMES.index("RHet")] == pytest.approx(0.89, abs=0.01)
    assert drawn.std(axis=0)[[NAMES.index("RNN"), NAMES.index("RHet")]] == pytest.approx([0.1227, 0.001256], rel=0.01)


@pytest.mark.parametrize("name", ["independent", "copies", "sine"])
def test_families_keep_their_level_and_intervals_cover(name: str) -> None:
    """400 studies: with a true rate of 5 % and coverage of 95 %, beyond these bounds in one of a thousand."""
    found = rates(name, 10, 400)
    assert found["fwer planned"] < 0.09
    assert found["fwer factorial"] < 0.09
    assert min(found["covers least planned"], found["covers least factorial"], found["covers mean"]) > 0.90
    assert found["covers iqm"] > 0.88


@pytest.mark.parametrize("name", ["skewed", "failing"])
def test_where_the_mean_is_not_covered_the_middle_is_and_a_warning_fires(name: str) -> None:
    found = rates(name, 20, 400)
    assert found["fwer planned"] < 0.09
    assert found["covers least planned"] > 0.88
    assert found["covers iqm"] > 0.90
    assert found["warned"] > 0.85
    assert rates("independent", 20, 400)["warned"] < 0.09
    if name == "failing":
        assert found["covers mean"] < 0.9


@pytest.mark.parametrize("name", ["failing", "failing-some"])
@pytest.mark.parametrize("units", [10, 20])
def test_where_networks_fail_every_contrast_that_is_tested_keeps_its_level(name: str, units: int) -> None:
    found = rates(name, units, 400)
    assert found["fwer planned"] < 0.09
    assert found["covers least planned"] > 0.90
    assert found["groups tested"] < 0.9


def test_where_no_network_fails_eight_conditions_against_one_are_tested() -> None:
    for name in ("independent", "copies", "sine", "skewed", "half-skewed"):
        assert rates(name, 20, 200)["groups tested"] > 0.98, name


def test_as_many_failures_as_are_tolerated_never_make_a_difference_by_themselves() -> None:
    for n in range(4, 60):
        for k in range(1, TOLERATED + 1):
            differences = -25.0 * (np.arange(n) < k)
            assert k == n or t_interval(differences).high > 0
    assert t_interval(-25.0 * (np.arange(20) < TOLERATED + 1)).high < 0


def _with_failures(failed: int) -> pd.DataFrame:
    """Ten units of four conditions, the last of them 20 standard deviations better; in so many units one fails."""
    values = np.random.default_rng(5).normal([0.9, 0.9, 0.9, 0.94], 0.002, size=(10, 4))
    values[range(failed), np.arange(failed) % 3] = 0.1
    return pd.DataFrame(values, columns=["a", "b", "c", "d"], index=range(1, 11))


def test_a_mean_of_several_conditions_is_not_tested_where_networks_failed_in_many_units() -> None:
    lopsided = Contrast("three", ("a", "b", "c"), ("d",))
    even = Contrast("two", ("a", "b"), ("c", "d"))
    contrasts = (lopsided, even, pair("d", "a"))
    for failed in (0, TOLERATED):
        assert all(np.isfinite(j.p) for j in judge(_with_failures(failed), contrasts, smallest_effect=0.005))
    group, two, single = judge(_with_failures(TOLERATED + 1), contrasts, smallest_effect=0.005)
    assert group.verdict.word == "not testable"
    reason = "networks failed in 4 of 10 seeds: a mean of 3 conditions against one of 1 then tells how often networks"
    assert group.verdict.note == group.interval.reason == f"{reason} fail"
    assert np.isnan([group.p, group.p_welch, group.p_equivalence, group.interval.low, group.interval.high]).all()
    assert group.interval.mean == pytest.approx(group.pairs.mean())
    assert np.isfinite([two.p, two.interval.low, single.p, single.interval.low]).all()
    assert judge(_with_failures(0), contrasts, smallest_effect=0.005)[0].verdict.word == "worse"


def test_small_samples_equivalence_and_power() -> None:
    found = {(r.units, r.what): r.share for r in other_rates(400)}
    assert found[3, "covers mean"] == pytest.approx(0.95, abs=0.04)
    assert found[10, "false equivalence"] < 0.09
    assert found[10, "finds main effect"] == pytest.approx(0.8, abs=0.08)
    assert found[20, "finds main effect"] > 0.99
    assert MARGIN > 0


def test_skewness_is_told_and_what_cannot_be_tested_is_not() -> None:
    rng = np.random.default_rng(3)
    one_failed = rng.normal(0.94, 0.002, 10)
    one_failed[4] = 0.1
    two_failed = one_failed.copy()
    two_failed[7] = 0.1
    plain = np.linspace(0.93, 0.95, 10)
    rows = np.stack([one_failed, two_failed, plain, np.full(10, 0.9), np.where(plain > 0.94, np.nan, plain)])
    assert are_skewed(rows, 10).tolist() == [True, True, False, False, False]
    assert not are_skewed(one_failed[None, :7], 1).any()


def test_exact_limits_of_a_rate() -> None:
    rate = Rate("independent", 10, "fwer planned", 0, 400)
    assert rate.limits == (0, pytest.approx(1 - 0.025 ** (1 / 400)))


def test_the_command_prints_and_writes_every_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "NULLS", NULLS[:2])
    monkeypatch.setattr(command.clusters, "rates", lambda networks, seed: iter(()))
    assert command.main(["20", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    with (tmp_path / "nulls.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(lines) == len(rows) == 2 * 2 * (12 + 4) + 2 + 2 * 3 + 2 * 2
    of_factors = [row for row in rows if "levels" in row["what"] or "trend" in row["what"]]
    assert {row["total"] for row in of_factors} == {"10", "2"}
    others = [row for row in rows if row not in of_factors]
    assert {row["total"] for row in others if row["what"] != "groups tested"} == {"20"}
    assert lines[0].startswith("independent, n = 10, fwer planned: 0.")
