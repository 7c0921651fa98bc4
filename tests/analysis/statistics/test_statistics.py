"""Intervals, paired differences and their tests against independent oracles."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.comparisons import holm, sign_flip_p, sign_flip_ps, smallest_p
from analysis.statistics.contrasts import all_pairs, judge
from analysis.statistics.effects import equivalence_p, hedges_g, obstacle, sd_ratio, welch_p
from analysis.statistics.factorial import factorial
from analysis.statistics.intervals import binomial_error, iqm_interval, t_interval
from analysis.statistics.power import equivalence_power, power, seeds_for_equivalence, seeds_needed
from glifr.records import Contrast, pair


@pytest.mark.parametrize("n", [2, 3, 10, 20])
def test_t_interval_equals_scipy(n: int) -> None:
    x = np.random.default_rng(n).normal(0.94, 0.01, n)
    found = t_interval(x)
    low, high = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-10)
    assert (found.n, found.mean, found.sd) == (n, pytest.approx(np.mean(x)), pytest.approx(np.std(x, ddof=1)))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "no finished network"),
        ([0.9], "one network has no spread"),
        ([0.9, 0.9, 0.9], "all values are equal"),
        ([0.9, math.nan], "a value is missing or not finite"),
    ],
)
def test_an_interval_that_cannot_be_computed_says_why(values: list[float], reason: str) -> None:
    found = t_interval(values)
    assert found.reason == reason
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_t_interval_covers_its_level() -> None:
    draws = np.random.default_rng(7).normal(0, 1, (2000, 5))
    intervals = [t_interval(x) for x in draws]
    assert 0.935 < np.mean([t.low <= 0 <= t.high for t in intervals]) < 0.965


@pytest.mark.parametrize("n", [2, 5, 9, 12])
def test_sign_flip_equals_scipys_exact_permutation_test(n: int) -> None:
    d = np.random.default_rng(n).normal(0.4, 1, n)
    oracle = stats.permutation_test((d, np.zeros(n)), lambda a, b: np.mean(a - b), permutation_type="samples",
                                    n_resamples=np.inf, vectorized=False)  # fmt: skip
    assert sign_flip_p(d) == pytest.approx(oracle.pvalue, abs=1e-12)


def test_sign_flip_above_sixteen_pairs_is_near_the_exact_value() -> None:
    d = np.random.default_rng(3).normal(0.25, 1, 18)
    patterns = ((np.arange(2**18)[:, None] >> np.arange(18)) & 1) * 2.0 - 1.0
    exact = float((np.abs(patterns @ d) >= abs(d.sum()) - 1e-9).mean())
    assert sign_flip_p(d) == pytest.approx(exact, abs=4 * math.sqrt(exact / 20_000))


@pytest.mark.parametrize("n", [2, 5, 10, 16, 17, 20])
def test_sign_flips_of_many_samples_are_those_of_each(n: int) -> None:
    rows = np.random.default_rng(n).normal(0.3, 1, (30, n))
    rows[:6] = np.round(rows[:6])  # ties
    rows[6], rows[7, 0], rows[8] = 3.0, math.nan, rows[9][::-1]
    p = sign_flip_ps(rows)
    assert np.array_equal(p, [sign_flip_p(row) for row in rows], equal_nan=True)
    assert p[8] == p[9]
    assert math.isnan(p[7])


@pytest.mark.parametrize("n", [3, 5, 9, 16])
def test_smallest_p_is_what_equal_signs_give(n: int) -> None:
    strong = np.linspace(1, 2, n)
    assert sign_flip_p(strong) == pytest.approx(smallest_p(n))
    assert sign_flip_p(-strong) == sign_flip_p(strong)


@pytest.mark.parametrize("n", [*range(2, 17), 20, 40])
def test_equal_differences_give_the_smallest_p_and_zeros_one(n: int) -> None:
    rng = np.random.default_rng(n)
    for value in (0.9, -0.9, 1e-7, 1e5):
        assert sign_flip_p([value] * n) == pytest.approx(smallest_p(n))
        moved = value * (1 + rng.uniform(-1, 1, n) * 1e-15)
        assert sign_flip_p(moved) == sign_flip_p([value] * n), "rounding is no evidence against or for"
    assert sign_flip_p([0.9] * (n - 1) + [0.9 + 1e-9]) == pytest.approx(smallest_p(n))
    assert sign_flip_p([0.0] * n) == 1
    assert sign_flip_p([-0.0] * n) == 1


def test_rounding_does_not_part_sums_that_are_equal_by_symmetry() -> None:
    """0.1 + 0.2 - 0.3 is 5.6e-17 in floating point, and 0 in truth: as far from zero as any of its patterns."""
    assert sign_flip_p([0.1, 0.2, -0.3]) == 1
    thirds = [0.1 + 0.2, 0.3, -0.3, 0.3]
    assert sign_flip_p(thirds) == sign_flip_p([0.3, 0.3, -0.3, 0.3]) == 10 / 16


def test_no_p_below_two_pairs_or_of_what_is_not_finite() -> None:
    assert math.isnan(sign_flip_p([0.1]))
    assert math.isnan(sign_flip_p([]))
    assert math.isnan(sign_flip_p([0.1, math.nan, 0.2]))
    assert math.isnan(sign_flip_p([0.1, math.inf, 0.2]))
    assert math.isnan(smallest_p(1))


def _closed_testing(p: list[float]) -> list[float]:
    """Holm's procedure as closed Bonferroni testing, written from its definition."""
    m = len(p)
    families = [s for size in range(1, m + 1) for s in combinations(range(m), size)]
    return [min(1.0, max(len(s) * min(p[j] for j in s) for s in families if i in s)) for i in range(m)]


@given(st.lists(st.floats(0.0001, 1.0), min_size=1, max_size=6))
def test_holm_equals_closed_testing(p: list[float]) -> None:
    assert holm(p) == pytest.approx(_closed_testing(p))


def test_holm_counts_only_tests() -> None:
    adjusted = holm([0.01, math.nan, 0.04])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.04])
    assert math.isnan(adjusted[1])


def _values() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    base = rng.normal(0.9, 0.02, 8)
    frame = pd.DataFrame({"A": base, "B": base + rng.normal(0.01, 0.003, 8), "C": base}, index=range(1, 9))
    frame.loc[3, "B"] = math.nan
    frame.loc[5, "A"] = math.nan
    return frame


CELLS = ("Hom", "HomA", "LHet", "LHetA", "FHet", "FHetA", "RHet", "RHetA")
BASE = {"smallest_effect": 0.005, "alpha": 0.05}


def test_contrasts_are_paired_over_shared_seeds() -> None:
    values = _values()
    b, c = judge(values, [pair("B", "A"), pair("C", "A")], **BASE)
    shared = [1, 2, 4, 6, 7, 8]
    d = (values["B"] - values["A"])[shared]
    low, high = stats.ttest_rel(values["B"][shared], values["A"][shared]).confidence_interval(0.95)
    assert list(b.pairs.index) == shared
    assert (b.interval.mean, b.interval.low, b.interval.high) == pytest.approx((d.mean(), low, high))
    assert b.unpaired == (3, 5)
    assert c.unpaired == (5,)
    assert c.reason == "all differences are equal"
    assert c.verdict.word == "inconclusive"
    assert c.p == 1, "all of them are zero"
    assert (b.p_holm, c.p_holm) == (2 * b.p, 1)


def test_a_contrast_of_groups_is_the_difference_of_their_means_within_a_seed() -> None:
    values = _values()
    (found,) = judge(values, [Contrast("both", ("B", "C"), ("A",))], **BASE)
    whole = values.dropna()
    wanted = (whole["B"] + whole["C"]) / 2 - whole["A"]
    assert found.pairs.to_numpy() == pytest.approx(wanted.to_numpy())
    assert list(found.pairs.index) == list(whole.index)


@pytest.mark.parametrize("n", [8, 20])
def test_neither_the_order_of_seeds_nor_that_of_conditions_matters(n: int) -> None:
    rng = np.random.default_rng(1)
    values = pd.DataFrame(rng.normal(0.94, 0.004, (n, 8)), columns=list(CELLS), index=range(n))
    shuffled = values.sample(frac=1, random_state=2)[list(reversed(CELLS))]
    for straight, other in zip(*(judge(v, all_pairs(CELLS), **BASE) for v in (values, shuffled)), strict=True):
        assert replace(straight, pairs=other.pairs) == other
        assert straight.pairs.equals(other.pairs)
    for one, two in zip(*(factorial(v, **BASE).effects for v in (values, shuffled)), strict=True):
        assert (one.name, one.p, one.p_holm, one.verdict) == (two.name, two.p, two.p_holm, two.verdict)
        assert (one.estimate, one.low, one.high, one.eta2) == pytest.approx(
            (two.estimate, two.low, two.high, two.eta2), rel=1e-10, abs=1e-15
        )


def test_a_contrast_of_an_unknown_condition_stays_and_says_why() -> None:
    known, unknown = judge(_values(), [pair("B", "A"), pair("D", "A")], **BASE)
    assert not math.isnan(known.p)
    assert unknown.reason == "not in the study: D"
    assert (unknown.verdict.word, unknown.verdict.note) == ("not testable", "not in the study: D")


VERDICTS = {
    "better": (0.02, 0.003, True),
    "worse": (0.02, 0.003, False),
    "equivalent": (0.0003, 0.001, True),
    "inconclusive": (0.003, 0.01, True),
}


@pytest.mark.parametrize("wanted", VERDICTS)
def test_each_verdict_is_reached(wanted: str) -> None:
    shift, spread, higher_is_better = VERDICTS[wanted]
    rng = np.random.default_rng(4)
    a = rng.normal(0.94, 0.01, 12)
    values = pd.DataFrame({"A": a, "B": a + rng.normal(shift, spread, 12)})
    (found,) = judge(values, [pair("B", "A")], higher_is_better=higher_is_better, **BASE)
    assert found.verdict.word == wanted


@pytest.mark.parametrize("values", [[0.9] * 5, [0.9], [], [0.9, math.nan, 0.8]])
def test_no_statistic_of_groups_that_allow_none(values: list[float]) -> None:
    """scipy gives p = 5e-135 for two constant groups."""
    other = [0.5] * len(values)
    assert obstacle(values, other)
    for number in (
        welch_p(values, other),
        hedges_g(values, other),
        sd_ratio(values, other),
        equivalence_p(values, 0.1),
    ):
        assert math.isnan(number)


def test_iqm_shrugs_off_a_diverged_network() -> None:
    x = np.random.default_rng(2).normal(0.94, 0.003, 12)
    calm, struck = iqm_interval(x), iqm_interval([*x[1:], 0.1])
    assert abs(struck.iqm - calm.iqm) < 0.003
    assert struck.high - struck.low < 3 * (calm.high - calm.low)
    assert iqm_interval(x[:9]).reason == "fewer than 10 networks"
    assert math.isnan(iqm_interval(x[:9]).low)
    assert math.isnan(iqm_interval(x[:9]).iqm)
    assert iqm_interval([0.9] * 10).reason == "all values are equal"


def test_seeds_needed_are_the_first_that_are_enough() -> None:
    n = seeds_needed(0.005, 0.004, 0.05 / 12)
    assert n is not None
    assert power(n, 0.005, 0.004, 0.05 / 12) >= 0.8 > power(n - 1, 0.005, 0.004, 0.05 / 12)
    assert seeds_needed(0.005, 0.0001, 0.05 / 12) == 9, "below that no p is small enough"
    assert seeds_needed(0.005, 4.0, 0.05) is None
    m = seeds_for_equivalence(0.005, 0.004, 0.05)
    assert m is not None
    assert equivalence_power(m, 0.005, 0.004, 0.05) >= 0.8 > equivalence_power(m - 1, 0.005, 0.004, 0.05)


def test_power_of_equivalence_is_what_is_simulated() -> None:
    rng = np.random.default_rng(0)
    found = np.mean([equivalence_p(rng.normal(0, 0.004, 10), 0.004) <= 0.05 for _ in range(2000)])
    assert found == pytest.approx(equivalence_power(10, 0.004, 0.004, 0.05), abs=0.035)


def test_the_test_sets_error_is_that_of_another_draw_of_its_images() -> None:
    """700 images, networks that are right on 76 % of all images and, as here, on the same ones."""
    assert binomial_error(0.76, 700) == pytest.approx(0.0161, abs=5e-5)
    drawn = np.random.default_rng(0).random((4000, 700)) < 0.76
    assert binomial_error(0.76, 700) == pytest.approx(drawn.mean(axis=1).std(), rel=0.05)
    assert math.isnan(binomial_error(0.76, 0))
    assert math.isnan(binomial_error(math.nan, 700))
