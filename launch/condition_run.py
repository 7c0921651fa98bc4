"""One condition on its way through search, confirm, final and silencing: which units are due, and what came of them.

The state is a projection of the ledger: built from it at the start, and each end of a job is read back from it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby

from glifr.errors import InputError, Problem
from glifr.records import EpochRecord, Proposal, SeedOutcome, Stage, UnitId, UnitResult, seal
from glifr.training import score, worst_score
from launch.executors import Job
from launch.ledger import Failure, Ledger, now, publish, record_failure
from launch.plan import StudyPlan
from launch.search import ConditionSearch, PastTrial
from launch.seed_batches import SeedBatches
from launch.trial import Step


class State(Enum):
    """Where a unit that has been proposed stands."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self in (State.COMPLETE, State.PRUNED, State.FAILED)


@dataclass(frozen=True)
class RunOptions:
    """How units are executed, none of which changes a result."""

    batches: SeedBatches
    retries: int
    code_version: str


class ConditionRun:
    """The state machine of one condition. `error` is set when it cannot go on."""

    def __init__(
        self, plan: StudyPlan, name: str, ledger: Ledger, options: RunOptions, may_publish: Callable[[], None]
    ) -> None:
        self.plan, self.name = plan, name
        self.own = plan.conditions[name]
        self._ledger, self._options, self._may_publish = ledger, options, may_publish
        self.states: dict[UnitId, State] = {}
        self.results: dict[UnitId, UnitResult] = {}
        self.error: str | None = None
        self._waiting: deque[Job] = deque()
        self._retries: Counter[UnitId] = Counter()
        self._search = self._rebuild_search()
        self._advance()

    # -- what is due -------------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether nothing runs and nothing further can."""
        if self.error is not None:
            return State.RUNNING not in self.states.values()
        return not (self._may_propose or any(not s.ended for s in self.states.values()))

    @property
    def complete(self) -> bool:
        """Whether every final network, and its silencing, has its result."""
        stages: tuple[Stage, ...] = ("final", "silencing")
        return self.error is None and all(self.count(s, State.COMPLETE) == self.own.planned[s] for s in stages)

    @property
    def stage(self) -> Stage:
        """The stage of the next job."""
        return self._waiting[0].units[0].stage if self._waiting else "search"

    @property
    def ready(self) -> bool:
        """Whether a job can start now."""
        return self.error is None and (bool(self._waiting) or self._may_propose)

    def count(self, stage: Stage, *states: State) -> int:
        """Units of a stage in one of these states."""
        return sum(state in states for unit, state in self.states.items() if unit.stage == stage)

    @property
    def winner(self) -> UnitId | None:
        """The confirm unit whose mean score on fresh tuning seeds is best, once all have ended."""
        ended = [u for u in self.states if u.stage == "confirm"]
        if not ended or not all(self.states[u].ended for u in ended):
            return None
        return min((u for u in ended if u in self.results), key=self._rank, default=None)

    def next_job(self) -> Job | None:
        """The next job, its units proposed durably before it is handed out."""
        if not self.ready:
            return None
        job = self._waiting.popleft() if self._waiting else self._propose_search()
        self.states.update(dict.fromkeys(job.units, State.RUNNING))
        return job

    # -- what came of it ---------------------------------------------------------------------------------------------

    def step(self, job: Job, step: Step) -> bool:
        """Hears of an epoch; whether the search's pruner stops the trial."""
        if self._search is None or job.units[0].stage != "search":
            return False
        verdicts = [
            self._search.report(UnitId.parse(unit).number, epoch, value) for unit, (epoch, value) in step.scores.items()
        ]
        return any(verdicts)

    def ended(self, job: Job, step: Step | None, stopped_early: bool) -> None:
        """Hears of a job's end and reads from the ledger what it published.

        A job that ended neither done nor stopped early by the pruner was interrupted with the study: it waits again.
        """
        if step is not None and not (step.done or stopped_early):
            self.states.update(dict.fromkeys(job.units, State.WAITING))
            return self._waiting.appendleft(job)
        failure = step.failure if step is not None else Failure("node lost", "the worker process or its node died")
        lost = []
        for unit in job.units:
            result = self._ledger.result(unit)
            if result is None and stopped_early:
                result = self._publish_pruned(unit)
            if result is None:
                lost.append(unit)
            else:
                self._settle(unit, result)
        if lost:
            self._retry_or_fail(lost, failure or Failure("bug", "the job ended without a result"), step is None)
        self._advance()

    def _settle(self, unit: UnitId, result: UnitResult) -> None:
        self.results[unit] = result
        self.states[unit] = State(result.status)
        if self._search is not None and unit.stage == "search":
            self._search.tell(unit.number, result.status, result.value)

    def _retry_or_fail(self, units: list[UnitId], failure: Failure, worker_lost: bool) -> None:
        again = []
        for unit in units:
            if worker_lost:
                self._note_lost(unit, failure)
            self._retries[unit] += 1
            if failure.kind != "bad input" and self._retries[unit] <= self._options.retries:
                self.states[unit] = State.WAITING
                again.append(unit)
            else:
                self.states[unit] = State.FAILED
                if self._search is not None and unit.stage == "search":
                    self._search.tell(unit.number, "failed", None)
            verdict = "tried again" if unit in again else "given up"
            self._ledger.event("warning", f"{unit}: {failure.kind}: {failure.message}; {verdict}")
        if again:
            self._waiting.appendleft(_job(again))

    def _note_lost(self, unit: UnitId, failure: Failure) -> None:
        folders = sorted(p for p in self._ledger.layout.attempts(unit).glob("*") if p.is_dir())
        if folders and not (folders[-1] / "failure.json").exists():
            record_failure(folders[-1], failure)

    def _publish_pruned(self, unit: UnitId) -> UnitResult | None:
        """Publishes, for a trial stopped by the pruner, what its epoch records say; None if there are none."""
        proposal, records = self._ledger.proposal(unit), self._ledger.epochs(unit)
        folders = sorted(p.name for p in self._ledger.layout.attempts(unit).glob("*"))
        if proposal is None or not records:
            return None
        last = {record.seed: record for record in records}
        outcomes = tuple(self._outcome(record) for record in last.values())
        result = UnitResult(
            unit=unit,
            identity=proposal.identity,
            attempt=folders[-1],
            status="pruned",
            value=sum(o.score for o in outcomes) / len(outcomes),
            seeds=outcomes,
            silencing=(),
            started_at=proposal.proposed_at,
            finished_at=now(),
            seconds=sum(r.seconds for r in records),
            backend=self.plan.study.spec.training.backend,
            device="",
            threads=0,
            seeds_in_batch=min(len(outcomes), self._options.batches.of(proposal)),
        )
        self._may_publish()
        publish(self._ledger.layout.result(unit), seal(result.to_json()))
        return self._ledger.result(unit)

    def _outcome(self, record: EpochRecord) -> SeedOutcome:
        return SeedOutcome(
            seed=record.seed,
            epochs=record.epoch,
            diverged=record.diverged,
            score=score(self.plan.task, record),
            train_loss=record.train_loss,
            train_accuracy=record.train_accuracy,
            validation_loss=record.validation_loss,
            validation_accuracy=record.validation_accuracy,
        )

    # -- from stage to stage -----------------------------------------------------------------------------------------

    @property
    def _may_propose(self) -> bool:
        return self._search is not None and self._search.proposed < self.own.planned["search"]

    def _advance(self) -> None:
        """Makes every unit due that can be: called at the start and after each end; doing it twice changes nothing."""
        if self.error is not None:
            return
        if self._search is not None:
            if self._may_propose or self.count("search", State.WAITING, State.RUNNING):
                return
            self._advance_confirm()
            if self.error is not None or self.winner is None:
                return
            winner = self._ledger.proposal(self.winner)
            assert winner is not None
            self._advance_final(winner.hyperparameters, str(self.winner))
        else:
            self._advance_final(self.own.fixed, None)
        self._advance_silencing()

    def _advance_confirm(self) -> None:
        ended = [u for u in self.results if u.stage == "search" and self.states[u] is State.COMPLETE]
        best = sorted(ended, key=self._rank)[: self.own.planned["confirm"]]
        if not best:
            self.error = "no trial of the search ran to its end, so there is no configuration to confirm"
            return
        seeds = self.plan.study.spec.confirm_seeds()
        for unit in best:
            source = self._ledger.proposal(unit)
            assert source is not None
            confirm = UnitId("confirm", self.name, unit.number)
            self._due(self._proposal(confirm, source.hyperparameters, seeds, str(unit)))
        confirmed = [u for u in self.states if u.stage == "confirm"]
        if all(self.states[u] is State.FAILED for u in confirmed):
            self.error = "no configuration could be confirmed: every confirm unit failed"

    def _advance_final(self, hyperparameters: Mapping[str, float], source: str | None) -> None:
        seeds = self.plan.study.spec.final_seeds()
        units = [UnitId("final", self.name, seed) for seed in seeds]
        self._due(*(self._proposal(unit, hyperparameters, (unit.number,), source) for unit in units))

    def _advance_silencing(self) -> None:
        if not self.own.planned["silencing"]:
            return
        done = [u for u, state in self.states.items() if u.stage == "final" and state is State.COMPLETE]
        due = []
        for final in done:
            source = self._ledger.proposal(final)
            assert source is not None
            unit = UnitId("silencing", self.name, final.number)
            wanted = self._proposal(unit, source.hyperparameters, source.seeds, str(final))
            due.append(replace(wanted, seeds_per_batch=source.seeds_per_batch))
        self._due(*due)

    def _due(self, *proposals: Proposal) -> None:
        """Takes units up that are not yet known: done ones with their results, the others as jobs."""
        to_run: list[Proposal] = []
        for proposal in proposals:
            unit = proposal.unit
            if unit in self.states:
                continue
            self._refuse_other(proposal)
            result = self._ledger.result(unit)
            if result is not None:
                self.results[unit], self.states[unit] = result, State(result.status)
                continue
            to_run.append(self._ledger.propose(proposal))
            self.states[unit] = State.WAITING
        for size, alike in groupby(to_run, key=self._units_a_job):
            self._waiting.extend(_job(group) for group in _groups([p.unit for p in alike], size))

    def _units_a_job(self, proposal: Proposal) -> int:
        """A confirm unit has several seeds, so it is a job by itself; the others have one."""
        return 1 if proposal.unit.stage == "confirm" else self._options.batches.of(proposal)

    def _propose_search(self) -> Job:
        assert self._search is not None
        number, hyperparameters = self._search.ask()
        unit = UnitId("search", self.name, number)
        self._ledger.propose(self._proposal(unit, hyperparameters, self.plan.study.spec.search_seeds(), None))
        return _job([unit])

    def _proposal(
        self, unit: UnitId, hyperparameters: Mapping[str, float], seeds: tuple[int, ...], source: str | None
    ) -> Proposal:
        return Proposal(
            unit=unit,
            identity=self.plan.identity(unit.stage, self.name, hyperparameters, seeds),
            hyperparameters=dict(hyperparameters),
            seeds=seeds,
            hidden_size=self.own.hidden_size,
            trained_parameters=self.own.trained_parameters,
            delay_steps=self.own.delay_steps,
            source=source,
            start_from=None,
            code_version=self._options.code_version,
            proposed_at=now(),
            seeds_per_batch=self._options.batches.choose(self.name, unit.stage, len(seeds)),
        )

    def _rank(self, unit: UnitId) -> tuple[float, int]:
        value = self.results[unit].value
        return (worst_score(self.plan.task) if value is None else value, unit.number)

    # -- from the ledger ---------------------------------------------------------------------------------------------

    def _rebuild_search(self) -> ConditionSearch | None:
        spec = self.plan.study.spec
        if spec.search is None:
            return None
        search = ConditionSearch(self.name, self.own.space, spec.search.sampler, spec.search.pruner, spec.seed)
        search.replay([self._past(unit) for unit in self._standing_search_units()])
        return search

    def _standing_search_units(self) -> Iterator[UnitId]:
        for number in range(self.own.planned["search"]):
            unit = UnitId("search", self.name, number)
            standing = self._ledger.proposal(unit)
            if standing is None:
                return
            self._refuse_other(
                self._proposal(unit, standing.hyperparameters, self.plan.study.spec.search_seeds(), None)
            )
            yield unit

    def _past(self, unit: UnitId) -> PastTrial:
        proposal, result = self._ledger.proposal(unit), self._ledger.result(unit)
        assert proposal is not None
        by_epoch: dict[int, list[EpochRecord]] = {}
        for record in self._ledger.epochs(unit):
            by_epoch.setdefault(record.epoch, []).append(record)
        scores = {e: sum(score(self.plan.task, r) for r in rows) / len(rows) for e, rows in by_epoch.items()}
        if result is None:
            self.states[unit] = State.WAITING
            self._waiting.append(_job([unit]))
            return PastTrial(proposal.hyperparameters, None, None, scores)
        self.results[unit], self.states[unit] = result, State(result.status)
        return PastTrial(proposal.hyperparameters, result.status, result.value, scores)

    def _refuse_other(self, wanted: Proposal) -> None:
        standing = self._ledger.proposal(wanted.unit)
        if standing is not None and standing.identity != wanted.identity:
            raise InputError(
                Problem(
                    f"{wanted.unit} stands in the results folder with other settings than this study would give it",
                    str(self._ledger.layout.proposal(wanted.unit)),
                    f"hyperparameters {standing.hyperparameters}, seeds {list(standing.seeds)}",
                    "results of the same task, training, sizes, hyperparameters and seeds",
                    "give the study another name, another --results folder, or move the old folder away",
                )
            )


def _job(units: list[UnitId]) -> Job:
    first = units[0]
    more = f"+{len(units) - 1}" if len(units) > 1 else ""
    return Job(f"{first}{more}", tuple(units))


def _groups(units: list[UnitId], size: int) -> Iterator[list[UnitId]]:
    return (units[begin : begin + size] for begin in range(0, len(units), size))
