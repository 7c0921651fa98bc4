"""The proposals of one condition and repeat: what a unit would run now, and what of it is on record already."""

from __future__ import annotations

from collections.abc import Mapping

from glifr.records import Proposal, RecordError, Stage, UnitId, UnitResult, Value
from launch.ledger.durable import now, set_aside
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan
from launch.planning.seed_batches import SeedBatches


class Proposals:
    """Proposes units, and reconciles them with what the ledger has.

    Args:
        plan: The plan.
        name: The condition.
        repeat: Which of its independent searches.
        ledger: The ledger.
        batches: How many seeds train as one computation.
        code_version: Version of the project's own code.
        source: The condition whose final networks this one's start from, None for none.
    """

    def __init__(
        self,
        plan: StudyPlan,
        name: str,
        repeat: int,
        ledger: Ledger,
        batches: SeedBatches,
        code_version: str,
        source: str | None,
    ) -> None:
        self.plan, self.name, self.repeat, self.source = plan, name, repeat, source
        self._ledger, self._batches, self._code_version = ledger, batches, code_version

    def unit(self, stage: Stage, number: int) -> UnitId:
        """A unit of this condition and repeat."""
        return UnitId(stage, self.name, number, self.repeat)

    def make(
        self, unit: UnitId, hyperparameters: Mapping[str, Value], seeds: tuple[int, ...], source: str | None
    ) -> Proposal:
        """What a unit would run now."""
        own, in_turn = self.plan.at(self.name, hyperparameters), self.plan.study.spec.in_turn(unit.stage, self.name)
        return Proposal(
            unit=unit,
            identity=self.plan.identity(unit.stage, self.name, hyperparameters, seeds),
            hyperparameters=dict(hyperparameters),
            seeds=seeds,
            hidden_size=own.hidden_size,
            trained_parameters=own.trained_parameters,
            delay_steps=own.delay_steps,
            source=source,
            start_from=str(self.start_of(unit)) if self.source and unit.stage == "final" else None,
            code_version=self.plan.code_version(self.name, self._code_version),
            proposed_at=now(),
            data=self.plan.fingerprint,
            neuron=self.plan.neuron_digest(self.name, hyperparameters),
            seeds_per_batch=self._batches.choose(self.name, unit.stage, 1 if in_turn else len(seeds)),
        )

    def start_of(self, unit: UnitId) -> UnitId:
        """The unit of the source whose network a final unit starts from: that of the same seed."""
        assert self.source is not None
        return UnitId("final", self.source, unit.number)

    def make_again(self, unit: UnitId, hyperparameters: Mapping[str, Value]) -> Proposal:
        """Replaces a search proposal that was damaged: if the sampler still draws the same, its result remains."""
        seeds = self.plan.study.spec.search_seeds(self.repeat)
        proposal = self.make(unit, hyperparameters, seeds, None)
        result = self._ledger.result(unit)
        if (result is None or result.identity != proposal.identity) and self._ledger.layout.unit(unit).exists():
            self._ledger.put_aside(unit)
        self._ledger.propose(proposal)
        return proposal

    def adopt(self, wanted: Proposal) -> Proposal:
        """Proposes a unit, unless that is on record; returns the proposal on record.

        One of other hyperparameters was of an earlier, smaller search.
        """
        existing = self._ledger.proposal(wanted.unit)
        if existing is not None and existing.hyperparameters != wanted.hyperparameters:
            self._ledger.put_aside(wanted.unit)
            self._ledger.event("warning", f"{wanted.unit}: put aside, the search has found another configuration since")
            existing = None
        if existing is not None and (
            existing.identity == wanted.identity or existing.data != wanted.data or existing.neuron != wanted.neuron
        ):
            return existing  # of other data: it was kept though they have changed
        return self._ledger.propose(wanted)

    def existing_result(self, unit: UnitId) -> UnitResult | None:
        """The result of a unit's proposal; another, an orphan's or of a proposal that was lost, is set aside."""
        try:
            proposal, result = self._ledger.proposal(unit), self._ledger.result(unit)
        except RecordError as error:
            self._ledger.event("warning", f"{unit}: its records cannot be used, so it has no result now ({error})")
            return None
        if proposal is None or result is None or result.identity == proposal.identity:
            return result
        set_aside(self._ledger.layout.result(unit))
        self._ledger.event("warning", f"{unit}: result of other settings set aside, the unit runs again")
        return None
