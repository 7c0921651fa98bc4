"""How far a search repeats, measured by playing it: the table of docs/search.md, and what `--plan` says of it.

`GLIFR_UPDATE_GOLDEN=1 pytest` of this file writes the table anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from paths import ROOT
from search_play import PRUNERS, SAMPLERS, TRIALS, Play, lengths, proposals, rules
from small_study import ONE_CONDITION, small_plan

from launch.planning.repeatable import ANY_ORDER, SAME_ORDER, what_repeats
from launch.scheduling.search import PastTrial, SearchRules
from launch.studyfile import Pruner
from launch.studyfile.search.pruners import PatientPruner
from launch.studyfile.search.samplers import LEARNING

PAGE = ROOT / "docs" / "search.md"
_ORDERS = 10
END = "<!-- end -->\n"
STOPPING: dict[str, Pruner] = {
    **{name: pruner for name, pruner in PRUNERS.items() if name != "patient"},
    "patient alone": PatientPruner(name="patient", patience=1),
    "patient with median": PRUNERS["patient"],
}
HEADS = {
    "samplers": ["sampler", "start-up trials in any order", "later ones in any order"],
    "pruners": ["pruner", "what it stops, in any order"],
}
ALL = ["in the same order", "killed after every event"]
Table = dict[str, list[str]]  # of a sampler or pruner, what was seen


def _play(given: SearchRules, trials: int, order: int = 0, killed: bool = False) -> list[PastTrial]:
    return Play(given, order, killed, trials, loses=False).run()


def _seen(given: SearchRules, trials: int, parts: list[Callable[[list[PastTrial]], object]]) -> list[str]:
    """Whether each part of a search is the same in any order; then the whole in one order, and when it is killed."""
    plays = [_play(given, trials, order) for order in range(3 if trials < TRIALS else _ORDERS)]
    found = ["same" if all(part(play) == part(plays[0]) for play in plays) else "differ" for part in parts]
    once_more, killed = _play(given, trials), _play(given, trials, killed=True)
    return [*found, *("same" if play == plays[0] else "differ" for play in (once_more, killed))]


@pytest.fixture(scope="module")
def samplers() -> Table:
    table = {}
    for name, sampler in SAMPLERS.items():
        blind = sampler.startup_trials if isinstance(sampler, LEARNING) else 0
        parts = [lambda play, b=blind: proposals(play)[:b], lambda play, b=blind: proposals(play)[b:]]
        seen = _seen(rules(sampler), 7 if name == "gp" else TRIALS, parts)  # a proposal of gp takes a second
        table[name] = seen if blind else ["none", *seen[1:]]
    return table


@pytest.fixture(scope="module")
def pruners() -> Table:
    return {name: _seen(rules(pruner=pruner), 30, [lengths]) for name, pruner in STOPPING.items()}


def as_text(head: list[str], table: Table) -> str:
    rows = [head, ["---"] * len(head), *([name, *cells] for name, cells in table.items())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


@pytest.mark.parametrize("what", HEADS)
def test_the_page_has_what_was_measured(what: str, request: pytest.FixtureRequest) -> None:
    measured = as_text([*HEADS[what], *ALL], request.getfixturevalue(what))
    begin = f"<!-- {what}: measured by tests/launch/scheduling/test_search_repeats.py -->\n"
    head, _, rest = PAGE.read_text().partition(begin)
    stands, _, tail = rest.partition(END)
    if "GLIFR_UPDATE_GOLDEN" in os.environ:
        PAGE.write_text(head + begin + measured + END + tail)
    else:
        assert stands == measured


def test_the_types_say_what_was_measured(samplers: Table, pruners: Table) -> None:
    """What is said to repeat does, and what is said to differ was seen to differ."""
    for name, sampler in SAMPLERS.items():
        learns = isinstance(sampler, LEARNING)
        assert samplers[name] == ["same" if learns else "none", "differ" if learns else "same", "same", "same"], name
    for name, pruner in STOPPING.items():
        assert pruners[name] == ["differ" if pruner.compares else "same", "same", "same"], name


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["search.sampler=qmc"], [f"proposals (qmc): {ANY_ORDER}"]),
        (["search.trials=3"], [f"proposals (tpe): {ANY_ORDER}"]),
        (["search.trials=9"], [f"proposals (tpe): the first 3 {ANY_ORDER}; later ones {SAME_ORDER}"]),
        (
            ["search.sampler=random", "search.pruner=median"],
            [f"proposals (random): {ANY_ORDER}", f"early stopping (median): {SAME_ORDER}"],
        ),
        (
            ["search.sampler=random", "search.pruner={name: patient, patience: 1}", "search.epochs=5"],
            [f"proposals (random): {ANY_ORDER}", f"early stopping (patient): {ANY_ORDER}"],
        ),
        (["search=null", "confirm=null", "conditions.RNN.fixed={learning_rate: 0.01}"], []),
    ],
)
def test_the_plan_says_how_far_a_search_repeats(tmp_path: Path, overrides: list[str], said: list[str]) -> None:
    spec = small_plan(tmp_path, *overrides, text=ONE_CONDITION).study.spec
    assert what_repeats(spec)[: len(said)] == said
    assert spec.reproducible == all(SAME_ORDER not in sentence for sentence in what_repeats(spec))
