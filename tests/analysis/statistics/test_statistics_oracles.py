"""Every deterministic statistic against an independent implementation, to 1e-8."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest
import scikit_posthocs
from scipy import stats
from statsmodels.stats import multitest, weightstats
from statsmodels.stats import power as sm_power

from analysis.statistics.comparisons import holm
from analysis.statistics.contrasts import all_pairs, judge
from analysis.statistics.effects import equivalence_p, hedges_g, sd_ratio, superiority, welch_p
from analysis.statistics.intervals import iqm_interval, t_interval
from analysis.statistics.power import detectable, power

CLOSE = {"rel": 1e-8, "abs": 1e-12}


def two(n: int, m: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, n, m])
    return rng.normal(0.95, 0.004, n), rng.normal(0.945, 0.009, m)


@pytest.mark.parametrize(("n", "m"), [(3, 3), (10, 10), (20, 7)])
def test_two_groups(n: int, m: int) -> None:
    a, b = two(n, m)
    compared = weightstats.CompareMeans(weightstats.DescrStatsW(a), weightstats.DescrStatsW(b))
    assert welch_p(a, b) == pytest.approx(compared.ttest_ind(usevar="unequal")[1], **CLOSE)
    assert welch_p(a, b) == pytest.approx(pingouin.ttest(a, b, correction=True)["p_val"].iloc[0], **CLOSE)
    assert hedges_g(a, b) == pytest.approx(pingouin.compute_effsize(a, b, eftype="hedges"), **CLOSE)
    assert superiority(a, b) == pytest.approx(pingouin.compute_effsize(a, b, eftype="CLES"), **CLOSE)
    assert superiority(a, b) == pytest.approx(stats.mannwhitneyu(a, b).statistic / (n * m), **CLOSE)
    assert sd_ratio(a, b) == pytest.approx(
        max(np.std(a, ddof=1) / np.std(b, ddof=1), np.std(b, ddof=1) / np.std(a, ddof=1))
    )


def test_superiority_counts_ties_half() -> None:
    a, b = np.array([1.0, 2, 2, 3]), np.array([2.0, 2, 1])
    assert superiority(a, b) == pytest.approx(pingouin.compute_effsize(a, b, eftype="CLES"), **CLOSE)


@pytest.mark.parametrize("margin", [0.001, 0.005, 0.02])
def test_equivalence(margin: float) -> None:
    a, b = two(10, 10)
    assert equivalence_p(a - b, margin) == pytest.approx(weightstats.ttost_paired(a, b, -margin, margin)[0], **CLOSE)
    assert equivalence_p(a - b, margin) == pytest.approx(
        pingouin.tost(a, b, margin, paired=True)["pval"].iloc[0], **CLOSE
    )


@pytest.mark.parametrize("n", [3, 10, 20])
def test_paired_interval(n: int) -> None:
    a, b = two(n, n)
    found, wanted = t_interval(a - b), weightstats.DescrStatsW(a - b).tconfint_mean()
    assert (found.low, found.high) == pytest.approx(wanted, **CLOSE)


def test_interquartile_mean() -> None:
    a, _ = two(10, 10)
    assert iqm_interval(a).iqm == pytest.approx(stats.trim_mean(a, 0.25), **CLOSE)


def test_holm_over_all_pairs() -> None:
    rng = np.random.default_rng(5)
    p = rng.uniform(0, 0.2, 45)
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1], **CLOSE)
    names = [f"c{i}" for i in range(5)]
    long = pd.DataFrame(
        [(n, rng.normal(i * 0.3, 1)) for i, n in enumerate(names) for _ in range(9)], columns=["c", "y"]
    )
    square = scikit_posthocs.posthoc_ttest(long, "y", "c", equal_var=False, p_adjust="holm")
    wide = pd.DataFrame({n: long.loc[long["c"] == n, "y"].to_numpy() for n in names})
    pairs = judge(wide, all_pairs(names), smallest_effect=0.1)
    own = holm([j.p_welch for j in pairs])
    assert own == pytest.approx([square.loc[j.contrast.of[0], j.contrast.minus[0]] for j in pairs], **CLOSE)


@pytest.mark.parametrize(("n", "effect"), [(3, 0.5), (10, 0.9), (20, 0.2)])
def test_power(n: int, effect: float) -> None:
    oracle = sm_power.TTestPower()
    assert power(n, effect, 1.0, 0.01) == pytest.approx(oracle.power(effect, n, 0.01), **CLOSE)
    assert power(n, effect, 1.0, 0.05) == pytest.approx(pingouin.power_ttest(d=effect, n=n, contrast="paired"), **CLOSE)
    assert power(n, detectable(n, 2.0, 0.05), 2.0, 0.05) == pytest.approx(0.8, **CLOSE)
