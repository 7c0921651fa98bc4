"""Intervals, paired differences and their tests against independent oracles."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.comparisons import differences_from, holm, sign_flip_p, smallest_p
from analysis.figures.curves import per_network
from analysis.intervals import t_interval


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


@pytest.mark.parametrize("n", [3, 5, 9, 16])
def test_smallest_p_is_what_equal_signs_give(n: int) -> None:
    strong = np.linspace(1, 2, n)
    assert sign_flip_p(strong) == pytest.approx(smallest_p(n))
    assert sign_flip_p(-strong) == sign_flip_p(strong)


def test_no_p_without_spread() -> None:
    assert math.isnan(sign_flip_p([0.1, 0.1, 0.1]))
    assert math.isnan(sign_flip_p([0.1]))
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


def test_differences_are_paired_over_shared_seeds() -> None:
    values = _values()
    b, c = differences_from(values, "A")
    shared = [1, 2, 4, 6, 7, 8]
    d = (values["B"] - values["A"])[shared]
    low, high = stats.ttest_rel(values["B"][shared], values["A"][shared]).confidence_interval(0.95)
    assert list(b.pairs.index) == shared
    assert (b.interval.mean, b.interval.low, b.interval.high) == pytest.approx((d.mean(), low, high))
    assert b.unpaired == (3, 5)
    assert c.unpaired == (5,)
    assert c.interval.reason == "all values are equal"
    assert math.isnan(c.p)
    assert b.p_holm == b.p  # the only test of the family


def test_the_order_of_seeds_does_not_matter() -> None:
    values = pd.DataFrame(np.random.default_rng(1).normal(size=(20, 2)), columns=["A", "B"], index=range(20))
    (straight,), (shuffled,) = (
        differences_from(values, "A"),
        differences_from(values.sample(frac=1, random_state=2), "A"),
    )
    assert straight.p == shuffled.p
    assert straight.interval == shuffled.interval


def test_without_the_reference_there_is_no_difference() -> None:
    assert differences_from(_values().drop(columns="A"), "A") == []


def test_masks_are_averaged_within_their_network_first() -> None:
    """Unequal numbers of masks must not weigh a network: ten masks of one network are no ten samples."""
    rows = [("A", 1, 0.5, mask, 0.2) for mask in range(10)] + [("A", 2, 0.5, 0, 0.6)]
    frame = pd.DataFrame(rows, columns=["condition", "seed", "fraction", "mask", "test_accuracy"])
    found = per_network(frame, "test_accuracy")
    assert len(found) == 2
    assert found["value"].mean() == pytest.approx(0.4)
