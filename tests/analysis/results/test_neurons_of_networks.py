"""What the report says of trained neurons: the table, the figures' data, table 7, its warning, and what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from characteristics_factory import NEURONS, characteristics_of
from records_factory import Synthetic, write_study

import analysis.results.networks
import analysis.results.neurons
from analysis import Results, assess, figures, load, report_warnings
from analysis import tables as sheets
from analysis.figures import Drawing, MissingFigure
from analysis.figures.distributions import shares
from analysis.judgement.warnings import codes_for
from analysis.report.methods import methods
from analysis.results.networks import BANDS, QuantileCurves, quantiles
from analysis.results.neurons import across_networks, features
from analysis.statistics.clusters import Clustering
from analysis.tables.derived import derived_tables
from glifr.records import Layout

STUDY = Synthetic(
    conditions=("RNN", "Hom", "LHetA"),
    seeds=3,
    trials=0,
    epochs=4,
    masks=1,
    silencing=False,
    characteristics=True,
    diverged=frozenset({("LHetA", 2)}),
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load(write_study(tmp_path_factory.mktemp("neurons") / "study", STUDY))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Clustering without its draws; counts the calls."""
    calls: list[int] = []

    def found(values: np.ndarray, generator: np.random.Generator) -> Clustering:
        calls.append(len(values))
        return Clustering(*values.shape, k=2, excess=1.0, p=0.5, stability=0.5)

    monkeypatch.setattr(analysis.results.neurons, "cluster", found)
    return calls


def drawn(found: Drawing | MissingFigure) -> Drawing:
    assert isinstance(found, Drawing), found
    return found


def missing(found: Drawing | MissingFigure) -> str:
    assert isinstance(found, MissingFigure)
    return found.why


def test_networks_on_file_are_those_that_did_not_diverge(results: Results) -> None:
    kept = [(n.condition, n.seed) for n in results.kept]
    assert kept == [(c, s) for c in STUDY.conditions for s in (1, 2, 3) if (c, s) != ("LHetA", 2)]


def test_the_table_has_every_parameter_of_every_neuron(results: Results, quick: list[int]) -> None:
    table = assess(results).neurons.table
    assert len(table) == NEURONS * (3 * 2 + 2 * 8)
    own = (
        table[(table["condition"] == "LHetA") & (table["seed"] == 3)]
        .set_index(["parameter", "index", "neuron"])
        .sort_index()
    )
    expected = characteristics_of("LHetA", 3)
    for name in ("thresh", "k_m", "k_j", "r_j", "a_j"):
        for index, row in enumerate(np.atleast_2d(expected.end[name])):
            np.testing.assert_allclose(own.loc[(name, index), "end"], row, rtol=1e-6)
        np.testing.assert_allclose(own.loc[name, "start"], np.ravel(expected.start[name]))
    assert derived_tables(assess(results), [])["neurons"].equals(table)


def test_numbers_of_single_precision_are_written_as_such() -> None:
    found = analysis.results.neurons._rounded(np.array([[0.05, -1.9, 0.0, 123456.7]], dtype=np.float32))
    assert found.tolist() == [0.05, -1.9, 0.0, 123456.7]


def test_files_are_read_when_asked_for_and_once(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(analysis.results.networks, "read_characteristics", refused)
    judged = assess(results)
    with pytest.raises(AssertionError):
        _ = judged.neurons


def test_more_networks_than_are_shown_are_counted(
    results: Results, quick: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis.results.neurons, "NETWORKS", 2)
    judged = assess(results)
    assert judged.neurons.networks == {"RNN": 2, "Hom": 2, "LHetA": 2}
    assert judged.neurons.left_out == 2
    assert "2 more networks would show the same" in drawn(figures.parameter_distributions(judged)).caption


def test_shares_are_averaged_over_networks_not_neurons() -> None:
    """A network whose 4 neurons are at 0 and one whose 12 are at 1: half of the share at each end."""
    rows = [("LHet", 1, 0.0)] * 4 + [("LHet", 2, 1.0)] * 12
    table = pd.DataFrame(rows, columns=["condition", "seed", "end"]).assign(parameter="thresh", start=0.5)
    found = shares(table)
    end = found[found["when"] == "end"]
    assert end["share"].iloc[[0, -1]].sum() + end["share"].iloc[1:-1].sum() == pytest.approx(1)
    assert end.loc[end["low"] <= 0, "share"].sum() == pytest.approx(0.5)
    assert end.loc[end["high"] >= 1, "share"].sum() == pytest.approx(0.5)


def test_curves_are_medians_of_networks(results: Results, quick: list[int]) -> None:
    judged = assess(results)
    drawing = drawn(figures.current_curves(judged))
    data = drawing.data.set_index(["condition", "input"])
    assert data.loc[("LHetA", 2.0), "n"] == 2
    each = [np.quantile(characteristics_of("LHetA", s).curves.firing[20], [0.25, 0.5, 0.75]) for s in (1, 3)]  # type: ignore[union-attr]
    expected = np.median(each, axis=0)
    np.testing.assert_allclose(data.loc[("LHetA", 2.0), ["low", "median", "high"]].astype(float), expected, rtol=1e-6)
    assert "last 10 of 40 ms" in drawing.caption
    assert "n = 2 to 3 per condition" in drawing.caption


def test_one_network_that_runs_away_moves_no_median() -> None:
    def course(seed: int, value: float) -> QuantileCurves:
        return QuantileCurves("LHetA", seed, "voltage", 1, np.zeros(1), np.full((3, 1), value))

    assert across_networks((course(1, 1.0), course(2, 2.0), course(3, 1e38)))["mean"].tolist() == [2.0]


def test_responses_name_step_and_quantities(results: Results, quick: list[int]) -> None:
    drawing = drawn(figures.step_responses(assess(results)))
    assert set(drawing.data["quantity"]) == {"voltage", "firing", "after_spike"}
    assert "a synaptic input of 1 at every step is on for 5 ms" in drawing.caption
    thresh = characteristics_of("Hom", 1).end["thresh"][0]
    data = drawing.data[(drawing.data["condition"] == "Hom") & (drawing.data["quantity"] == "voltage")]
    assert data["median"].max() == pytest.approx(thresh)
    assert data.loc[data["time_ms"] < 0, "median"].eq(0).all()


def test_examples_are_of_the_lowest_seed(results: Results, quick: list[int]) -> None:
    judged = assess(results)
    drawing = drawn(figures.example_outputs(judged))
    assert set(drawing.data["seed"]) == {1}
    expected = characteristics_of("RNN", 1).examples
    own = drawing.data[drawing.data["condition"] == "RNN"]
    np.testing.assert_allclose(own["value"], expected.outputs.ravel())
    assert own.groupby("sample")["class"].first().tolist() == [0, 1, 2, 3, 4, 5]
    assert "seed 1, the lowest" in drawing.caption
    activity = drawn(figures.example_activity(judged)).data
    assert activity.groupby("condition").size().tolist() == [8 * 28] * 3
    currents = drawn(figures.after_spike_currents(judged)).data
    assert set(currents["condition"]) == {"LHetA"}
    np.testing.assert_allclose(
        currents.loc[currents["neuron"] == 5, "value"],
        characteristics_of("LHetA", 1).examples.after_spike[0, :, 1],  # type: ignore[index]
    )


def test_a_regression_shows_its_targets(tmp_path: Path, quick: list[int]) -> None:
    study = STUDY.with_(accuracy=False, held_out=False, conditions=("RNN", "LHet"), reference="LHet")
    judged = assess(load(write_study(tmp_path / "s", study)))
    drawing = drawn(figures.example_outputs(judged))
    np.testing.assert_allclose(drawing.data["target"], drawing.data["value"] + 0.1)
    assert drawing.data["class"].isna().all()
    assert missing(figures.after_spike_currents(judged)) == "No condition has after-spike currents."


def test_neurons_are_clustered_by_what_training_made_of_them() -> None:
    found = characteristics_of("LHetA", 1)
    values = features(found.end)
    assert values.shape == (NEURONS, 8)
    np.testing.assert_allclose(values[:, 0], found.end["thresh"])
    np.testing.assert_allclose(values[:, 1], np.log(found.end["k_m"]))
    np.testing.assert_allclose(values[:, 3], np.log(found.end["k_j"][1]))
    np.testing.assert_allclose(values[:, 7], found.end["a_j"][1])


@pytest.mark.parametrize(("clusters", "verdict"), [(3, "clusters (3)"), (1, "no structure beyond a continuum")])
def test_table_7_and_its_warning(clusters: int, verdict: str, tmp_path: Path) -> None:
    study = STUDY.with_(clusters=clusters, seeds=2, diverged=frozenset())
    root = write_study(tmp_path / "s", study)
    judged = assess(load(root))
    found = report_warnings(judged)
    sheet = sheets.clusters_sheet(judged, found)
    assert [row[0].text for row in sheet.rows] == ["Hom", "LHetA"]
    assert sheet.rows[0][-1].text == "not computable: all neurons are alike"
    assert sheet.rows[1][-1].text == verdict
    warned = clusters == 1
    assert ("clusters-not-beyond-null" in {c.code for c in found}) == warned
    assert codes_for(found, "table-clusters", "LHetA") == (["clusters-not-beyond-null"] if warned else [])
    assert codes_for(found, "table-clusters", "Hom") == []
    assert list(sheet.rows[1][0].codes) == codes_for(found, "table-clusters", "LHetA")
    by_network = sheets.cluster_networks_sheet(judged)
    assert [(row[0].text, row[1].text) for row in by_network.rows] == [
        ("Hom", "1"), ("Hom", "2"), ("LHetA", "1"), ("LHetA", "2"),
    ]  # fmt: skip
    table = derived_tables(judged, found)["clusters"]
    assert table["reason"].tolist() == ["all neurons are alike"] * 2 + [""] * 2
    assert table["structured"].tolist()[2:] == [not warned] * 2
    data = drawn(figures.clusters_and_null(judged)).data
    assert data.groupby("seed")["best"].sum().tolist() == [1, 1]
    assert (data["null_low"] < 1).all()
    assert (data["null_high"] > 1).all()
    assert "compared with 199 Gaussian-copula draws" in " ".join(methods(judged))
    stored = (root / ".analysis" / "clusters.json").read_bytes()
    again = derived_tables(assess(load(root)), found)["clusters"]
    assert again.equals(table)
    assert (root / ".analysis" / "clusters.json").read_bytes() == stored


def test_a_second_report_clusters_nothing_again(tmp_path: Path, quick: list[int]) -> None:
    root = write_study(tmp_path / "s", STUDY)
    for _ in range(2):
        assert len(assess(load(root)).neurons.clustered) == 5
    assert quick == [NEURONS] * 5


def test_a_damaged_file_is_named_and_the_others_are_used(tmp_path: Path, quick: list[int]) -> None:
    root = write_study(tmp_path / "s", STUDY)
    (broken,) = (n for n in load(root).kept if (n.condition, n.seed) == ("LHetA", 1))
    (root / broken.file.path).write_bytes(b"something else")
    judged = assess(load(root))
    assert judged.neurons.networks["LHetA"] == 1
    assert [s.seed for s in judged.neurons.shown if s.condition == "LHetA"] == [3]
    (problem,) = judged.problems
    assert problem.startswith("LHetA seed 1: ")
    assert problem.endswith("checksum does not fit its content")
    assert "damaged-records" in {c.code for c in report_warnings(judged)}


FIGURES = (
    "current_curves",
    "step_responses",
    "example_outputs",
    "example_activity",
    "after_spike_currents",
    "clusters",
)


def test_a_folder_of_an_earlier_version_says_so(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", STUDY.with_(characteristics=False, diverged=frozenset()))
    judged = assess(load(root))
    for name in FIGURES:
        assert missing(figures.FIGURES[name](judged)) == "No final network has its characteristics on file."
    assert "quantiles" not in drawn(figures.parameter_distributions(judged)).data.columns
    assert "median" in drawn(figures.parameter_distributions(judged)).data.columns
    assert judged.groups == []
    assert not (Layout(root).root / ".analysis").exists()


def test_without_glifr_neurons_there_is_only_what_applies(tmp_path: Path) -> None:
    study = STUDY.with_(conditions=("RNN", "LSTM"), reference="RNN", diverged=frozenset())
    judged = assess(load(write_study(tmp_path / "s", study)))
    for name in ("parameter_distributions", "current_curves", "step_responses", "clusters"):
        assert missing(figures.FIGURES[name](judged)) == "No condition has GLIFR neurons."
    assert missing(figures.after_spike_currents(judged)) == "No condition has after-spike currents."
    assert drawn(figures.example_outputs(judged)).data["condition"].unique().tolist() == ["RNN", "LSTM"]


def test_before_any_network_has_finished_it_says_that(tmp_path: Path) -> None:
    judged = assess(load(write_study(tmp_path / "s", STUDY.with_(done=()))))
    for name in FIGURES:
        assert missing(figures.FIGURES[name](judged)) == "No final network has finished yet."


def test_a_neuron_that_is_not_a_number_is_left_out_of_its_own_row_alone() -> None:
    values = np.random.default_rng(2).normal(size=(4, 9))
    lacking = values.copy()
    lacking[1, 3] = np.nan
    whole, found = quantiles(values), quantiles(lacking)
    np.testing.assert_array_equal(np.delete(found, 1, axis=1), np.delete(whole, 1, axis=1))
    np.testing.assert_array_equal(found[:, 1], np.quantile(np.delete(values[1], 3), BANDS))
