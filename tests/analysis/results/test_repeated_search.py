"""In a study that repeats its search the repeat is the unit, everywhere; and the two components of the spread."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from records_factory import Synthetic, write_study
from scipy import stats

from analysis import Results, assess, load, report_warnings
from analysis import tables as sheets
from analysis.figures import FIGURES, Drawing, house_style
from analysis.judgement.assessment import Assessment
from analysis.report.compare import compare
from analysis.report.page import all_sheets
from analysis.statistics.components import components
from analysis.statistics.factorial import factorial

CELLS = ("Hom", "HomA", "LHet", "LHetA")
STUDY = Synthetic(
    conditions=CELLS, seeds=30, repeats=10, repeat_sd=0.01, trials=2, confirm=1, epochs=2, masks=2, pruned_share=0,
    failed_share=0, diverged_share=0, task="line_mnist",
)  # fmt: skip


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load(write_study(tmp_path_factory.mktemp("repeats") / "s", STUDY))


@pytest.fixture(scope="module")
def assessed(repeated: Results) -> Assessment:
    return assess(repeated)


def by_hand(results: Results) -> pd.DataFrame:
    finals = results.tables["seeds"]
    finals = finals[finals["stage"] == "final"]
    return finals.groupby(["repeat", "condition"])["test_accuracy"].mean().unstack()[list(CELLS)]


def test_a_unit_is_a_repeat_with_the_mean_over_its_networks(repeated: Results) -> None:
    assert len(repeated.final_values()) == 30, "still one row per network"
    units = repeated.unit_values()
    assert units.index.name == repeated.info.unit == "repeat"
    assert list(units.index) == list(range(10))
    assert units[list(CELLS)].to_numpy() == pytest.approx(by_hand(repeated).to_numpy(dtype=np.float64))


def test_every_test_interval_and_power_counts_repeats(repeated: Results, assessed: Assessment) -> None:
    wide = by_hand(repeated)
    for j, reach in zip(assessed.planned, assessed.reaches, strict=True):
        d = wide[list(j.contrast.of)].mean(axis=1) - wide[list(j.contrast.minus)].mean(axis=1)
        low, high = stats.ttest_1samp(d, 0).confidence_interval(0.95)
        assert (j.interval.n, reach.pairs) == (10, 10)
        assert (j.interval.low, j.interval.high) == pytest.approx((low, high))
        assert j.smallest_p == 2**-9
    assert {e.units for e in assessed.factorial.effects} == {10}
    assert all(j.interval.n == 10 for j in assessed.pairs)
    assert assessed.published is not None
    assert {r.ours.n for r in assessed.published.rows} == {10}
    assert {(r.n, r.n_other) for r in compare(repeated, repeated).rows} == {(10, 10)}


def test_four_repeats_cannot_be_tested_however_many_networks_they_have(tmp_path: Path) -> None:
    """With seeds as units there would be 40 pairs and a p of 5e-5."""
    study = STUDY.with_(conditions=("Hom", "LHetA"), seeds=40, repeats=4, levels={"Hom": 0.8}, silencing=False)
    found = assess(load(write_study(tmp_path / "s", study)))
    assert {j.verdict.word for j in found.planned} == {"not testable"}
    assert "p-unattainable" in {c.code for c in report_warnings(found)}


def test_a_repeat_without_its_diverged_networks_is_the_mean_of_the_others(repeated: Results) -> None:
    seeds = repeated.tables["seeds"]
    lost = (seeds["stage"] == "final") & (seeds["condition"] == "Hom") & (seeds["seed"] == 1001)
    assert lost.sum() == 1
    seeds = seeds.assign(
        diverged=seeds["diverged"].mask(lost, True), test_accuracy=seeds["test_accuracy"].mask(lost, 0.1)
    )
    results = replace(repeated, tables={**repeated.tables, "seeds": seeds})
    own, with_it, without = results.final_values()["Hom"], results.unit_values(), results.unit_values(True)
    assert with_it.loc[1, "Hom"] == pytest.approx((0.1 + own[1002] + own[1003]) / 3)
    assert without.loc[1, "Hom"] == pytest.approx((own[1002] + own[1003]) / 2)
    assert without.drop(columns="Hom").to_numpy() == pytest.approx(with_it.drop(columns="Hom").to_numpy())
    small = [
        row for row in sheets.contrasts_sheet(assess(results), []).rows if row[0].note == "without diverged networks"
    ]
    assert len(small) == sum("Hom" in c.conditions for c in results.info.declaration.contrasts)


def test_figures_draw_one_dot_per_repeat(assessed: Assessment) -> None:
    with house_style():
        drawn = {name: FIGURES[name](assessed) for name in ("contrast_forest", "published", "silencing_curves")}
    sizes = {}
    for name, figure in drawn.items():
        assert isinstance(figure, Drawing), name
        sizes[name] = figure.data
    assert sizes["contrast_forest"].groupby("condition").size().eq(10).all()
    ours = sizes["published"][sizes["published"]["of"] == "this study"]
    assert ours.groupby("condition").size().eq(10).all()
    assert sizes["silencing_curves"]["n"].eq(10).all()


def test_the_components_are_those_of_a_mixed_model(repeated: Results, assessed: Assessment) -> None:
    """In a balanced layout the method of moments and REML agree where no estimate is negative."""
    repeat, values = repeated.repeat_of_seed, repeated.final_values()
    for found in assessed.components:
        frame = pd.DataFrame({"y": 100 * values[found.condition], "repeat": repeat}).dropna()
        fit = smf.mixedlm("y ~ 1", frame, groups="repeat").fit(reml=True)
        assert (found.repeats, found.networks, found.truncated) == (10, 30, False)
        assert 100 * found.seed == pytest.approx(math.sqrt(fit.scale), rel=1e-3)
        assert 100 * found.search == pytest.approx(math.sqrt(fit.cov_re.iloc[0, 0]), rel=1e-3)
        assert found.share == pytest.approx(found.search**2 / (found.search**2 + found.seed**2))
    assert "components" in {s.name for s in all_sheets(assessed, [])}


def test_one_network_per_repeat_is_told_once_and_has_no_table(tmp_path: Path) -> None:
    one = assess(load(write_study(tmp_path / "s", STUDY.with_(seeds=10))))
    made = {s.name: s for s in all_sheets(one, [])}
    assert "components" not in made
    assert made["conditions"].caption.endswith("One network per repeat: search and seed cannot be told apart.")


def test_components_are_unbiased_in_unequal_repeats() -> None:
    rng = np.random.default_rng(3)
    sizes = [1, 2, 5, 3, 1, 4, 2, 6]
    repeat = pd.Series(np.repeat(range(len(sizes)), sizes))
    found = []
    for _ in range(1000):
        luck = rng.normal(0, 2, len(sizes))
        y = pd.Series(luck[repeat] + rng.normal(0, 1, len(repeat)))
        found.append(components("A", y, repeat))
    assert np.mean([c.seed**2 for c in found]) == pytest.approx(1, abs=0.05)
    assert np.mean([c.search**2 for c in found]) == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize(
    ("repeat", "reason"),
    [([0, 0, 0], "fewer than two repeats"), ([0, 1, 2], "one network per repeat"), ([], "fewer than two repeats")],
)
def test_components_that_cannot_be_told_say_why(repeat: list[int], reason: str) -> None:
    found = components(
        "A", pd.Series([0.1, 0.2, 0.3][: len(repeat)], dtype="float64"), pd.Series(repeat, dtype="int64")
    )
    assert reason in found.reason
    assert math.isnan(found.search)


def test_a_search_without_a_part_of_its_own_is_given_as_zero() -> None:
    repeat = pd.Series([0, 0, 1, 1])
    found = components("A", pd.Series([0.0, 1.0, 1.0, 0.0]), repeat)
    assert (found.search, found.share, found.truncated) == (0.0, 0.0, True)
    flat = components("A", pd.Series([1.0, 1.0, 1.0, 1.0]), repeat)
    assert (flat.search, flat.seed, flat.truncated) == (0.0, 0.0, False)
    assert math.isnan(flat.share)


def test_a_study_that_searched_once_has_seeds_as_units(tmp_path: Path) -> None:
    once = load(write_study(tmp_path / "s", STUDY.with_(conditions=("Hom", "LHetA"), repeats=1, seeds=6)))
    pd.testing.assert_frame_equal(once.unit_values(), once.final_values())
    assert assess(once).components == []


def test_the_factorial_holds_its_level_where_seeds_share_luck_by_start() -> None:
    """No effect; half of the conditions share their seed's luck, as those that draw from one trained network do."""
    rng = np.random.default_rng(20_260)
    cells = ("Hom", "HomA", "LHet", "LHetA", "FHet", "FHetA", "RHet", "RHetA")
    wrong, covered = 0, 0
    for _ in range(100):
        own, luck = rng.normal(0, 0.3, (10, 8)), rng.normal(0, 1, (10, 2))
        wide = pd.DataFrame(own + luck[:, [0, 0, 0, 0, 1, 1, 1, 1]], columns=list(cells))
        effects = factorial(wide, smallest_effect=1e-6).effects
        wrong += any(e.verdict.different for e in effects)
        covered += effects[1].low <= 0 <= effects[1].high
    assert wrong <= 0.06 * 100
    assert covered >= 0.93 * 100
