"""The budget of a study: what is refused, and what of it is part of a hash."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_texts import GOOD, load, refusal, write_study

BAD = {
    "hours of zero": ("{hours: 0}", ["the number is too small", "budget.hours (line", "a number above 0"]),
    "epochs of zero": ("{epochs: 0}", ["the number is too small", "budget.epochs"]),
    "half an epoch": ("{epochs: 0.5}", ["must be a whole number", "budget.epochs"]),
    "two kinds": ("{hours: 3, epochs: 100}", ["one kind of budget, and here are 2: hours and epochs", "budget.epochs"]),
    "unknown kind": ("{hour: 3}", ["unknown key 'hour'", "did you mean 'budget.hours'?"]),
    "GPU-hours without a GPU": ("{gpu_hours: 3}", ["takes no GPU", "budget.gpu_hours", "write `hours`"]),
    "unknown equality": ("{equal: epoch}", ["not one of the words", "budget.equal", "trials, epochs or time"]),
    "time without hours": ("{equal: time}", ["need that time", "budget.search_hours", "add `search_hours: 2`"]),
    "hours of searches by trials": ("{search_hours: 2}", ["limit nothing", "budget.search_hours", "`equal: time`"]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_budget_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    written, said = BAD[name]
    told = refusal(write_study(tmp_path, f"{GOOD}budget: {written}\n"))
    for words in said:
        assert words in told


def test_equal_time_is_refused_where_results_must_repeat(tmp_path: Path) -> None:
    text = f"{GOOD[: GOOD.index('profiles:')]}budget: {{equal: time, search_hours: 1}}\n"
    assert not load(tmp_path, text).spec.reproducible
    blind = ["search.sampler.name=random", "search.pruner.name=none"]
    told = refusal(write_study(tmp_path, text), overrides=blind)
    assert "this study proposes the same trials whenever it is run" in told
    assert "write `equal: epochs`" in told


def test_equal_epochs_need_a_search(tmp_path: Path) -> None:
    text = f"{GOOD[: GOOD.index('profiles:')]}budget: {{equal: epochs}}\n"
    without = ["search=null", "confirm=null"]
    fixed = [f"conditions.{name}.fixed={{learning_rate: 0.001}}" for name in ("RNN", "LSTM", "LHet", "LHetA")]
    assert "only searches have an equal budget" in refusal(write_study(tmp_path, text), overrides=[*without, *fixed])


def test_a_limit_changes_no_hash_and_what_searches_have_equal_does(tmp_path: Path) -> None:
    def hash_of(budget: str) -> str:
        return load(tmp_path, f"{GOOD}budget: {budget}\n" if budget else GOOD).hash

    same = {hash_of(budget) for budget in ("", "{}", "{hours: 3}", "{epochs: 90}", "{equal: trials}")}
    assert len(same) == 1
    assert hash_of("{equal: epochs}") == hash_of("{equal: epochs, hours: 3}") not in same
