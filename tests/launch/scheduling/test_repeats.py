"""A study that repeats its search: each repeat by itself from proposals to final networks, all in one ledger."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from small_study import NOT_COMPILED, TINY, StopAfter, conduct, new_conductor, published, small_plan

from analysis import load
from glifr import best_seed
from glifr import load as load_network
from glifr.records import STAGES, UnitId, scan
from launch.executors.in_process import InProcessExecutor
from launch.jobs import Job
from launch.ledger.reconcile import settle
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan
from launch.scheduling.study_scheduler import StudyScheduler
from launch.terminal.status import standing
from launch.tracking.optuna_mirror import mirror
from launch.tracking.rows import run_id

CONDITIONS = ("RNN", "LHetA")
RANDOM = TINY.replace("sampler: {name: tpe, startup_trials: 3}", "sampler: {name: random}")


def plan_of(folder: Path, repeats: int, text: str = RANDOM) -> StudyPlan:
    given = (f"search.repeats={repeats}", f"final.seeds={2 * repeats}", "silencing.masks=1", NOT_COMPILED)
    return small_plan(folder, *given, text=text)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "results"
    assert conduct(plan_of(root.parent, 2), root).complete
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "results"))


def units(root: Path) -> dict[str, list[UnitId]]:
    found = scan(root)
    assert [problem for problem in found.problems if not problem.startswith("provenance")] == []  # no session, here
    return {stage: [u.unit for u in found.units if u.unit.stage == stage] for stage in STAGES}


def test_every_repeat_runs_its_own_search_confirmation_and_share_of_the_seeds(whole: Path) -> None:
    by_stage = units(whole)
    for condition in CONDITIONS:
        for repeat in (0, 1):
            mine = {
                s: [u for u in own if (u.condition, u.repeat) == (condition, repeat)] for s, own in by_stage.items()
            }
            assert {stage: len(own) for stage, own in mine.items()} == {
                "search": 2,
                "confirm": 1,
                "final": 2,
                "silencing": 2,
            }
    assert "final/RNN/1" in map(str, by_stage["final"])
    assert "final/RNN@1/1001" in map(str, by_stage["final"])


def test_repeats_share_no_seed_and_conditions_share_all(whole: Path) -> None:
    seeds: dict[tuple[str, int], dict[str, set[int]]] = {}
    for unit in scan(whole).units:
        if unit.unit.stage != "silencing":
            own = seeds.setdefault((unit.unit.stage, unit.unit.repeat), {c: set() for c in CONDITIONS})
            own[unit.unit.condition] |= set(unit.proposal.seeds)
    assert all(own["RNN"] == own["LHetA"] for own in seeds.values())
    every = [seed for own in seeds.values() for seed in own["RNN"]]
    assert len(seeds) == 6
    assert len(every) == len(set(every))


def test_final_networks_have_the_settings_that_their_own_repeat_chose(whole: Path) -> None:
    found = {str(u.unit): u for u in scan(whole).units}
    values = set()
    for name, unit in found.items():
        if unit.unit.stage == "final":
            confirmed = found[str(unit.proposal.source)]
            assert (confirmed.unit.condition, confirmed.unit.repeat) == (unit.unit.condition, unit.unit.repeat), name
            assert unit.proposal.hyperparameters == confirmed.proposal.hyperparameters
            values.add(unit.proposal.hyperparameters["learning_rate"])
    assert len(values) >= 2


def test_conditions_try_the_same_learning_rates_and_repeats_others(whole: Path) -> None:
    tried = {
        str(u.unit).removeprefix("search/"): u.proposal.hyperparameters["learning_rate"]
        for u in scan(whole).units
        if u.unit.stage == "search"
    }
    assert all(tried[f"RNN{rest}"] == tried[f"LHetA{rest}"] for rest in ("/0", "/1", "@1/0", "@1/1"))
    assert len(set(tried.values())) == 4


def test_a_repeat_goes_to_its_final_networks_while_others_still_search(tmp_path: Path) -> None:
    order: list[Job] = []
    conductor = new_conductor(plan_of(tmp_path, 2), tmp_path / "results")
    InProcessExecutor(tmp_path / "results", "disabled").run(_Listened(conductor, order), StopAfter(10**9))
    stages = [job.units[0].stage for job in order]
    assert stages.index("final") < len(stages) - 1 - stages[::-1].index("search")


class _Listened:
    """A `Scheduler` that notes the jobs it hands out."""

    def __init__(self, conductor: StudyScheduler, order: list[Job]) -> None:
        self._conductor, self._order = conductor, order
        self.step, self.ended, self.halt = conductor.step, conductor.ended, conductor.halt

    @property
    def finished(self) -> bool:
        return self._conductor.finished

    def next_job(self) -> Job | None:
        job = self._conductor.next_job()
        self._order += [job] if job else []
        return job


@pytest.mark.parametrize("polls", [2, 9, 17])
def test_an_interrupted_study_ends_as_an_uninterrupted_one(whole: Path, tmp_path: Path, polls: int) -> None:
    plan, root = plan_of(tmp_path, 2), tmp_path / "results"
    assert not conduct(plan, root, StopAfter(polls)).complete
    assert settle(Ledger(root), plan, "test", None) == []
    assert conduct(plan, root).complete
    assert published(root, CONDITIONS) == published(whole, CONDITIONS)


def test_one_more_repeat_runs_only_what_is_missing(root: Path, whole: Path, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 3)
    assert settle(Ledger(root), plan, "test", None) == []
    assert conduct(plan, root).complete
    after, before = published(root, CONDITIONS), published(whole, CONDITIONS)
    assert {unit: value for unit, value in after.items() if unit.repeat < 2} == before
    assert len(after) == len(before) // 2 * 3
    attempts = {str(u.unit): u.attempts for u in scan(root).units}
    assert set(attempts.values()) == {1}
    fewer = plan_of(tmp_path, 2)  # and back again: what is there stays
    assert settle(Ledger(root), fewer, "test", None) == []
    assert conduct(fewer, root).complete
    assert published(root, CONDITIONS) == after


def test_a_study_with_one_search_can_be_repeated_later(tmp_path: Path) -> None:
    root = tmp_path / "results"
    once = plan_of(tmp_path, 1)
    assert conduct(once, root).complete
    before = published(root, CONDITIONS)
    more = plan_of(tmp_path, 2)
    assert settle(Ledger(root), more, "test", None) == []
    assert conduct(more, root).complete
    after = published(root, CONDITIONS)
    assert {unit: value for unit, value in after.items() if unit.repeat == 0} == before
    assert len(after) == 2 * len(before)


def test_readers_of_the_folder_see_all_repeats(root: Path, tmp_path: Path) -> None:
    plan, records = plan_of(tmp_path, 2), scan(root)
    counts = standing(plan, records, datetime.now(UTC)).snapshot.counts
    assert all((c.planned, c.complete) == (4, 4) for c in (stages["final"] for stages in counts.values()))
    results = load(root)
    assert results.complete
    assert sorted(results.final_values().index) == [1, 2, 1001, 1002]
    seed = best_seed(root, "RNN")
    assert {p.name for p in (root / "units" / "final").iterdir()} == {"RNN", "RNN@1", "LHetA", "LHetA@1"}
    for network in (load_network(root, "RNN", 1001), load_network(root / "units" / "final" / "RNN@1" / "1001")):
        assert network.hidden_size == 16
    assert seed in (1, 2, 1001, 1002)
    mirrored = mirror(records)
    assert mirrored.exists()


def test_each_repeat_has_wandb_runs_of_its_own() -> None:
    ids = {run_id("0" * 64, UnitId("search", "RNN", 1, repeat), "0001-aa") for repeat in (0, 1, 11)}
    assert ids == {"00000000-search-RNN-1-aa", "00000000-search-RNN-r1-1-aa", "00000000-search-RNN-r11-1-aa"}
