"""The published runs, judged by this project: the published table values and effect sizes come out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis import all_pairs, factorial, judge, t_interval
from analysis.statistics.comparisons import holm

pytestmark = pytest.mark.shared
LOSS = {"sine"}


def runs(shared: Path, task: str) -> pd.DataFrame:
    table = pd.read_csv(shared / "reference" / "published_runs.csv")
    column = "test_loss" if task in LOSS else "test_accuracy"
    return table[table["task"] == task].pivot(index="repeat", columns="condition", values=column)


def test_table_values_of_line_mnist(shared: Path) -> None:
    values = runs(shared, "line-mnist")
    rnn, rheta = t_interval(values["RNN"].to_numpy()), t_interval(values["RHetA"].to_numpy())
    assert (round(rnn.mean, 5), round(rnn.sd, 5)) == (0.97792, 0.00402)
    assert (round(rheta.mean, 5), round(rheta.sd, 5)) == (0.94814, 0.00128)


@pytest.mark.parametrize(("task", "welch"), [("line-mnist", 34), ("neuromorphic-mnist", 27), ("sine", 21)])
def test_pairs_that_welch_finds_and_the_permutation_test_cannot(shared: Path, task: str, welch: int) -> None:
    """With ten pairs no p below 2 ** -9 exists, and 45 times that is above 0.05."""
    values = runs(shared, task)
    pairs = judge(values, all_pairs(list(values.columns)), smallest_effect=0.005)
    assert len(pairs) == 45
    assert (holm([j.p_welch for j in pairs]) <= 0.05).sum() == welch
    assert min(j.p_holm for j in pairs) == pytest.approx(45 * 2**-9)


def test_effect_sizes_of_line_mnist(shared: Path) -> None:
    effects = {e.name: e for e in factorial(runs(shared, "line-mnist"), smallest_effect=0.005).effects}
    wanted = {
        "after-spike currents": 0.66,
        "learned neurons": 0.53,
        "heterogeneous start": 0.44,
        "after-spike currents × heterogeneous start": 0.40,
        "after-spike currents × learned neurons": 0.40,
    }
    assert {name: round(effects[name].eta2, 2) for name in wanted} == wanted
    assert all(effects[name].p_holm == pytest.approx(7 * 2**-9) for name in wanted), "ten units give no smaller p"


def test_on_neuromorphic_mnist_only_the_start_acts_and_it_hurts(shared: Path) -> None:
    effects = factorial(runs(shared, "neuromorphic-mnist"), smallest_effect=0.001).effects
    assert {e.name: e.verdict.word for e in effects if e.p_holm <= 0.05} == {"heterogeneous start": "worse"}


def test_on_sine_start_and_learning_act(shared: Path) -> None:
    effects = factorial(runs(shared, "sine"), smallest_effect=0.001, higher_is_better=False).effects
    found = {e.name: e.verdict.word for e in effects if e.p_holm <= 0.05}
    assert found == {"heterogeneous start": "better", "learned neurons": "better"}


def test_pixel_mnist_has_too_few_conditions_for_a_factorial(shared: Path) -> None:
    assert "that takes four conditions" in factorial(runs(shared, "pixel-mnist"), smallest_effect=0.005).reason
