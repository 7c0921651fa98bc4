"""Results folders become tidy tables, counts and notes; nothing that was planned or run goes missing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from paths import ROOT
from records_factory import Synthetic, study_body, write_study

from analysis import assess, load, report_warnings
from analysis.figures.drawing.drawing import Drawing
from analysis.figures.search import search_results
from analysis.figures.tuning import best_so_far, parallel_coordinates, search_slices
from analysis.judgement.fairness import seeds_of_two_repeats, shared_seeds, unequal_budgets
from analysis.report.sentences import design
from analysis.report.terminal_table import summarise
from analysis.results.columns import DERIVED, DTYPES, TABLES, column_dictionary
from analysis.results.provenance import provenance
from analysis.results.summaries import performances, position, tunings
from analysis.results.tidy_tables import write_tables
from analysis.text import significant
from glifr.records import InputError, Layout, UnitId, read_sealed, seal

SMALL = Synthetic(conditions=("RNN", "Hom", "LHetA"), seeds=3, trials=6, epochs=3, masks=2)
DOCS = ROOT / "docs" / "results-folder.md"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a missing, a failed and a diverged final network."""
    study = SMALL.with_(
        seeds=5,
        missing=frozenset({("Hom", 2)}),
        failed=frozenset({("RNN", 4)}),
        diverged=frozenset({("LHetA", 3)}),
    )
    return write_study(tmp_path_factory.mktemp("mixed") / "study", study)


def test_tables_have_the_documented_columns_and_kinds(mixed: Path) -> None:
    for name, frame in load(mixed).tables.items():
        assert list(frame.columns) == [c.name for c in TABLES[name]]
        assert [str(t) for t in frame.dtypes] == [DTYPES[c.kind] for c in TABLES[name]]
        assert len(frame) > 0


def test_the_column_dictionary_is_documented() -> None:
    documented = DOCS.read_text(encoding="utf-8")
    assert column_dictionary() in documented
    assert column_dictionary(DERIVED) in documented


def test_csv_and_parquet_hold_the_same(mixed: Path) -> None:
    results = load(mixed)
    for relative in write_tables(results.layout, results.tables):
        path = mixed / relative
        table = results.tables[path.stem]
        if path.suffix == ".parquet":
            pd.testing.assert_frame_equal(pd.read_parquet(path), table)
        else:
            dtypes = dict(table.dtypes)
            pd.testing.assert_frame_equal(pd.read_csv(BytesIO(path.read_bytes()), dtype=dtypes), table)


def test_every_run_is_a_row_with_its_status(mixed: Path) -> None:
    seeds = load(mixed).tables["seeds"]
    final = seeds[seeds["stage"] == "final"].set_index(["condition", "seed"])
    assert len(final) == 15
    assert final.loc[("Hom", 2), "status"] == "unfinished"
    assert final.loc[("RNN", 4), "status"] == "failed"
    assert final.loc[("LHetA", 3), "diverged"]
    assert final.loc[("LHetA", 3), "test_accuracy"] == 0.1
    assert final.loc[("RNN", 4), "last_failure"] == "bug: RuntimeError: in net.py"
    assert (final["status"] == "complete").sum() == 13


def test_each_repeat_of_a_search_is_told_apart(tmp_path: Path) -> None:
    results = load(write_study(tmp_path / "study", SMALL.with_(seeds=6, repeats=3)))
    tables = results.tables
    for name in TABLES:
        assert sorted(tables[name]["repeat"].unique()) == [0, 1, 2], name
    seeds = tables["seeds"]
    finals = seeds[seeds["stage"] == "final"]
    assert finals[finals["condition"] == "Hom"]["seed"].tolist() == [1, 2, 1001, 1002, 2001, 2002]
    assert finals[finals["condition"] == "Hom"]["repeat"].tolist() == [0, 0, 1, 1, 2, 2]
    chosen = tables["trials"][tables["trials"]["chosen"]]
    assert chosen.groupby(["condition", "repeat", "stage"]).size().tolist() == [1] * (3 * 3 * 2)
    assert results.count("complete", "final", "Hom") == results.count("planned", "final", "Hom") == 6
    assert results.count("planned", "search", "Hom") == 18
    assert not any("plans" in problem for problem in results.problems)


def test_each_search_of_a_condition_has_a_row_of_its_own(tmp_path: Path) -> None:
    results = load(write_study(tmp_path / "study", SMALL.with_(seeds=6, repeats=3)))
    found = tunings(results)
    assert [t.name for t in found] == [f"{c}{r}" for c in ("RNN", "Hom", "LHetA") for r in ("", "@1", "@2")]
    seeds, trials = results.tables["seeds"], results.tables["trials"]
    for t in found:
        own = seeds[(seeds["stage"] == "final") & (seeds["condition"] == t.condition) & (seeds["repeat"] == t.repeat)]
        assert t.trials == t.ended == 6
        assert t.chosen["learning_rate"] == own["learning_rate"].iloc[0]
        assert t.final_score == pytest.approx(own["score"].mean())
        won = trials[trials["chosen"] & (trials["condition"] == t.condition) & (trials["repeat"] == t.repeat)]
        assert t.chosen_value == won[won["stage"] == "search"]["value"].iloc[0]
    assert len({t.chosen["learning_rate"] for t in found}) == 9
    rates = [t.chosen["learning_rate"] for t in found[3:6]]
    shown = summarise(results).set_index("condition").loc["Hom", "learning rate"]
    assert shown == f"{significant(min(rates))} to {significant(max(rates))}"


def test_repeats_have_equal_budgets_and_seeds_of_their_own(tmp_path: Path) -> None:
    root = write_study(tmp_path / "study", SMALL.with_(seeds=6, repeats=3, pruned_share=0.0, failed_share=0.0))
    fair = load(root)
    assert unequal_budgets(fair, tunings(fair)) == seeds_of_two_repeats(fair) == shared_seeds(fair) == []
    layout = Layout(root)
    shutil.rmtree(layout.unit(UnitId("search", "Hom", 0, 1)))
    path = layout.proposal(UnitId("search", "Hom", 1, 2))
    path.write_bytes(seal({**read_sealed(path), "seeds": [100_001, 1]}))
    unfair = load(root)
    (budget,) = unequal_budgets(unfair, tunings(unfair))
    assert budget == "trials that ended: 6 for RNN, Hom, Hom@2 and LHetA, 5 for Hom@1"
    assert seeds_of_two_repeats(unfair) == [1, 100_001]
    assert shared_seeds(unfair) == [1]  # of a final network of another repeat


def test_what_searches_begin_with_is_of_their_budget(tmp_path: Path) -> None:
    """Known points, and trials of another study, of which one condition had more."""
    fair = load(write_study(tmp_path / "study", SMALL.with_(pruned_share=0.0, failed_share=0.0)))
    search = {**fair.info.section("search"), "start_at": ["published", {"after_spike_spread": 2.0}]}
    learned = {"RNN": 12, "Hom": 12, "LHetA": 7}
    info = replace(fair.info, spec={**fair.info.spec, "search": search}, learned=learned, learned_from="pilot (full)")
    unfair = replace(fair, info=info)
    assert unequal_budgets(unfair, tunings(unfair)) == [
        "trials of another study that the search learned from: 12 for RNN and Hom, 7 for LHetA",
        "known points that the search began with: 1 for RNN and Hom, 2 for LHetA",
    ]
    said = design(info)
    assert "Its first trials were at 1 to 2 known points." in said
    assert "Its sampler had learned from 7 to 12 trials of pilot (full), which come to its budget." in said


def test_figures_of_the_search_draw_every_repeat(tmp_path: Path) -> None:
    results = load(write_study(tmp_path / "study", SMALL.with_(seeds=6, repeats=3)))
    for draw in (best_so_far, search_slices, parallel_coordinates, search_results):
        drawn = draw(results)
        assert isinstance(drawn, Drawing)
        assert sorted(drawn.data["repeat"].unique()) == [0, 1, 2]
    drawn = best_so_far(results)
    assert isinstance(drawn, Drawing)
    lines = drawn.data.groupby(["condition", "repeat"])["best"]
    assert lines.ngroups == 9
    assert (lines.diff().dropna() <= 0).all()
    assert "3 independent searches" in drawn.caption


def test_counts_add_up_to_the_plan(mixed: Path) -> None:
    results = load(mixed)
    states = ["complete", "pruned", "failed", "unfinished", "not started"]
    assert (results.counts[states].sum(axis=1) == results.counts["planned"]).all()
    assert results.count("complete", "final") == 13
    assert results.count("failed", "final", "RNN") == 1
    assert results.count("diverged", "final") == 1
    assert not results.complete


def test_a_study_is_complete_when_every_final_network_and_its_silencing_is(tmp_path: Path) -> None:
    assert load(write_study(tmp_path / "all", SMALL)).complete
    assert not load(write_study(tmp_path / "no", SMALL.with_(done=("search", "confirm", "final")))).complete


def test_the_chosen_trial_is_the_source_of_the_final_networks(mixed: Path) -> None:
    trials = load(mixed).tables["trials"]
    chosen = trials[trials["chosen"]]
    for name in SMALL.conditions:
        own = chosen[chosen["condition"] == name]
        assert list(own["stage"]) == ["search", "confirm"]
        assert own["number"].nunique() == 1
        assert own["learning_rate"].nunique() == 1


def test_conditions_without_an_order_come_as_in_the_project(mixed: Path) -> None:
    assert load(mixed).info.names == ["RNN", "Hom", "LHetA"]


def test_the_studys_own_order_is_kept(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", SMALL)
    body = {**study_body(SMALL), "order": ["LHetA", "RNN", "Hom"]}
    Layout(root).study.write_bytes(seal(body))
    results = load(root)
    assert results.info.names == ["LHetA", "RNN", "Hom"]
    assert list(results.tables["seeds"]["condition"].unique()) == ["LHetA", "RNN", "Hom"]


def test_performances_say_which_seeds_are_missing_and_what_divergence_costs(mixed: Path) -> None:
    rnn, hom, lheta = performances(load(mixed))
    assert (rnn.missing_seeds, hom.missing_seeds, lheta.missing_seeds) == ((4,), (2,), ())
    assert rnn.without_diverged is None
    assert lheta.diverged == 1
    assert lheta.interval.n == 5
    assert lheta.without_diverged is not None
    assert lheta.without_diverged.n == 4
    assert lheta.interval.mean < 0.8 < lheta.without_diverged.mean


def test_tuning_counts_every_trial(mixed: Path) -> None:
    results = load(mixed)
    for row in tunings(results):
        assert row.complete + row.pruned + row.failed == row.trials == 6
        assert list(row.confirmed) == sorted(row.confirmed)
        assert row.settled


@pytest.mark.parametrize(("rate", "edge"), [(1.1e-4, "lower"), (1e-3, None), (9.5e-3, "upper"), (1.3e-4, None)])
def test_a_choice_at_the_end_of_its_range_is_flagged(tmp_path: Path, rate: float, edge: str | None) -> None:
    root = write_study(tmp_path / "s", SMALL.with_(trials=0, silencing=False))
    body = study_body(SMALL)
    body["planned"]["RNN"]["silencing"] = 0
    Layout(root).study.write_bytes(seal(body))
    for seed in (1, 2, 3):
        path = Layout(root).proposal(UnitId("final", "RNN", seed))
        proposal = read_sealed(path)
        path.write_bytes(seal({**proposal, "hyperparameters": {"learning_rate": rate}}))
    assert tunings(load(root))[0].edges.get("learning_rate") == edge


def test_position_uses_the_scale_of_the_range() -> None:
    assert position(1e-3, {"low": 1e-4, "high": 1e-2, "log": True}) == pytest.approx(0.5)
    assert position(1.5, {"low": 1.0, "high": 2.0, "log": False}) == pytest.approx(0.5)


def test_what_cannot_be_trusted_is_named_without_the_folders_own_path(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", SMALL)
    path = Layout(root).result(UnitId("final", "RNN", 1))
    path.write_text(path.read_text().replace('"status": "complete"', '"status": "pruned"'))
    results = load(root)
    assert results.count("unfinished", "final", "RNN") == 1
    assert [p for p in results.problems if "final/RNN/1" in p and "checksum" in p]
    assert not any(str(tmp_path) in p for p in results.problems)


def test_results_of_conditions_that_left_the_study_are_left_out_and_said(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", SMALL)
    Layout(root).study.write_bytes(seal(study_body(SMALL.with_(conditions=("RNN", "LHetA")))))
    results = load(root)
    assert set(results.tables["seeds"]["condition"]) == {"RNN", "LHetA"}
    assert any("Hom" in p for p in results.problems)


def test_more_networks_than_planned_are_said_and_are_no_damage(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", SMALL)
    Layout(root).study.write_bytes(seal(study_body(SMALL.with_(seeds=2))))
    results = load(root)
    assert results.problems == ()
    (warning,) = [c for c in report_warnings(assess(results)) if c.code == "beyond-plan"]
    assert "RNN 1 (final)" in warning.text


def test_final_networks_without_the_measure_are_left_out_and_said(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", SMALL)
    path = Layout(root).result(UnitId("final", "Hom", 2))
    body = read_sealed(path)
    body["seeds"][0]["test_accuracy"] = None
    path.write_bytes(seal(body))
    results = load(root)
    assert results.final_values()["Hom"].notna().sum() == 2
    assert any(p.startswith("Hom: 1 final network without a test accuracy (seeds 2)") for p in results.problems)


@pytest.mark.parametrize("key", ["planned", "task", "conditions"])
def test_a_study_of_another_version_is_refused_with_the_missing_key(tmp_path: Path, key: str) -> None:
    root = write_study(tmp_path / "s", SMALL)
    body = {k: v for k, v in study_body(SMALL).items() if k != key}
    Layout(root).study.write_bytes(seal(body))
    with pytest.raises(InputError, match=key):
        load(root)


def test_an_altered_study_is_refused(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", SMALL)
    record = json.loads(Layout(root).study.read_text())
    record["body"]["evidence"] = not record["body"]["evidence"]
    Layout(root).study.write_text(json.dumps(record))
    with pytest.raises(InputError, match="cannot be used"):
        load(root)


def test_neuron_models_are_named_by_digest_where_the_study_has_them(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", SMALL)
    assert "Neuron models" not in dict(provenance(load(root)).facts), "a study from before they were recorded"
    body = study_body(SMALL)
    for name, own in body["conditions"].items():
        model, digest = ("tanh", "a" * 64) if name == "RNN" else ("glifr", "b" * 64)
        own["neuron"] = {"name": model, "digest": digest, "published": name != "Hom"}
    Layout(root).study.write_bytes(seal(body))
    said = dict(provenance(load(root)).facts)["Neuron models"]
    assert said == (
        f"tanh {'a' * 12}, the published step; glifr {'b' * 12}, a step of one's own; "
        f"glifr {'b' * 12}, the published step"
    )
