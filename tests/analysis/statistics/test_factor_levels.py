"""Factors with more than two levels: trends, levels without an order, pairs and means, against other libraries."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats

from analysis.statistics.comparisons import largest_sign_flip_p, sign_flip_p
from analysis.statistics.factorial import effects_to_test, factorial
from analysis.statistics.intervals import t_interval
from glifr.records import Factor, Level

MARGIN = {"smallest_effect": 0.01}
DELAYS = (0.5, 1.0, 2.0)
KINDS = ("GRU", "LSTM", "tanh")


def delay(scale: str = "linear") -> Factor:
    levels = tuple(Level(f"{x:g}", (f"{x:g}-none", f"{x:g}-two"), x) for x in DELAYS)
    return Factor("delay", levels, scale)  # type: ignore[arg-type]


def kind() -> Factor:
    return Factor("kind", tuple(Level(k, (f"{k}-none", f"{k}-two")) for k in KINDS))


def currents(first: tuple[str, ...]) -> Factor:
    return Factor("currents", tuple(Level(w, tuple(f"{x}-{w}" for x in first)) for w in ("none", "two")))


def values(first: tuple[str, ...], seeds: int, slope: float = 0.0, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, 0.02, seeds)
    columns = {
        f"{x}-{w}": 0.9 + shift + slope * i + 0.01 * (w == "two") + rng.normal(0, 0.01, seeds)
        for i, x in enumerate(first)
        for w in ("none", "two")
    }
    return pd.DataFrame(columns, index=range(1, seeds + 1))


ORDERED = tuple(f"{x:g}" for x in DELAYS)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_trend_is_the_change_along_a_straight_line_within_each_seed(scale: str) -> None:
    wide = values(ORDERED, 10, slope=0.01)
    found = factorial(wide, factors=(delay(scale), currents(ORDERED)), **MARGIN)
    assert [(e.name, e.kind) for e in found.effects] == [
        ("delay", "trend"), ("currents", "difference"), ("delay × currents", "trend"),
    ]  # fmt: skip
    x = np.log(DELAYS) if scale == "log" else np.array(DELAYS)
    means = np.stack([wide[[f"{level}-none", f"{level}-two"]].mean(axis=1) for level in ORDERED], axis=1)
    changes = np.array([stats.linregress(x, row).slope * np.ptp(x) for row in means])
    trend = found.effects[0]
    assert trend.judged.pairs.to_numpy() == pytest.approx(changes)
    assert (trend.estimate, trend.low) == pytest.approx((changes.mean(), t_interval(changes).low))
    assert trend.p == sign_flip_p(changes)
    apart = [
        stats.linregress(x, [row[f"{level}-two"] - row[f"{level}-none"] for level in ORDERED]).slope * np.ptp(x)
        for _, row in wide.iterrows()
    ]
    assert found.effects[2].judged.pairs.to_numpy() == pytest.approx(np.array(apart))


def test_two_numbers_are_a_difference() -> None:
    two = Factor("delay", delay().levels[:2])
    wide = values(ORDERED[:2], 10)
    effects = factorial(wide, factors=(two, currents(ORDERED[:2])), **MARGIN).effects
    assert {effect.kind for effect in effects} == {"difference"}


def test_a_single_factor_is_enough() -> None:
    levels = tuple(Level(f"{x:g}", (f"{x:g}-none",), x) for x in DELAYS)
    found = factorial(values(ORDERED, 10, slope=0.05), factors=(Factor("delay", levels),), **MARGIN)
    assert [(e.name, e.verdict.word) for e in found.effects] == [("delay", "better")]
    worse = factorial(
        values(ORDERED, 10, slope=0.05), factors=(Factor("delay", levels),), higher_is_better=False, **MARGIN
    )
    assert worse.effects[0].verdict.word == "worse"


@pytest.mark.parametrize("n", [4, 9])
def test_the_test_of_several_differences_is_that_of_all_sign_patterns(n: int) -> None:
    """By brute force: the largest t of three differences, all of a seed's with one sign."""
    rng = np.random.default_rng(n)
    levels = rng.normal([0.0, 0.0, 0.8], size=(n, 3))
    d = np.stack([levels[:, b] - levels[:, a] for a, b in ((0, 1), (0, 2), (1, 2))])

    def largest(x: np.ndarray) -> float:
        return float(np.abs(x.mean(axis=1) / x.std(axis=1, ddof=1)).max())

    seen = largest(d)
    patterns = [np.array(signs) for signs in product((-1, 1), repeat=n)]
    share = np.mean([largest(d * signs) >= seen * (1 - 1e-9) for signs in patterns])
    assert largest_sign_flip_p(d) == pytest.approx(share)
    assert largest_sign_flip_p(d[:, ::-1]) == largest_sign_flip_p(d)
    assert largest_sign_flip_p(d[:1]) == sign_flip_p(d[0])


def test_the_test_of_several_differences_is_guarded() -> None:
    assert math.isnan(largest_sign_flip_p(np.ones((2, 1))))
    assert math.isnan(largest_sign_flip_p(np.array([[1.0, math.nan], [1.0, 2.0]])))
    assert largest_sign_flip_p(np.zeros((3, 10))) == 1.0
    assert largest_sign_flip_p(np.stack([np.zeros(10), np.ones(10)])) == 2.0**-9
    many = np.random.default_rng(1).normal(size=(3, 20)) + 2
    assert largest_sign_flip_p(many) == 1 / 20_001
    assert largest_sign_flip_p(many[:, ::-1]) == 1 / 20_001


def test_levels_without_an_order_are_one_test_and_pairs() -> None:
    wide = values(KINDS, 12, slope=0.0)
    wide[["tanh-none", "tanh-two"]] += 0.05
    found = factorial(wide, factors=(kind(), currents(KINDS)), **MARGIN)
    levels, _, both = found.effects
    assert (levels.kind, levels.single, both.kind) == ("levels", True, "levels")
    assert str(levels.verdict) == "present (levels differ)"
    assert levels.largest in ("kind tanh − LSTM", "kind tanh − GRU")
    assert levels.estimate == pytest.approx(0.05, abs=0.01)
    assert [j.contrast.name for j in found.pairs] == ["kind: LSTM − GRU", "kind: tanh − GRU", "kind: tanh − LSTM"]
    d = wide[["tanh-none", "tanh-two"]].mean(axis=1) - wide[["GRU-none", "GRU-two"]].mean(axis=1)
    assert found.pairs[1].pairs.to_numpy() == pytest.approx(d.to_numpy())
    assert [j.verdict.word for j in found.pairs][1:] == ["better", "better"]
    pair = found.pairs[2 if "LSTM" in levels.largest else 1]
    assert levels.judged.pairs.to_numpy() == pytest.approx(pair.pairs.to_numpy())
    assert levels.low < pair.interval.low, "widened for the choice of three"
    assert levels.low == pytest.approx(t_interval(pair.pairs.to_numpy(), 1 - 0.05 / 3).low)
    assert both.verdict.word in ("equivalent", "inconclusive")


def test_levels_that_are_all_close_are_equivalent_and_without_spread_open() -> None:
    close = values(KINDS, 20)
    near = factorial(close, factors=(kind(), currents(KINDS)), smallest_effect=0.05).effects[0]
    assert near.verdict.word == "equivalent"
    flat = pd.DataFrame(1.0, index=range(12), columns=list(close.columns))
    still = factorial(flat, factors=(kind(), currents(KINDS)), **MARGIN).effects[0]
    assert (still.p, still.verdict.word, still.judged.reason) == (1.0, "inconclusive", "all differences are equal")


def test_where_networks_fail_a_trend_that_weighs_levels_unequally_is_not_tested() -> None:
    wide = values(ORDERED, 10)
    for seed in range(1, 6):
        wide.loc[seed, list(wide.columns)[seed]] = 0.1
    found = factorial(wide, factors=(delay(), currents(ORDERED)), **MARGIN).effects
    assert found[0].verdict.word == "not testable"
    assert "networks failed in 5 of 10 seeds" in found[0].verdict.note
    assert math.isfinite(found[1].p)


def test_partial_eta_squared_of_three_levels_is_that_of_an_analysis_of_variance() -> None:
    wide = values(KINDS, 8, slope=0.01)
    long = wide.rename_axis("seed").reset_index().melt("seed", var_name="cell", value_name="y")
    long[["kind", "currents"]] = long["cell"].str.split("-", expand=True)
    squares = sm.stats.anova_lm(smf.ols("y ~ C(kind, Sum) * C(currents, Sum) + C(seed, Sum)", long).fit(), typ=3)
    rest = squares.loc["Residual", "sum_sq"]
    rows = ("C(kind, Sum)", "C(currents, Sum)", "C(kind, Sum):C(currents, Sum)")
    found = factorial(wide, factors=(kind(), currents(KINDS)), **MARGIN).effects
    for effect, row in zip(found, rows, strict=True):
        assert effect.eta2 == pytest.approx(squares.loc[row, "sum_sq"] / (squares.loc[row, "sum_sq"] + rest), rel=1e-8)


def test_means_of_levels_and_the_band_of_a_curve() -> None:
    wide = values(ORDERED, 10)
    means = factorial(wide, factors=(delay(), currents(ORDERED)), **MARGIN).means
    assert [(m.factor.name, m.level.name) for m in means] == [
        *(("delay", level) for level in ORDERED), ("currents", "none"), ("currents", "two"),
    ]  # fmt: skip
    own = wide[["0.5-none", "0.5-two"]].mean(axis=1).to_numpy()
    assert means[0].interval == t_interval(own)
    assert (means[0].band_low, means[0].band_high) == pytest.approx(
        stats.ttest_1samp(own, 0).confidence_interval(1 - 0.05 / 3)
    )
    assert math.isnan(means[3].band_low)


def test_a_part_of_the_cells_tests_what_differs_in_nothing_else() -> None:
    factors = (delay(), currents(ORDERED))
    wide = values(ORDERED, 10).drop(columns="2-two")
    found = factorial(wide, factors=factors, **MARGIN)
    assert [(e.name, e.at) for e in found.effects] == [("delay", "currents none"), ("currents", "delay 0.5 and 1")]
    assert found.untested == ("delay × currents",)
    assert effects_to_test(factors, list(wide.columns)) == (("delay (trend)", "currents"), ("delay × currents",))
    names = list(values(ORDERED, 2).columns)
    assert effects_to_test(factors, names) == (("delay (trend)", "currents", "delay × currents (trend)"), ())


def test_order_of_seeds_and_conditions_changes_nothing() -> None:
    wide = values(KINDS, 18, slope=0.01)
    factors = (kind(), currents(KINDS))
    mixed = wide.sample(frac=1, random_state=2)[list(reversed(wide.columns))]
    for one, two in zip(*(factorial(w, factors=factors, **MARGIN).effects for w in (wide, mixed)), strict=True):
        assert (one.p, one.verdict) == (two.p, two.verdict)
        assert one.estimate == pytest.approx(two.estimate)
