"""Reconciles existing results with the study: keep, re-run or refuse, before anything starts.

An edited study runs only what is missing. Settings that would change a standing unit's result are another study. Code
or data that have changed make units stale: the user says whether finished ones are kept or run again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from glifr.errors import InputError, Problem
from glifr.records import STAGES, Proposal, RecordError, UnitId, read_sealed
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan

Choice = Literal["keep", "fresh"]
_NAMED = 5
_DIFFERENCES_SHOWN = 8
# What a study may change while its results stand: more units, or how units are executed. Identities guard the rest.
_FREE = (
    "description",
    "evidence",
    "final",
    "reference",
    "resources",
    "search.learn_from.from",
    "search.repeats",
    "search.trials",
    "tracking",
    "training.checkpoint_every",
    "training.cuda_graphs",
    "training.seeds_per_batch",
)
_RULES_OF_SEARCH = ("search.sampler", "search.pruner", "search.start_at", "search.learn_from")
_STEERS_THE_SEARCH = ("search.spaces", *_RULES_OF_SEARCH)


@dataclass(frozen=True)
class ExistingResult:
    """A unit on record.

    Attributes:
        stale: Whether it was made by other code, from other data, or of neurons of another step, than now.
    """

    proposal: Proposal
    finished: bool
    stale: bool
    neuron: str = ""  # the neuron model whose step has changed since, if one has

    @property
    def unit(self) -> UnitId:
        return self.proposal.unit


def settle(
    ledger: Ledger, plan: StudyPlan, code: str, choice: Choice | None, only: Collection[str] | None = None
) -> list[str]:
    """Refuses another study, deals with stale units as chosen; returns what was done, a sentence each.

    only: the conditions that run now; stale units of the others stay as they are.
    """
    standing = [s for name in plan.conditions for s in _standing(ledger, plan, name, plan.code_version(name, code))]
    _refuse_other_study(ledger, plan, standing)
    _refuse_other_shares(ledger, plan, standing)
    standing = [s for s in standing if only is None or s.unit.condition in only]
    stale = [s for s in standing if s.stale]
    finished = [s for s in stale if s.finished]
    if finished and choice is None:
        raise InputError(_stale_problem(ledger, plan, finished))
    again = _with_dependents(standing, stale) if choice == "fresh" else [s for s in stale if not s.finished]
    for one in again:
        ledger.put_aside(one.unit)
    told = []
    if again:
        told.append(f"run again, since code or data have changed: {_names(again)}")
    if finished and choice == "keep":
        told.append(f"kept, though code or data have changed since: {_names(finished)}")
    for sentence in told:
        ledger.event("warning", sentence)
    return told


def fits(plan: StudyPlan, proposal: Proposal) -> bool:
    """True if this study would give the proposal this identity, on its data and with the step of its neuron."""
    unit = proposal.unit
    on_its_data = replace(plan, fingerprint=proposal.data or plan.fingerprint, neuron=proposal.neuron)
    seeds = _seeds_in(plan, proposal)
    return proposal.identity == on_its_data.identity(unit.stage, unit.condition, proposal.hyperparameters, seeds)


def _seeds_in(plan: StudyPlan, proposal: Proposal) -> tuple[int, ...]:
    """The seeds that the study would give a unit; of a repeat that it no longer has, those that the unit has."""
    unit, spec = proposal.unit, plan.study.spec
    if unit.repeat >= spec.most_repeats:
        return proposal.seeds
    tuned = {"search": spec.search_seeds(unit.repeat), "confirm": spec.confirm_seeds(unit.repeat)}
    return tuned.get(unit.stage, (unit.number,))


def _standing(ledger: Ledger, plan: StudyPlan, condition: str, code: str) -> Iterator[ExistingResult]:
    from glifr.definitions.build import neuron_name

    for unit in (unit for stage in STAGES for unit in ledger.units(stage, condition)):
        proposal = ledger.proposal(unit)
        if proposal is not None:
            other_data = proposal.data not in ("", plan.fingerprint)
            own = plan.at(condition, proposal.hyperparameters).condition
            other_step = proposal.neuron != plan.neuron_digest(condition, proposal.hyperparameters)
            yield ExistingResult(
                proposal,
                finished=ledger.result(unit) is not None,
                stale=proposal.code_version != code or other_data or other_step,
                neuron=neuron_name(own) if other_step else "",
            )


def _with_dependents(standing: list[ExistingResult], stale: list[ExistingResult]) -> list[ExistingResult]:
    """The stale units, those that start from their networks, and what came after these in each search."""
    sources = {str(s.unit) for s in stale}
    stale = stale + [s for s in standing if s.proposal.start_from in sources and s not in stale]
    first: dict[str, int] = {}
    for one in stale:
        stage = STAGES.index(one.unit.stage)
        first[one.unit.search_name] = min(stage, first.get(one.unit.search_name, stage))
    names = {s.unit for s in stale}
    return [
        s
        for s in standing
        if s.unit in names or STAGES.index(s.unit.stage) > first.get(s.unit.search_name, len(STAGES))
    ]


def _stale_problem(ledger: Ledger, plan: StudyPlan, finished: list[ExistingResult]) -> Problem:
    files = _edited(ledger, plan)
    neurons = ", ".join(sorted({s.neuron for s in finished if s.neuron}))
    step = f" (the step of the neuron {neurons} has)" if neurons else ""
    what = f"the code in {', '.join(files)} has" if files else "the code of glifr, or the data, have"
    return Problem(
        f"{what} changed since these units ran{step}",
        str(ledger.layout.units),
        _names(finished),
        "--keep: their results stand as they are; --fresh: they are put aside and run again",
        "give the same command with --keep or --fresh",
    )


def _edited(ledger: Ledger, plan: StudyPlan) -> list[str]:
    """The files from outside that are not as the last session had them."""
    try:
        before = read_sealed(ledger.layout.provenance)[-1].get("outside", {})
    except (FileNotFoundError, RecordError, LookupError):
        return []
    old, new = ({n: m["files"] for n, m in record.items()} for record in (before, plan.study.code.record()))
    both = [(old[name], new[name]) for name in new if name in old]
    return sorted(file for a, b in both for file in a.keys() | b.keys() if a.get(file) != b.get(file))


def _names(units: list[ExistingResult]) -> str:
    names = ", ".join(str(s.unit) for s in units[:_NAMED])
    more = f" and {len(units) - _NAMED} more" if len(units) > _NAMED else ""
    return f"{len(units)} units: {names}{more}"


def _refuse_other_study(ledger: Ledger, plan: StudyPlan, standing: list[ExistingResult]) -> None:
    other = [s for s in standing if not fits(plan, s.proposal)]
    differences = _differences(ledger, plan)
    steering = [d for d in differences if d.place.startswith(_STEERS_THE_SEARCH)]
    searched = any(s.unit.stage == "search" for s in standing)
    if not other and not (searched and steering):
        return
    shown = differences if other else steering
    place = str(ledger.layout.proposal(other[0].unit) if other else ledger.layout.study)
    count = f"{len(other)} units, as {other[0].unit}" if other else "trials proposed under other rules"
    raise InputError(
        Problem(
            "another study of this name has its results here: its units have other settings",
            place,
            count,
            todo="give the study another name, another --results folder, or its old settings; what differs:",
        ),
        *shown[:_DIFFERENCES_SHOWN],
    )


def _refuse_other_shares(ledger: Ledger, plan: StudyPlan, standing: list[ExistingResult]) -> None:
    """Final networks may become more or fewer, but no seed may go from one repeat of the search to another."""
    spec = plan.study.spec
    owner = {seed: repeat for repeat in range(spec.most_repeats) for seed in spec.final_seeds(repeat)}
    moved = [
        s for s in standing if s.unit.stage == "final" and owner.get(s.unit.number, s.unit.repeat) != s.unit.repeat
    ]
    if moved:
        raise InputError(
            Problem(
                "final seeds would go from one repeat of the search to another, and these networks are trained",
                str(ledger.layout.proposal(moved[0].unit)),
                _names(moved),
                "each seed with the repeat that it was trained in",
                "add seeds to final.seeds in whole shares at its end, or give the study another name",
            )
        )


def _differences(ledger: Ledger, plan: StudyPlan) -> list[Problem]:
    """What the study on record and this one say differently, as far as it is not free to change."""
    try:
        before = read_sealed(ledger.layout.study)
    except (FileNotFoundError, RecordError):
        return []
    old, new = dict(_flat(before["spec"])), dict(_flat(plan.study.resolved))
    both = [f"conditions.{name}." for name in before["spec"]["conditions"] if name in plan.conditions]
    whole = tuple(both) + _RULES_OF_SEARCH  # where also a key that one of them lacks is a difference
    keys = [key for key in old | new if (key in old and key in new) or key.startswith(whole)]
    return [
        Problem(
            "differs from the study whose results are here",
            key,
            new.get(key),
            f"{old.get(key)!r}, as it was",
            "set it back",
        )
        for key in keys
        if old.get(key) != new.get(key) and not key.startswith(_FREE)
    ]


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
