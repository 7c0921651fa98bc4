"""One search of a condition on its way through search, confirm, final and silencing: what is due, what came of it.

The state is a projection of the ledger: built from it at the start, and each end of a job is read back from it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from glifr.records import STAGES, Proposal, Stage, UnitId, UnitResult, Value, seal
from launch.failures import Failure, Retries, failure_of_lost
from launch.jobs import Job, Step
from launch.ledger.attempts import (
    attempt_folders,
    hang_of,
    new_attempt,
    node_of,
    open_attempt,
    processors_of,
    record_failure,
)
from launch.ledger.durable import publish
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan
from launch.planning.seed_batches import SeedBatches
from launch.planning.steps import scores_by_step
from launch.scheduling.proposals import Proposals
from launch.scheduling.pruned_result import pruned_result
from launch.scheduling.search import ConditionSearch, PastTrial, rules_of
from launch.scheduling.spending import SearchBudget, epochs_of_units, epochs_spent
from launch.scheduling.unit_states import State, UnitStates


@dataclass(frozen=True)
class RunOptions:
    """How units are executed, none of which changes a result.

    Attributes:
        code_version: Version of the project's own code.
        last: The stage after which to stop, None for the end.
    """

    batches: SeedBatches
    retries: int
    code_version: str
    last: Stage | None = None


class ConditionRun:
    """The state machine of one condition and repeat.

    Attributes:
        planned: Units per stage.
        source: The condition from whose final networks this one's start, seed by seed; `advance` after each end there.
        error: Why it cannot go on, None if it can.
    """

    def __init__(
        self,
        plan: StudyPlan,
        name: str,
        ledger: Ledger,
        options: RunOptions,
        may_publish: Callable[[], None],
        source: ConditionRun | None = None,
        repeat: int = 0,
    ) -> None:
        self.plan, self.name, self.repeat = plan, name, repeat
        self.own, self.planned = plan.conditions[name], plan.planned_in_repeat(name)
        self._ledger, self._options, self._may_publish, self.source = ledger, options, may_publish, source
        self._proposals = Proposals(
            plan, name, repeat, ledger, options.batches, options.code_version, source.name if source else None
        )
        self.states = UnitStates()
        self.results: dict[UnitId, UnitResult] = {}
        self.failures: dict[UnitId, Failure] = {}
        self.failed_attempts = 0
        self.moved: dict[UnitId, tuple[str, ...]] = {}  # ended in this session, with their kinds of processor
        self.error: str | None = None
        self._waiting: deque[Job] = deque()
        self._retries = Retries(options.retries)
        self._budget = SearchBudget(plan, name)
        self._search = self._rebuild_search()
        self.advance()

    # -- what is due -------------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """True if nothing runs and nothing further can."""
        if self.error is not None:
            return not self.states.any_in(State.RUNNING)
        if self._past_last:
            return not self.states.any_in(State.RUNNING)
        return not (self._may_propose or self._awaits_source or self.states.any_in(State.WAITING, State.RUNNING))

    @property
    def complete(self) -> bool:
        """True if every final network, and its silencing, has its result."""
        stages: tuple[Stage, ...] = ("final", "silencing")
        return self.error is None and all(self.count(s, State.COMPLETE) == self.planned[s] for s in stages)

    @property
    def stage(self) -> Stage:
        """The stage of the next job."""
        return self._waiting[0].units[0].stage if self._waiting else "search"

    @property
    def ready(self) -> bool:
        """True if a job can start now."""
        return self.error is None and not self._past_last and (bool(self._waiting) or self._may_propose)

    @property
    def _past_last(self) -> bool:
        """True if all that is left belongs to stages after the last one that is wanted."""
        if self._options.last is None or self._may_propose:
            return False
        waiting = self._waiting[0].units[0].stage if self._waiting else "final"  # without a job: those of a source
        return STAGES.index(waiting) > STAGES.index(self._options.last)

    def expected(self, stage: Stage) -> int:
        """Units of a stage that there will be, as far as that is known."""
        if stage != "search" or self._search is None:
            return self.planned[stage]
        return self._budget.expected(self._search.proposed, self._may_propose)

    @property
    def next_epochs(self) -> int:
        """Epochs of one seed that the next job trains, if nothing stops it."""
        units = len(self._waiting[0].units) if self._waiting else 1
        return epochs_of_units(self.plan, self.name, self.stage, units)

    @property
    def epochs_spent(self) -> int:
        """Epochs of one seed that are trained, or are being trained."""
        return epochs_spent(self.plan, self.name, self.states, self.results)

    def count(self, stage: Stage, *states: State) -> int:
        """Units of a stage in one of these states."""
        return self.states.count(stage, *states)

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
        self._may_publish()
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

    def ended(self, job: Job, step: Step | None, stopped_early: bool, lost: Failure | None = None) -> None:
        """Hears of a job's end and reads from the ledger what it published. lost: how its worker was lost, if it was.

        A job that ended neither done nor stopped early by the pruner was interrupted with the study: it waits again.
        """
        if step is not None and not (step.done or stopped_early):
            self.states.update(dict.fromkeys(job.units, State.WAITING))
            return self._waiting.appendleft(job)
        without = []
        for unit in job.units:
            result = self._proposals.existing_result(unit)
            if result is None and stopped_early:
                result = self._publish_pruned(unit)
            if result is None:
                without.append(unit)
            else:
                self._settle(unit, result)
        if without:
            failure = step.failure if step is not None else self._note_lost(job, without, lost)
            self._retry_or_fail(without, failure or Failure("bug", "the job ended without a result"))
        self.advance()

    def _settle(self, unit: UnitId, result: UnitResult) -> None:
        self.results[unit] = result
        self.states[unit] = State(result.status)
        if len(result.processors) > 1:
            self.moved[unit] = result.processors
            text = f"{unit}: tried again on another kind of processor: {', then '.join(result.processors)}"
            self._ledger.event("warning", text)
        if self._search is not None and unit.stage == "search":
            self._search.tell(unit.number, result.status, result.value)

    def _retry_or_fail(self, units: list[UnitId], failure: Failure) -> None:
        again = []
        self.failed_attempts += len(units)
        for unit in units:
            if self._retries.again(unit, failure):
                self.states[unit] = State.WAITING
                again.append(unit)
            else:
                self.states[unit], self.failures[unit] = State.FAILED, failure
                if self._search is not None and unit.stage == "search":
                    self._search.tell(unit.number, "failed", None)
            verdict = "tried again" if unit in again else "given up"
            text = f"{unit}: {failure}; {verdict}"
            self._ledger.event("warning", text, unit=str(unit), again=unit in again)
        if again and failure.kind == "out of memory":  # alone, and with a larger share of a GPU
            self._waiting.extendleft(_job([unit], self._retries.out_of_memory(unit)) for unit in reversed(again))
        elif again:
            self._waiting.appendleft(_job(again, max(map(self._retries.out_of_memory, again))))

    def _note_lost(self, job: Job, without: list[UnitId], lost: Failure | None) -> Failure:
        """Records, for attempts whose worker was lost and could not do so itself, why they ended.

        A worker may be lost before its attempt has begun: that counts as one, so that what happened is on record.
        """
        layout = self._ledger.layout
        own = {unit: open_attempt(layout, unit) for unit in job.units}
        begun = [folder for folder in own.values() if folder is not None]
        failure = lost or failure_of_lost("")
        failure = replace(failure, node=next(filter(None, map(node_of, begun)), failure.node))
        stack = next(filter(None, map(hang_of, begun)), "")
        if stack:
            failure = Failure("timed out", "an epoch took longer than resources.timeout_minutes", failure.node)
        for unit in without:
            record_failure(own[unit] or new_attempt(layout, unit), failure, stack or failure.words)
        return failure

    def _publish_pruned(self, unit: UnitId) -> UnitResult | None:
        """Publishes, for a trial stopped by the pruner, what its epoch records say; None if there are none."""
        proposal, records = self._ledger.proposal(unit), self._ledger.epochs(unit)
        if proposal is None or not records:
            return None
        attempt = attempt_folders(self._ledger.layout, unit)[-1].name
        self._may_publish()
        result = pruned_result(self.plan, proposal, attempt, records, processors_of(self._ledger.layout, unit))
        publish(self._ledger.layout.result(unit), seal(result.to_json()))
        return self._ledger.result(unit)

    # -- from stage to stage -----------------------------------------------------------------------------------------

    @property
    def _may_propose(self) -> bool:
        search = self._search
        return search is not None and self._budget.allows(search.proposed, self.states, self.results)

    @property
    def _awaits_source(self) -> bool:
        """True if there are final units that wait for the end of those whose networks they start from."""
        return self.source is not None and self.count("final", *State) < self.planned["final"]

    def advance(self) -> None:
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
        best = sorted(ended, key=self._rank)[: self.planned["confirm"]]
        if not best:
            self.error = "no trial of the search ran to its end, so there is no configuration to confirm"
            return
        seeds = self.plan.study.spec.confirm_seeds(self.repeat)
        for unit in best:
            source = self._ledger.proposal(unit)
            assert source is not None
            confirm = replace(unit, stage="confirm")
            self._due(self._proposals.make(confirm, source.hyperparameters, seeds, str(unit)))
        confirmed = [u for u in self.states if u.stage == "confirm"]
        if all(self.states[u] is State.FAILED for u in confirmed):
            self.error = "no configuration could be confirmed: every confirm unit failed"

    def _advance_final(self, hyperparameters: Mapping[str, Value], source: str | None) -> None:
        seeds = self.plan.final_seeds(self.name, self.repeat)
        units = [self._proposals.unit("final", seed) for seed in seeds]
        due = units if self.source is None else [unit for unit in units if self._can_start(unit, self.source)]
        self._due(*(self._proposals.make(unit, hyperparameters, (unit.number,), source) for unit in due))

    def _can_start(self, unit: UnitId, source: ConditionRun) -> bool:
        """True if the network that a unit starts from is there; a unit whose network never will be has failed."""
        theirs = self._proposals.start_of(unit)
        state = source.states.get(theirs)
        if state is State.FAILED or (source.finished and state is not State.COMPLETE):
            self.states[unit] = State.FAILED
            self.failures[unit] = Failure("no source", f"{theirs}, whose network it starts from, has no result")
        return state is State.COMPLETE

    def _advance_silencing(self) -> None:
        if not self.planned["silencing"]:
            return
        done = [u for u, state in self.states.items() if u.stage == "final" and state is State.COMPLETE]
        due = []
        for final in done:
            source = self._ledger.proposal(final)
            assert source is not None
            unit = replace(final, stage="silencing")
            wanted = self._proposals.make(unit, source.hyperparameters, source.seeds, str(final))
            due.append(replace(wanted, seeds_per_batch=source.seeds_per_batch))
        self._due(*due)

    def _due(self, *proposals: Proposal) -> None:
        """Takes units up that are not yet known: done ones with their results, the others as jobs."""
        to_run: list[Proposal] = []
        for proposal in proposals:
            unit = proposal.unit
            if unit in self.states:
                continue
            existing = self._proposals.adopt(proposal)
            result = self._proposals.existing_result(unit)
            if result is not None:
                self.results[unit], self.states[unit] = result, State(result.status)
                continue
            to_run.append(existing)
            self.states[unit] = State.WAITING
        for size, alike in groupby(to_run, key=self._units_a_job):
            self._waiting.extend(_job(group) for group in _groups([p.unit for p in alike], size))

    def _units_a_job(self, proposal: Proposal) -> int:
        """A confirm unit has several seeds, so it is a job by itself; the others have one."""
        return 1 if proposal.unit.stage == "confirm" else self._options.batches.of(proposal)

    def _propose_search(self) -> Job:
        assert self._search is not None
        still_open = self._search.open
        number, hyperparameters = self._search.ask()
        unit = self._proposals.unit("search", number)
        seeds = self.plan.study.spec.search_seeds(self.repeat)
        self._ledger.propose(replace(self._proposals.make(unit, hyperparameters, seeds, None), open=still_open))
        return _job([unit])

    def _rank(self, unit: UnitId) -> tuple[float, int]:
        value = self.results[unit].value
        return (self.plan.task.worst_score if value is None else value, unit.number)

    # -- from the ledger ---------------------------------------------------------------------------------------------

    def _rebuild_search(self) -> ConditionSearch | None:
        rules = rules_of(self.plan, self.name, self.repeat)
        if rules is None:
            return None
        search = ConditionSearch(self.name, self.own.space, rules, self.repeat)
        mine = (u.number for u in self._ledger.units("search", self.name) if u.repeat == self.repeat)
        begun = min(max(mine, default=-1) + 1, self._budget.most)
        search.replay(self._past(self._proposals.unit("search", number), search) for number in range(begun))
        return search

    def _past(self, unit: UnitId, search: ConditionSearch) -> PastTrial:
        proposal = self._ledger.proposal(unit)
        if proposal is None:
            proposal = self._proposals.make_again(unit, search.draw_again())
        result = self._proposals.existing_result(unit)
        in_turn = self.plan.study.spec.in_turn("search", self.name)
        scores = scores_by_step(self.plan.task, proposal, self._ledger.epochs(unit), in_turn)
        if result is None:
            self.states[unit] = State.WAITING
            self._waiting.append(_job([unit]))
            return PastTrial(proposal.hyperparameters, None, None, scores, proposal.open)
        self.results[unit], self.states[unit] = result, State(result.status)
        return PastTrial(proposal.hyperparameters, result.status, result.value, scores, proposal.open)


def _job(units: list[UnitId], out_of_memory: int = 0) -> Job:
    first = units[0]
    more = f"+{len(units) - 1}" if len(units) > 1 else ""
    return Job(f"{first}{more}", tuple(units), out_of_memory)


def _groups(units: list[UnitId], size: int) -> Iterator[list[UnitId]]:
    return (units[begin : begin + size] for begin in range(0, len(units), size))
