"""Output of `--plan`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from glifr.records import Declaration, Factor, LookDesign
from launch.planning.alike_pairs import AlikePair, alike_words
from launch.planning.estimate import Estimate, cost
from launch.planning.plan import ConditionPlan, StudyPlan
from launch.planning.repeatable import what_it_begins_with, what_repeats
from launch.terminal.progress import clock

Effects = Callable[[Sequence[Factor], Sequence[str]], tuple[Sequence[str], Sequence[str]]]


def plan_view(
    plan: StudyPlan,
    measured: Estimate,
    smallest_p: Callable[[int], float],
    effects: Effects,
    where: str,
    alike: Sequence[AlikePair] = (),
    more: Sequence[str] = (),
) -> Group:
    """The plan as a table with its cost and what its number of seeds, or repeats of the search, can show.

    smallest_p: pairs -> the least p of the report's test. effects: of factors and conditions -> those that can be
    tested, and those that cannot. where: the resources, in words. alike: conditions that are
    numerically one network. more: lines of the budget, and of another machine.
    """
    spec = plan.study.spec
    passes = f" of {plan.task.passes} passes" if plan.task.passes > 1 else ""
    head = [
        f"{spec.name} ({plan.study.profile}): {plan.task.title}, {spec.task.source}, "
        f"trained on {plan.task.samples_trained_on(spec.task.settings()):,} sequences, "
        f"{spec.training.epochs} epochs{passes}, batch {spec.training.batch_size}",
        f"study hash {plan.study.hash[:12]}",
    ]
    if not spec.evidence:
        head.insert(0, "This profile shows that the system works; its numbers are no evidence.")
    notes = [*_notes(plan, measured, smallest_p, where), *_factors(plan, smallest_p, effects), *more]
    notes += [*alike_words(alike, spec.search is not None)]
    return Group(Text("\n".join(head) + "\n"), _conditions(plan, measured), Text("\n" + "\n".join(notes)))


def _conditions(plan: StudyPlan, measured: Estimate) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("condition", no_wrap=True)
    table.add_column("difference", min_width=24)
    for title in ("hidden", "trained", "delay", "search", "confirm", "final", "silencing", "ms/step", "slot time"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, own in plan.conditions.items():
        table.add_row(
            name,
            own.difference,
            str(own.hidden_size),
            f"{own.trained_parameters:,}",
            _delay(plan, own),
            *_units(plan, own),
            f"{1000 * measured.step(name):.1f}",
            clock(measured.slot_seconds[name]),
        )
    return table


def _delay(plan: StudyPlan, own: ConditionPlan) -> str:
    if own.delay_steps is None:
        return "-"
    return f"{own.delay_steps * (own.condition.dt or plan.task.time_step_ms):g} ms"


def _units(plan: StudyPlan, own: ConditionPlan) -> list[str]:
    spec, planned = plan.study.spec, plan.planned_in_repeat(own.name)
    searches = f"{spec.repeats} x " if spec.repeats > 1 else ""
    return [
        f"{searches}{planned['search']} x {len(spec.search_seeds())}" if planned["search"] else "-",
        f"{searches}{planned['confirm']} x {len(spec.confirm_seeds())}" if planned["confirm"] else "-",
        f"{searches}{planned['final']}",
        f"{searches}{planned['silencing']}" if planned["silencing"] else "-",
    ]


def _seeds(plan: StudyPlan) -> str:
    spec = plan.study.spec
    first = max(plan.planned_in_repeat(name)["final"] for name in plan.conditions)
    stages = [f"final {first}, fresh and the same in every condition"]
    if spec.confirm is not None:
        stages.insert(0, f"confirm {len(spec.confirm_seeds())}, fresh")
    if spec.search is not None:
        stages.insert(0, f"search {len(spec.search_seeds())} a trial of {spec.epochs('search')} epochs")
    each = f" of each of the {spec.repeats} independent searches of a condition" if spec.repeats > 1 else ""
    return f"seeds{each}: {'; '.join(stages)}"


def _units_compared(plan: StudyPlan) -> tuple[int, str]:
    """How many independent pairs each comparison has, and what they are."""
    spec = plan.study.spec
    return (spec.repeats, "repeats") if spec.repeats > 1 else (len(spec.final_seeds()), "seeds")


def _factors(plan: StudyPlan, smallest_p: Callable[[int], float], effects: Effects) -> list[str]:
    """What is crossed, and which effects the conditions can test; nothing where no factor is declared."""
    declared = plan.study.spec.declaration()
    if not declared.factors:
        return []
    tested, untested = effects(declared.factors, list(plan.conditions))
    cells = sum(own.levels is not None for own in plan.conditions.values())
    crossed = " x ".join(_factor_words(factor) for factor in declared.factors)
    found = [f"factors: {crossed}, {cells} conditions", f"effects that they can test: {', '.join(tested) or 'none'}"]
    if untested:
        found.append(f"effects that they cannot test, for want of conditions: {', '.join(untested)}")
    n, pairs = _units_compared(plan)
    if tested and plan.study.spec.looks is None and (p := smallest_p(n)) * len(tested) > declared.alpha:
        least = min(1.0, len(tested) * p)
        found.append(
            f"smallest p of an effect with {n} paired {pairs}, adjusted for {len(tested)}: {least:.2g}: "
            f"{declared.alpha:g} is out of reach, so none of them can be decided"
        )
    return found


def _factor_words(factor: Factor) -> str:
    """'delay (0.5, 1, 2; ordered)'."""
    kind = f"; ordered{', on a logarithmic scale' if factor.scale == 'log' else ''}" if factor.ordered else ""
    return f"{factor.name} ({', '.join(level.name for level in factor.levels)}{kind})"


def _notes(plan: StudyPlan, measured: Estimate, smallest_p: Callable[[int], float], where: str) -> list[str]:
    spec, wall = plan.study.spec, measured.seconds
    n, pairs = _units_compared(plan)
    slots = f"{measured.slots} trials at once on {where}"
    reach = _looks(plan, measured, spec.looks, pairs) if spec.looks else []
    until = " to the first look" if reach else ""
    return [
        _seeds(plan),
        *_search(plan),
        f"estimated time{until}: {clock(wall.value)} with {slots} ({clock(wall.low)} to "
        f"{clock(wall.high)}: the spread of the timings" + (", and early stopping)" if _stops_early(plan) else ")"),
        f"estimated disk: {_size(measured.bytes)} when done",
        *(reach or [_reach(f"{n} paired {pairs}", spec.declaration(), smallest_p(n))]),
    ]


def _search(plan: StudyPlan) -> list[str]:
    """What the searches begin with, and what of them repeats."""
    learned = plan.study.learned
    told = what_it_begins_with(plan.study.spec)
    if learned is not None:
        counts = ", ".join(f"{name} {len(own)}" for name, own in learned.trials.items())
        left = f" ({sum(learned.left_out.values())} outside the ranges left out)" if learned.left_out else ""
        told.append(f"learned from {learned.study} ({learned.profile}): trials of {counts}{left}")
    repeats = what_repeats(plan.study.spec)
    return [f"search: {'; '.join([*told, *repeats])}"] if repeats else []


def _looks(plan: StudyPlan, measured: Estimate, design: LookDesign, pairs: str) -> list[str]:
    """What looks may come to: the table has what the first one needs."""
    most = cost(plan.at_most, measured.timings, measured.slots)
    sizes = ", ".join(map(str, design.sizes))
    told = [
        f"looks at {sizes} {pairs}: the table is of the first; what is decided gets no more",
        f"at most, if nothing is decided before the last look: {plan.at_most.planned('final'):,} final networks, "
        f"{clock(most.seconds.value)}, {_size(most.bytes)}",
    ]
    if plan.study.spec.repeats == 1 and plan.study.spec.search is not None:
        told.append("looks add seeds, not searches: all of it is conditional on one search (search.repeats)")
    return told


def _stops_early(plan: StudyPlan) -> bool:
    search = plan.study.spec.search
    return search is not None and search.pruner.stops


def _reach(pairs: str, declared: Declaration, p: float) -> str:
    """What the number of independent pairs can show at all, of the declared family of contrasts."""
    if math.isnan(p):
        return "no test is possible with one seed: its p has no smallest value"
    contrasts, alpha = len(declared.contrasts), declared.alpha
    text = f"smallest two-sided p that {pairs} can reach in the sign-flip test: {p:.2g}"
    if contrasts > 1:
        text += f", adjusted for {contrasts} planned contrasts {min(1.0, contrasts * p):.2g}"
    return text + (f": {alpha:g} is out of reach, so none of them can be tested" if contrasts * p > alpha else "")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"
