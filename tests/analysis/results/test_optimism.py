"""How much a choice was flattered: measured where it was made, at equal epochs, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from records_factory import Synthetic, write_study

from analysis import Results, load
from analysis import tables as sheets
from analysis.results.summaries import tunings

SHORT = Synthetic(
    conditions=("RNN", "Hom", "LHetA"),
    seeds=3,
    trials=6,
    search_epochs=2,
    epochs=8,
    silencing=False,
    diverged_share=0.0,
)


def _final_scores(results: Results, condition: str, epoch: int) -> pd.Series:
    rows = results.tables["epochs"]
    return rows[(rows["stage"] == "final") & (rows["condition"] == condition) & (rows["epoch"] == epoch)][
        "validation_loss"
    ]


def test_a_confirmed_choice_is_compared_where_it_was_made(tmp_path: Path) -> None:
    """Confirm and final stage train equally long; the short search is no measure of how much it was flattered."""
    results = load(write_study(tmp_path / "s", SHORT))
    trials = results.tables["trials"]
    confirmed = trials[(trials["stage"] == "confirm") & trials["chosen"]].set_index("condition")["value"]
    for row in tunings(results):
        choice = row.optimism
        assert (choice.stage, choice.epochs) == ("confirm", 8)
        assert choice.chosen == pytest.approx(confirmed[row.condition])
        final = _final_scores(results, row.condition, 8).mean()
        assert choice.gap == pytest.approx(final - confirmed[row.condition])


def test_without_confirmation_final_networks_are_compared_after_as_many_epochs_as_the_search(tmp_path: Path) -> None:
    results = load(write_study(tmp_path / "s", SHORT.with_(confirm=0)))
    for row in tunings(results):
        choice = row.optimism
        assert (choice.stage, choice.epochs, choice.chosen) == ("search", 2, pytest.approx(row.chosen_value))
        then, at_the_end = (_final_scores(results, row.condition, e).mean() for e in (2, 8))
        assert choice.final == pytest.approx(then)
        assert choice.gap == pytest.approx(then - row.chosen_value)
        assert at_the_end < then - 0.5, "the gap of the whole training would be that of training longer"


def test_a_gap_that_cannot_be_measured_says_why(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", SHORT.with_(confirm=0))
    for path in root.glob("units/final/RNN/2/attempts/*/epochs.jsonl"):
        path.write_text(
            "".join(line for line in path.read_text().splitlines(keepends=True) if '"epoch": 2' not in line)
        )
    results = load(root)
    reasons = {t.condition: t.optimism.reason for t in tunings(results)}
    assert reasons == {"RNN": "no record of epoch 2 of every final network", "Hom": "", "LHetA": ""}
    row = sheets.tuning_sheets(results, tunings(results), [])[0].rows[0]
    assert (row[-1].text, row[-1].note) == (
        "\N{EN DASH}",
        "not comparable: no record of epoch 2 of every final network",
    )
    info = replace(results.info, spec={**results.info.spec, "training": {"sigma_v": {"start": 1.0, "end": 0.1}}})
    assert "annealed" in tunings(replace(results, info=info))[1].optimism.reason
    fixed = load(write_study(tmp_path / "f", SHORT.with_(trials=0)))
    assert tunings(fixed)[0].optimism.reason == "no final network of a chosen configuration"


def test_a_diverged_network_counts_with_the_worst_score_from_then_on(tmp_path: Path) -> None:
    results = load(
        write_study(tmp_path / "s", SHORT.with_(confirm=0, search_epochs=4, diverged=frozenset({("RNN", 1)})))
    )
    choice = tunings(results)[0].optimism
    kept = _final_scores(results, "RNN", 4).dropna()
    worst = results.info.task.worst_score
    assert choice.final == pytest.approx((kept.sum() + worst) / (len(kept) + 1))


def test_with_repeats_each_has_the_gap_of_its_own_choice(tmp_path: Path) -> None:
    """Each repeat's networks are compared with that repeat's own choice, though their trials have the same numbers."""
    results = load(write_study(tmp_path / "s", SHORT.with_(seeds=6, repeats=3)))
    trials, seeds = results.tables["trials"], results.tables["seeds"]
    for row in tunings(results):
        own = trials[(trials["condition"] == row.condition) & (trials["repeat"] == row.repeat)]
        (chosen,) = own[(own["stage"] == "confirm") & own["chosen"]]["value"]
        final = seeds[(seeds["condition"] == row.condition) & (seeds["stage"] == "final")]
        gap = final[final["repeat"] == row.repeat]["score"].mean() - chosen
        assert row.optimism.gap == pytest.approx(gap)
