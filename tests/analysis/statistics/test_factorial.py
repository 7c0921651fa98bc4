"""The factorial as one contrast per unit: its numbers by hand and by other libraries, and what a study can test."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pingouin
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from paths import ROOT
from records_factory import Synthetic, study_body, write_study
from scipy import stats

from analysis import assess, load
from analysis.results.study import read_study
from analysis.statistics.comparisons import holm
from analysis.statistics.factorial import factorial
from glifr.conditions import CONDITIONS
from glifr.records import Layout, published_factors, seal
from launch.planning.plan import make_plan
from launch.studyfile import load_study

CELLS = ("Hom", "HomA", "LHet", "LHetA", "FHet", "FHetA", "RHet", "RHetA")
FACTORS = ("after-spike currents", "heterogeneous start", "learned neurons")
MAIN = {"after-spike currents": 0, "heterogeneous start": 1, "learned neurons": 2}
BASE = {"smallest_effect": 0.005}
CLOSE = {"rel": 1e-8, "abs": 1e-12}


def signs(name: str) -> tuple[int, ...]:
    """Written out by hand from the published table: A is currents, F and R start heterogeneous, L and R learn."""
    return (1 if name.endswith("A") else -1, 1 if name[0] in "FR" else -1, 1 if name[0] in "LR" else -1)


def cells(seeds: int, seed: int = 1) -> pd.DataFrame:
    """A factorial with effects and unequal spreads."""
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, 0.002, seeds)
    columns = {}
    for name in CELLS:
        a, b, c = signs(name)
        noise = rng.normal(0, 0.002 * (2 + a), seeds)
        columns[name] = 0.94 + 0.004 * a + 0.002 * b * c - 0.001 * c + shift + noise
    return pd.DataFrame(columns, index=range(1, seeds + 1))


def by_hand(wide: pd.DataFrame, factors: tuple[str, ...]) -> np.ndarray:
    """Differences of differences within each seed, written as nested loops over the levels of the term."""
    places = [MAIN[f] for f in factors]
    found = np.zeros(len(wide))
    for at in product((-1, 1), repeat=len(places)):
        own = [n for n in CELLS if tuple(signs(n)[p] for p in places) == at]
        found += math.prod(at) * wide[own].mean(axis=1).to_numpy()
    return found


@pytest.mark.parametrize("n", [4, 10, 12])
def test_each_effect_is_one_contrast_per_seed(n: int) -> None:
    wide = cells(n)
    found = factorial(wide, **BASE)
    assert [e.factors for e in found.effects][:4] == [*((f,) for f in FACTORS), FACTORS[:2]]
    assert len(found.effects) == 7
    raw = []
    for effect in found.effects:
        d = by_hand(wide, effect.factors)
        assert effect.judged.pairs.to_numpy() == pytest.approx(d)
        low, high = stats.ttest_1samp(d, 0).confidence_interval(0.95)
        assert (effect.estimate, effect.low, effect.high) == pytest.approx((d.mean(), low, high), **CLOSE)
        oracle = stats.permutation_test(
            (d, np.zeros(n)), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf,
            vectorized=False,
        )  # fmt: skip
        assert effect.p == pytest.approx(oracle.pvalue, abs=1e-12)
        tost = pingouin.tost(d, np.zeros(n), 0.005, paired=True)["pval"].iloc[0]
        assert effect.p_equivalence == pytest.approx(tost, **CLOSE)
        raw.append(effect.p)
    assert [e.p_holm for e in found.effects] == pytest.approx(list(holm(raw)))


def test_partial_eta_squared_is_that_of_a_type_iii_analysis_with_a_seed_effect() -> None:
    wide = cells(10)
    long = wide.rename_axis("seed").reset_index().melt("seed", var_name="cell", value_name="y")
    for place, letter in enumerate("abc"):
        long[letter] = [signs(cell)[place] for cell in long["cell"]]
    squares = sm.stats.anova_lm(smf.ols("y ~ C(a, Sum) * C(b, Sum) * C(c, Sum) + C(seed, Sum)", long).fit(), typ=3)
    for effect in factorial(wide, **BASE).effects:
        row = ":".join(f"C({'abc'[MAIN[f]]}, Sum)" for f in effect.factors)
        square = squares.loc[row, "sum_sq"]
        assert effect.eta2 == pytest.approx(square / (square + squares.loc["Residual", "sum_sq"]), **CLOSE)


def test_a_seed_without_all_cells_of_an_effect_is_left_out_of_it() -> None:
    wide = cells(9)
    holes = wide.copy()
    holes.loc[3, "Hom"] = math.nan
    holes.loc[7] = math.nan
    found = factorial(holes, **BASE)
    assert found.incomplete == (3,)
    whole = factorial(wide.drop(index=[3, 7]), **BASE)
    for one, two in zip(found.effects, whole.effects, strict=True):
        assert (one.units, one.estimate, one.p, one.eta2) == (two.units, two.estimate, two.p, two.eta2) == (
            7, one.estimate, one.p, one.eta2
        )  # fmt: skip


def test_networks_of_one_seed_are_not_counted_as_independent() -> None:
    """A seed that shifts one start as a whole: 80 networks, ten independent numbers; a regression calls it p < 1e-6."""
    rng = np.random.default_rng(8)
    wide = pd.DataFrame(0.94 + rng.normal(0, 1e-4, (10, 8)), columns=list(CELLS))
    luck = rng.normal(0, 0.01, 10)
    for name in CELLS:
        if signs(name)[1] > 0:
            wide[name] += luck
    effect = factorial(wide, **BASE).effects[1]
    oracle = stats.ttest_1samp(luck, 0)
    assert effect.p == pytest.approx(oracle.pvalue, abs=0.05)
    assert (effect.low, effect.high) == pytest.approx(tuple(oracle.confidence_interval()), abs=3e-4)


HALF = ("Hom", "HomA", "LHet", "LHetA")


def test_four_cells_test_the_effects_that_they_can() -> None:
    wide = cells(10)
    found = factorial(wide[list(HALF)].assign(RNN=0.9), **BASE)
    assert found.cells == HALF
    assert [e.name for e in found.effects] == [
        "after-spike currents",
        "learned neurons",
        "after-spike currents × learned neurons",
    ]
    assert {e.at for e in found.effects} == {"heterogeneous start off"}
    assert set(found.untested) == {
        "heterogeneous start",
        "after-spike currents × heterogeneous start",
        "heterogeneous start × learned neurons",
        "after-spike currents × heterogeneous start × learned neurons",
    }
    d = (wide["HomA"] + wide["LHetA"] - wide["Hom"] - wide["LHet"]).to_numpy() / 2
    assert found.effects[0].judged.pairs.to_numpy() == pytest.approx(d)
    assert found.effects[0].p_holm <= 3 * found.effects[0].p + 1e-12


def test_seven_cells_compare_only_what_differs_in_nothing_else() -> None:
    """Without RHetA no mean may weigh the eight cells unequally: each effect takes the blocks that are whole."""
    wide = cells(10).drop(columns="RHetA")
    found = {e.factors: e for e in factorial(wide, **BASE).effects}
    assert FACTORS not in found
    d = (wide["HomA"] - wide["Hom"] + wide["LHetA"] - wide["LHet"] + wide["FHetA"] - wide["FHet"]) / 3
    assert found["after-spike currents",].judged.pairs.to_numpy() == pytest.approx(d.to_numpy())
    assert "heterogeneous start on, learned neurons off" in found["after-spike currents",].at
    assert math.isnan(found["after-spike currents",].eta2)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("RNN", "LSTM"), "the study declares no factors"),
        (("LHetA", "RHetA", "Hom"), "that takes four conditions"),
        (("Hom", "LHetA"), "that takes four conditions"),
    ],
)
def test_a_study_without_a_factorial_says_why(names: tuple[str, ...], said: str) -> None:
    wide = cells(6).assign(RNN=0.9, LSTM=0.9)[list(names)]
    found = factorial(wide, **BASE)
    assert found.effects == ()
    assert said in found.reason
    assert factorial(wide * math.nan, **BASE).effects == ()


def test_without_a_network_there_is_no_factorial() -> None:
    assert factorial(cells(6) * math.nan, **BASE).reason == "no condition of the factorial has a network"


def test_without_any_spread_an_effect_is_left_open_and_says_why() -> None:
    flat = pd.DataFrame(1.0, index=range(12), columns=list(CELLS))
    effects = factorial(flat, **BASE).effects
    assert {(e.p, e.verdict.word, e.judged.reason) for e in effects} == {
        (1.0, "inconclusive", "all differences are equal")
    }
    shifted = factorial(flat.assign(**{n: 2.0 for n in CELLS if n.endswith("A")}), **BASE).effects[0]
    assert shifted.p < 0.001
    assert str(shifted.verdict) == "inconclusive (no interval: all differences are equal)"


def test_an_interaction_is_present_and_has_a_sign() -> None:
    rng = np.random.default_rng(0)
    for size, sign in ((0.02, 1), (-0.02, -1)):
        wide = pd.DataFrame(
            {n: 0.9 + rng.normal(0, 0.002, 12) + size * (signs(n)[0] > 0) * (signs(n)[2] > 0) for n in CELLS}
        )
        for higher in (True, False):
            found = {e.factors: e.verdict for e in factorial(wide, higher_is_better=higher, **BASE).effects}
            both = found["after-spike currents", "learned neurons"]
            assert (both.word, both.sign) == ("present", sign)
            assert found["after-spike currents",].word == ("better" if (sign > 0) == higher else "worse")


STUDY = Synthetic(conditions=CELLS, seeds=10, trials=0, epochs=2, silencing=False, task="slope")


def test_m4_a_second_condition_with_the_same_values_leaves_the_factorial_alone(tmp_path: Path) -> None:
    """Of a study with LHetA and LHetA3 the one that the factors list is the cell, and the other is outside."""
    text = (ROOT / "studies" / "smnist_ablation.yaml").read_text()
    text = text.replace("  LHetA: {", "  LHetA3: {base: LHetA, num_ascs: 3}\n  LHetA: {")
    text = text.replace("../search_spaces", str(ROOT / "search_spaces"))
    path = tmp_path / "smnist_ablation.yaml"
    path.write_text(text)
    body = json.loads(json.dumps(make_plan(load_study(path), "").summary()))
    info = read_study(body, "study.json")
    assert {name for factor in info.factors for name in factor.conditions} == set(CELLS)
    assert [len(factor.levels) for factor in info.factors] == [2, 2, 2]
    assert body["conditions"]["LHetA3"]["levels"] is None
    assert body["conditions"]["FHet"]["levels"]["start"] == "heterogeneous"
    assert next(c for c in info.conditions if c.name == "LHetA3").style.num_ascs == 3


def _recorded(root: Path, levels: dict[str, Any]) -> None:
    body = study_body(STUDY)
    for name, own in levels.items():
        body["conditions"][name]["levels"] = own
    Layout(root).study.write_bytes(seal(body))


def test_the_levels_are_the_studys_own(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", STUDY)
    turned = {n: dict(zip(FACTORS, (-signs(n)[0], *signs(n)[1:]), strict=True)) for n in CELLS}
    before = assess(load(root)).factorial
    _recorded(root, turned)
    after = assess(load(root)).factorial
    assert after.effects[0].estimate == pytest.approx(-before.effects[0].estimate)
    assert after.effects[1].estimate == pytest.approx(before.effects[1].estimate)
    _recorded(root, {n: None for n in CELLS})
    assert assess(load(root)).factorial.reason == "the study declares no factors"


def test_two_conditions_with_the_same_levels_are_refused_and_named(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", STUDY)
    _recorded(root, {"HomA": dict(zip(FACTORS, signs("LHetA"), strict=True))})
    found = assess(load(root)).factorial
    assert found.effects == ()
    assert "HomA and LHetA (after-spike currents on, heterogeneous start off, learned neurons on)" in found.reason


def test_the_published_conditions_cross_three_parts() -> None:
    for place, factor in enumerate(published_factors(CONDITIONS)):
        assert factor.name == FACTORS[place]
        assert {n: level.name for level in factor.levels for n in level.conditions} == {
            n: "on" if signs(n)[place] > 0 else "off" for n in CELLS
        }
