"""A study beside the published runs: the data, the tests against oracles, the order, and what cannot be compared."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from published_study import SEVERAL, as_runs, beside, codes, known, repeated, shifted
from records_factory import ALL
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_ind

import analysis
from analysis import Results, assess
from analysis import tables as sheets
from analysis.published import PublishedComparison, compare, order, words
from analysis.published.data import published_runs

TASKS = ("line_mnist", "neuromorphic_mnist", "pixel_mnist", "sine")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Five conditions of line MNIST: the published settings, and the published runs as networks."""
    return repeated(tmp_path_factory.mktemp("line") / "s")


def verdicts(results: Results) -> dict[str, str]:
    return {r.condition: r.verdict.word for r in beside(results).rows}


# the data


@pytest.mark.shared
def test_the_published_values_are_the_reference(shared: Path) -> None:
    wanted = pd.read_csv(shared / "reference" / "published_runs.csv")
    wanted = wanted.assign(task=wanted["task"].str.replace("-", "_"))[list(published_runs().columns)]
    pd.testing.assert_frame_equal(published_runs(), wanted, check_exact=True)


def test_every_task_has_settings_and_ten_runs_a_condition() -> None:
    assert set(published_runs()["task"]) == set(TASKS)
    for task in TASKS:
        theirs = known(task)
        assert set(theirs.conditions) == set(theirs.values) == set(as_runs(task)["condition"])
        assert {len(v) for v in theirs.values.values()} == {10}
        assert all(np.isfinite(v).all() for v in theirs.values.values())
    assert len(known("pixel_mnist").conditions) == 3


def test_a_published_condition_starts_as_the_conditions_say() -> None:
    """Heterogeneous starts were drawn from a trained network, all others are the condition's own."""
    for task in TASKS:
        for name, theirs in known(task).conditions.items():
            if name[0] in "FR" and name != "RNN":
                assert theirs.start == f"drawn from trained LHet{'A' if name.endswith('A') else ''}"
            else:
                assert theirs.start == (analysis.results.study.CONDITIONS[name].start or "")


def test_the_published_loss_of_sine_is_in_our_unit() -> None:
    """A mean over steps and sequences of squared errors: a few hundredths of the targets' variance, no sum, no root."""
    frequencies = 0.08 * (0.6 / 0.08) ** (np.arange(6) / 5)
    constants = np.arange(6) / 6 + 0.25
    targets = np.sin(2 * np.pi * frequencies[:, None] * 0.05 * np.arange(100)) + constants[:, None]
    medians = {n: float(np.median(v)) / targets.var() for n, v in known("sine").values.items()}
    assert min(medians.values()) > 0.01
    assert max(medians.values()) < 0.1


@pytest.mark.parametrize(
    ("task", "between", "value"),
    [
        ("line_mnist", ("LHet", "FHetA"), 0.00341),
        ("neuromorphic_mnist", ("LHet", "RHetA"), 0.00440),
        ("pixel_mnist", ("LHetA", "RHetA"), 0.05531),
        ("sine", ("FHetA", "RHetA"), 0.2715),
    ],
)
def test_the_margin_is_the_smallest_difference_that_the_published_runs_tell_apart(
    task: str, between: tuple[str, str], value: float
) -> None:
    theirs = known(task)
    assert theirs.margin.between == between
    assert theirs.margin.value == pytest.approx(value, rel=2e-3)
    assert theirs.margin.relative == (task == "sine")
    assert theirs.margin.around(0.04) == pytest.approx(value * (0.04 if task == "sine" else 1), rel=2e-3)


@pytest.mark.parametrize("task", TASKS)
def test_the_margin_lets_no_pair_pass_that_the_published_runs_tell_apart(task: str, tmp_path: Path) -> None:
    """At 0.7 points on line MNIST 21 of 28 pairs of different GLIFR conditions passed, 8 of them told apart."""
    found = beside(repeated(tmp_path / "s", task, ("RNN", "LHetA", "RHetA")))
    values, margin = found.task.values, found.task.margin
    assert not found.passing_pairs & margin.told_apart
    (a, b) = margin.between
    twice = 2 * margin.around(max(values[a].mean(), values[b].mean()))
    assert margin.told_apart
    assert abs(values[a].mean() - values[b].mean()) == pytest.approx(twice / 2)


def test_what_else_would_pass_stands_beside_each_condition(line: Results) -> None:
    found = beside(line)
    assert found.would_pass["RHetA"] == found.would_pass["LSTM"] == ()
    assert set(found.would_pass["Hom"]) == {"HomA", "LHet", "FHet", "RHet"}
    assert len(found.passing_pairs) == 11
    old = {frozenset((a, b)) for a, b in combinations(found.task.values, 2) if _passes(found, a, b, 0.007)}
    assert (len(old), len(old & found.task.margin.told_apart)) == (21, 10)
    sheet = next(s for s in sheets.published_sheets(assess(line), []) if s.name == "published")
    assert [head.text for head in sheet.heads][9] == "would pass too"
    assert [row[9].text for row in sheet.rows] == ["0 of 9", "0 of 9", "4 of 9", "1 of 9", "0 of 9"]
    assert "11 of the 45 pairs of different published conditions: 0 of the 34 that the published runs" in sheet.caption


def _passes(found: PublishedComparison, a: str, b: str, margin: float) -> bool:
    r = compare(a, found.task.values[a], found.task.values[b], margin)
    return -margin < r.low and r.high < margin


def test_a_deviation_within_the_margin_is_named(tmp_path: Path) -> None:
    """RHetA lay 0.21 points (0.08 to 0.34) below the published and passed without a word."""
    moved = shifted(repeated(tmp_path / "s"), {"RHetA": -0.0019})
    found = beside(moved)
    (row,) = [r for r in found.rows if r.condition == "RHetA"]
    assert (row.verdict.word, row.verdict.note, row.verdict.sign) == ("equivalent", "real but small, −", -1)
    sentence = words.equivalent_sentence(found, [r for r in found.rows if r.verdict.word == "equivalent"])
    assert "Within the margin, but not zero (real but small): RHetA (−0.19 points)." in sentence
    assert sentence.endswith("11 of 45 pairs of different published conditions too.")
    still = words.equivalent_sentence(found, [r for r in found.rows if r.condition == "Hom"])
    assert "not zero" not in still


# the statistics


@pytest.mark.parametrize(("n", "shift"), [(10, 0.0), (10, 0.004), (3, -0.01), (2, 0.001), (25, 0.02)])
def test_the_tests_are_those_of_statsmodels(n: int, shift: float) -> None:
    rng = np.random.default_rng(n)
    ours, theirs = 0.94 + shift + 0.003 * rng.normal(size=n), 0.94 + 0.002 * rng.normal(size=10)
    found = compare("Hom", ours, theirs, 0.007)
    assert found.p_equivalence == pytest.approx(ttost_ind(ours, theirs, -0.007, 0.007, usevar="unequal")[0], abs=1e-12)
    assert found.p == pytest.approx(stats.ttest_ind(ours, theirs, equal_var=False).pvalue, abs=1e-12)
    means = CompareMeans(DescrStatsW(ours), DescrStatsW(theirs))
    assert (found.low, found.high) == pytest.approx(means.tconfint_diff(usevar="unequal"), abs=1e-12)
    assert found.difference == pytest.approx(ours.mean() - theirs.mean(), abs=1e-15)


SPREADS_TOO_FAR = {
    "line_mnist": {"RNN"},
    "neuromorphic_mnist": {"LSTM", "LHetA", "FHetA"},
    "pixel_mnist": set(),
    "sine": {"RNN", "LSTM", "LHet"},
}


@pytest.mark.parametrize("task", TASKS)
def test_the_published_runs_are_equivalent_to_themselves_where_they_do_not_spread_too_far(
    task: str, tmp_path: Path
) -> None:
    results = repeated(tmp_path / "s", task, tuple(known(task).conditions))
    found = beside(results)
    by_verdict = verdicts(results)
    assert {c for c, v in by_verdict.items() if v == "inconclusive"} == SPREADS_TOO_FAR[task]
    assert set(by_verdict.values()) <= {"equivalent", "inconclusive"}
    assert all(r.difference == 0 and r.p == 1 and r.p_holm == 1 for r in found.rows)
    assert found.order.ours == found.order.published
    assert found.order.correlation == pytest.approx(1)
    assert codes(results) == set()


def test_shifted_runs_differ_and_only_those(line: Results) -> None:
    moved = shifted(line, {"Hom": -0.02, "LSTM": 0.001})
    expected = {"Hom": "worse", "RNN": "inconclusive"}  # the published runs of the RNN spread too far
    assert verdicts(moved) == {n: expected.get(n, "equivalent") for n in SEVERAL}
    rows = {r.condition: r for r in beside(moved).rows}
    assert rows["Hom"].difference == pytest.approx(-0.02, abs=1e-12)
    assert rows["Hom"].outside
    assert not rows["LSTM"].outside


def test_a_difference_that_is_sure_but_may_lie_within_the_margin_is_no_warning(line: Results) -> None:
    moved = shifted(line, {"Hom": -0.0045})
    (row,) = [r for r in beside(moved).rows if r.condition == "Hom"]
    assert row.verdict.word == "worse"
    assert not row.outside
    assert "published-differs" not in codes(moved)
    assert "published-differs" in codes(shifted(line, {"Hom": -0.02}))


def test_lower_loss_is_better(tmp_path: Path) -> None:
    results = shifted(repeated(tmp_path / "s", "sine", ("Hom", "RHetA")), {"RHetA": 0.1}, "test_loss")
    found = beside(results).order
    assert (found.published, found.ours) == (("RHetA", "Hom"), ("Hom", "RHetA"))
    assert not found.same


def test_p_of_differences_are_corrected_over_the_conditions(line: Results) -> None:
    """A shift of p = 0.02 alone is not significant among five."""
    theirs = known("line_mnist").values["Hom"]
    error = theirs.std(ddof=1) * math.sqrt(2 / 10)
    by = float(stats.t.ppf(1 - 0.01, 18)) * error
    (row,) = [r for r in beside(shifted(line, {"Hom": by})).rows if r.condition == "Hom"]
    assert row.p == pytest.approx(0.02, rel=1e-6)
    assert row.p_holm == pytest.approx(0.10, rel=1e-6)


# degenerate cases


def _only(results: Results, condition: str, seeds: int, **values: float) -> Results:
    table = results.tables["seeds"]
    gone = (table["condition"] == condition) & (table["seed"] > seeds)
    table = table.assign(status=table["status"].mask(gone, "failed"))
    for column, value in values.items():
        table[column] = table[column].mask(table["condition"] == condition, value)
    return replace(results, tables={**results.tables, "seeds": table})


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    ("seeds", "values", "reason", "difference"),
    [
        (0, {}, "no finished network", math.nan),
        (1, {"test_accuracy": 0.9}, "one network has no spread", 0.9 - 0.93654),
        (10, {"test_accuracy": 0.9}, "all values are equal", 0.9 - 0.93654),
    ],
)
def test_what_cannot_be_tested_says_why(
    line: Results, seeds: int, values: dict[str, float], reason: str, difference: float
) -> None:
    results = _only(line, "Hom", seeds, **values)
    (row,) = [r for r in beside(results).rows if r.condition == "Hom"]
    assert (row.verdict.word, row.verdict.note, row.reason) == ("not testable", reason, reason)
    assert row.difference == pytest.approx(difference, abs=1e-6, nan_ok=True)
    assert all(math.isnan(x) for x in (row.p, row.p_holm, row.p_equivalence, row.low, row.high))
    assert not row.outside
    shown = {r[0].text: r for r in sheets.published_sheets(assess(results), [])[0].rows}["Hom"]
    assert reason in {c.note for c in shown}
    assert "nan" not in " ".join(f"{c.text} {c.note}" for c in shown).lower()
    assert words.order_words(beside(results).order)


def test_diverged_networks_stay_in_and_stand_beside_those_without(line: Results) -> None:
    seeds = line.tables["seeds"]
    lost = (seeds["condition"] == "Hom") & (seeds["seed"] == 3)
    seeds = seeds.assign(
        diverged=seeds["diverged"].mask(lost, True), test_accuracy=seeds["test_accuracy"].mask(lost, 0.1)
    )
    results = replace(line, tables={**line.tables, "seeds": seeds})
    found = beside(results)
    place = [r.condition for r in found.rows].index("Hom")
    assert found.diverged["Hom"] == 1
    assert found.rows_kept is not None
    assert (found.rows[place].ours.n, found.rows_kept[place].ours.n) == (10, 9)
    assert (found.rows[place].verdict.word, found.rows_kept[place].verdict.word) == ("inconclusive", "equivalent")
    sheet = sheets.published_sheets(assess(results), [])[0]
    notes = [row[0].note for row in sheet.rows]
    assert notes[place + 1] == "without 1 diverged"
    ranks = [head.text for head in sheet.heads].index("rank")
    assert sheet.rows[place + 1][ranks].note == ""
    assert re.fullmatch(r"5 \(\d\)", sheet.rows[place][ranks].text)
    assert "Small rows" in sheet.caption


def test_conditions_of_one_side_only_are_named(tmp_path: Path) -> None:
    results = repeated(tmp_path / "s", "pixel_mnist", ("RNN", "Hom", "LHetA"))
    found = beside(results)
    assert ([r.condition for r in found.rows], found.unpublished, found.absent) == (
        ["RNN", "LHetA"],
        ("Hom",),
        ("RHetA",),
    )
    caption = sheets.published_sheets(assess(results), [])[0].caption
    assert "No published values are stored of: Hom." in caption
    assert "Published, but not in this study: RHetA." in caption


# order


def test_the_ends_of_the_published_order(line: Results, tmp_path: Path) -> None:
    found = beside(repeated(tmp_path / "line", "line_mnist", ALL)).order
    assert (found.best, found.worst, words.ends(found)) == (
        ("LSTM", "RNN", "RHetA"),
        (),
        "LSTM > RNN > RHetA > the rest",
    )
    neuro = beside(repeated(tmp_path / "neuro", "neuromorphic_mnist", ALL)).order
    assert words.ends(neuro) == "the rest > LSTM > RNN"
    sine = beside(repeated(tmp_path / "sine", "sine", ALL)).order
    assert (sine.best, sine.worst) == ((), ())
    assert "tell no condition" in words.order_words(sine)
    assert beside(line).order.same
    turned = beside(shifted(line, {"LSTM": -0.02})).order
    assert not turned.same
    assert "have another order there" in words.order_words(turned)


def test_the_rank_correlation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = ({n: rng.normal(size=1) + 0.1 * rng.normal(size=8) for n in "abcdefg"} for _ in range(2))
    found = order(ours, theirs, True, 0.05)
    means = [[x.mean() for x in side.values()] for side in (ours, theirs)]
    assert found.correlation == pytest.approx(stats.spearmanr(*means).statistic)
    assert found.low <= found.correlation <= found.high
    assert found == order(ours, theirs, True, 0.05)
    assert sorted(found.ours, key=lambda n: -ours[n].mean()) == list(found.ours)


def test_a_hand_made_order() -> None:
    """Four well apart, of which ours swaps two: Spearman's rho is 1 - 6 * 2 / (4 * 15) = 0.8."""
    tight = 0.001 * np.arange(5)
    theirs = {"a": 4 + tight, "b": 3 + tight, "c": 2 + tight, "d": 1 + tight}
    ours = {"a": 4 + tight, "b": 2 + tight, "c": 3 + tight, "d": 1 + tight}
    found = order(ours, theirs, True, 0.05)
    assert found.correlation == pytest.approx(0.8)
    assert (found.low, found.high) == pytest.approx((0.8, 0.8))
    assert (found.best, found.worst) == (("a", "b", "c", "d"), ())
    assert (found.ours, found.same) == (("a", "c", "b", "d"), False)


def test_few_conditions_or_networks_have_no_correlation_and_say_why() -> None:
    values = np.array([1.0, 2.0, 3.0])
    two = order({"a": values, "b": values + 9}, {"a": values, "b": values + 9}, True, 0.05)
    assert math.isnan(two.correlation)
    assert "No rank correlation: fewer than 3 conditions." in words.order_words(two)
    three = order(*({"a": values, "b": values + 9, "c": values + 5} for _ in range(2)), True, 0.05)
    assert three.correlation == pytest.approx(1)
    assert "fewer than 5 networks" in words.order_words(three)
    assert words.order_words(order({"a": values}, {"a": values}, True, 0.05)) == ""
