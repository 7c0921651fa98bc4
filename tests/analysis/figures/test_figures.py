"""What figures are drawn from, and how conditions are told apart."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.markers import MarkerStyle
from records_factory import CHANCE, Synthetic, write_study

from analysis import Results, assess, figures, load
from analysis.figures import Drawing, MissingFigure
from analysis.figures.drawing.drawing import new_figure, svg_bytes
from analysis.figures.drawing.panels import same_limits
from analysis.statistics.intervals import t_interval
from glifr.conditions import CONDITIONS, Condition, styled

STUDY = Synthetic(
    conditions=("RNN", "Hom", "LHetA"),
    seeds=6,
    trials=8,
    epochs=4,
    masks=3,
    diverged=frozenset({("Hom", 3)}),
    missing=frozenset({("RNN", 2)}),
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load(write_study(tmp_path_factory.mktemp("figures") / "study", STUDY))


def drawn(found: Drawing | MissingFigure) -> Drawing:
    assert isinstance(found, Drawing)
    return found


def test_every_finished_network_is_a_dot(results: Results) -> None:
    data = drawn(figures.condition_dots(results)).data
    finals = results.finals
    assert len(data) == len(finals) == 17
    assert sorted(data["value"]) == pytest.approx(sorted(100 * finals["test_accuracy"]))
    assert list(data.loc[data["diverged"], ["condition", "seed", "value"]].iloc[0]) == ["Hom", 3, 10.0]
    hom = data[data["condition"] == "Hom"]
    assert hom["interval_low"].iloc[0] == pytest.approx(t_interval(hom["value"].to_numpy()).low)


def test_pairs_of_the_forest_are_differences_of_one_seed(results: Results) -> None:
    data = drawn(figures.contrast_forest(assess(results))).data.set_index(["condition", "seed"])
    values = results.final_values()
    assert ("RNN − LHetA", 2) not in data.index
    assert list(dict.fromkeys(data.index.get_level_values(0))) == ["RNN − LHetA", "Hom − LHetA", "GLIFR − RNN"]
    for name in ("RNN", "Hom"):
        own = data.loc[f"{name} − LHetA"]
        wanted = 100 * (values[name] - values["LHetA"]).dropna()
        assert own["value"].to_dict() == pytest.approx(wanted.to_dict())
    assert data.loc[("Hom − LHetA", 3), "diverged"]
    assert data.loc[("GLIFR − RNN", 3), "diverged"]


def test_a_diverged_network_stays_in_the_learning_curve_at_its_score(results: Results) -> None:
    data = drawn(figures.learning_curves(results)).data.set_index(["condition", "epoch"])
    assert data.loc[("Hom", 4), "high"] == pytest.approx(2 * CHANCE)
    assert data.loc[("Hom", 4), "n"] == 6
    assert data.loc[("RNN", 4), "n"] == 5
    epochs = results.tables["epochs"]
    own = epochs[(epochs["stage"] == "final") & (epochs["condition"] == "LHetA") & (epochs["epoch"] == 4)]
    assert data.loc[("LHetA", 4), "mean"] == pytest.approx(own["validation_loss"].mean())


def test_silencing_intervals_are_over_networks(results: Results) -> None:
    data = drawn(figures.silencing_curves(results)).data.set_index(["condition", "fraction"])
    rows = results.tables["silencing"]
    own = rows[(rows["condition"] == "LHetA") & (rows["fraction"] == 0.4)]
    assert len(own) == 18
    shares = rows["fraction"].nunique()
    t = t_interval(own.groupby("seed")["test_accuracy"].mean().to_numpy(), 1 - 0.05 / shares)
    found = data.loc[("LHetA", 0.4)]
    assert found["n"] == 6
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((t.mean, t.low, t.high))


def test_below_five_networks_the_band_is_the_range(tmp_path: Path) -> None:
    results = load(write_study(tmp_path / "few", STUDY.with_(seeds=3, missing=frozenset(), diverged=frozenset())))
    data = drawn(figures.silencing_curves(results)).data.set_index(["condition", "fraction"])
    rows = results.tables["silencing"]
    own = rows[(rows["condition"] == "RNN") & (rows["fraction"] == 0.4)].groupby("seed")["test_accuracy"].mean()
    assert (data.loc[("RNN", 0.4), "low"], data.loc[("RNN", 0.4), "high"]) == pytest.approx((own.min(), own.max()))


def test_every_ended_trial_is_shown_within_the_ends_of_its_range(results: Results) -> None:
    drawing = drawn(figures.search_results(results))
    counts = results.counts[results.counts["stage"] == "search"]
    assert len(drawing.data) == int(counts[["complete", "pruned", "failed"]].sum().sum()) == 24
    assert drawing.data.groupby("condition")["chosen"].sum().tolist() == [1, 1, 1]
    low, high = drawing.figure.axes[0].get_xlim()
    assert low < 1e-4 < 1e-2 < high


def test_a_condition_has_one_colour_and_marker_everywhere(results: Results) -> None:
    drawing = drawn(figures.learning_curves(results))
    for axes, name in zip(drawing.figure.axes, STUDY.conditions, strict=True):
        mark, curve = axes.lines[0], axes.lines[-1]
        style = CONDITIONS[name]
        assert mark.get_marker() == curve.get_marker() == style.marker
        assert to_hex(mark.get_color()) == to_hex(curve.get_color()) == style.color.lower()
        assert axes.get_title(loc="left").startswith(name)


def test_conditions_can_be_told_apart() -> None:
    looks = {(c.color, c.marker) for c in CONDITIONS.values()}
    assert len(looks) == len(CONDITIONS)
    assert len({c.color for c in CONDITIONS.values()}) == len(CONDITIONS)


def test_own_conditions_can_be_told_apart_without_colour_however_many() -> None:
    own = styled(Condition(f"own{i}", "RNN") for i in range(40))
    markers = [c.marker for c in own.values()]
    assert len(set(markers)) == 40
    assert not set(markers) & {c.marker for c in CONDITIONS.values()}
    for marker in markers:
        MarkerStyle(marker)
    both = styled([CONDITIONS["LHetA"], Condition("slow", "GLIFR", 2, "homogeneous", True), CONDITIONS["RNN"]])
    assert (both["LHetA"], both["RNN"]) == (CONDITIONS["LHetA"], CONDITIONS["RNN"])


def test_diverged_networks_do_not_hide_the_others(results: Results) -> None:
    """A second panel shows the networks that did not diverge, on an axis of their own."""
    left, right = drawn(figures.condition_dots(results)).figure.axes
    assert np.ptp(right.get_xlim()) < np.ptp(left.get_xlim()) / 4
    assert left.get_xlim()[0] < 10.0
    assert not math.isclose(right.get_xlim()[0], 0.0)


def test_the_timeline_has_every_unit_that_ended(results: Results) -> None:
    data = drawn(figures.run_timeline(results)).data
    units = results.counts[results.counts["stage"] != "silencing"]
    assert len(data) == int(units[["complete", "pruned"]].sum().sum())
    assert (data["end_hours"] >= data["start_hours"]).all()
    assert data["start_hours"].min() == 0


def test_best_so_far_never_rises_and_counts_every_trial(results: Results) -> None:
    data = drawn(figures.best_so_far(results)).data
    for _, own in data.groupby("condition"):
        assert list(own["trials"]) == list(range(1, 9))
        assert (own["best"].dropna().diff().dropna() <= 0).all()


def test_the_profile_falls_from_all_networks_to_none(results: Results) -> None:
    data = drawn(figures.performance_profile(results)).data
    for name, own in data.groupby("condition"):
        share = own["share"].to_numpy()
        assert (np.diff(share) <= 0).all()
        assert share[-1] == 0
        assert share[0] == pytest.approx(5 / 6 if name == "Hom" else 1.0)


def test_the_matrix_holds_every_pair_once(results: Results) -> None:
    data = drawn(figures.pair_matrix(assess(results))).data
    assert list(zip(data["condition"], data["minus"], strict=True)) == [
        ("Hom", "RNN"),
        ("LHetA", "RNN"),
        ("LHetA", "Hom"),
    ]


def test_the_rate_explains_a_search_that_only_the_rate_decides(tmp_path: Path) -> None:
    """In the synthetic search the value depends on the learning rate alone."""
    study = Synthetic(conditions=("FHetA",), reference="FHetA", seeds=2, trials=40, pruned_share=0, failed_share=0)
    data = drawn(figures.importance_map(load(write_study(tmp_path / "s", study)))).data.set_index("hyperparameter")
    assert data["importance"].sum() == pytest.approx(1)
    assert data.loc["learning_rate", "importance"] > 0.8


def test_a_hyperparameter_has_the_same_place_in_every_panel(tmp_path: Path) -> None:
    """LHetA has no neuron spread: its after-spike spread must not stand where that of RHetA's neurons does."""
    found = load(write_study(tmp_path / "study", STUDY.with_(conditions=("RNN", "LHetA", "RHetA"))))
    drawing = drawn(figures.parallel_coordinates(found))
    panels = [axes for axes in drawing.figure.axes if axes.collections]
    places = [
        sorted({float(x) for lines in axes.collections for path in lines.get_paths() for x in path.vertices[:, 0]})
        for axes in panels
    ]
    labels = {tuple(label.get_text() for label in axes.get_xticklabels()) for axes in panels}
    assert places == [[0, 1], [0, 1, 3], [0, 1, 2, 3]]
    assert labels == {("rate", "weights", "neurons", "currents")}
    assert "learning rate, weight spread, neuron spread, after spike spread" in drawing.caption


@pytest.mark.parametrize("held", [6, 5, 0])
def test_panels_with_the_same_limits_look_as_shared_axes_do(held: int) -> None:
    drawn = []
    for shared in (True, False):
        with figures.house_style():
            figure = new_figure(6, 4)
            grid = figure.subplots(2, 3, sharex=shared, sharey=shared)
            for place, axes in enumerate(grid.flat[:held]):
                axes.plot([0.0, 1 + place], [place, -2.0 * place])
            if not shared:
                same_limits(list(grid.flat))
            drawn.append(svg_bytes(Drawing("x", "", "", "", figure, pd.DataFrame())))
    assert drawn[0] == drawn[1]
