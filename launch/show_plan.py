"""What `--plan` prints."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from launch.alike import AlikePair, alike_words
from launch.estimate import Estimate
from launch.plan import ConditionPlan, StudyPlan
from launch.progress import clock


def plan_view(
    plan: StudyPlan,
    measured: Estimate,
    smallest_p: Callable[[int], float],
    where: str,
    alike: Sequence[AlikePair] = (),
) -> Group:
    """The plan as a table with its cost and what its number of seeds can show.

    smallest_p: seeds -> the least p of the report's test. where: the resources, in words. alike: conditions that are
    numerically one network.
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
    notes = [*_notes(plan, measured, smallest_p, where), *alike_words(alike, spec.search is not None)]
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
            own.difference_from(plan.reference),
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
    return f"{own.delay_steps * plan.task.time_step_ms:g} ms"


def _units(plan: StudyPlan, own: ConditionPlan) -> list[str]:
    spec = plan.study.spec
    planned = own.planned
    return [
        f"{planned['search']} x {len(spec.search_seeds())}" if planned["search"] else "-",
        f"{planned['confirm']} x {len(spec.confirm_seeds())}" if planned["confirm"] else "-",
        str(planned["final"]),
        str(planned["silencing"]) if planned["silencing"] else "-",
    ]


def _seeds(plan: StudyPlan) -> str:
    spec = plan.study.spec
    stages = [f"final {len(spec.final_seeds())}, fresh and the same in every condition"]
    if spec.confirm is not None:
        stages.insert(0, f"confirm {len(spec.confirm_seeds())}, fresh")
    if spec.search is not None:
        stages.insert(0, f"search {len(spec.search_seeds())} a trial of {spec.epochs('search')} epochs")
    return f"seeds: {'; '.join(stages)}"


def _notes(plan: StudyPlan, measured: Estimate, smallest_p: Callable[[int], float], where: str) -> list[str]:
    n, wall = len(plan.study.spec.final_seeds()), measured.seconds
    slots = f"{measured.slots} trials at once on {where}"
    return [
        _seeds(plan),
        f"estimated time: {clock(wall.value)} with {slots} ({clock(wall.low)} to {clock(wall.high)}: the spread of the "
        "timings" + (", and early stopping)" if _stops_early(plan) else ")"),
        f"estimated disk: {_size(measured.bytes)} when done",
        _reach(n, len(plan.conditions) - 1, smallest_p(n)),
    ]


def _stops_early(plan: StudyPlan) -> bool:
    search = plan.study.spec.search
    return search is not None and search.pruner.name != "none"


def _reach(n: int, differences: int, p: float) -> str:
    if math.isnan(p):
        return "no test is possible with one seed: its p has no smallest value"
    text = f"smallest two-sided p that {n} paired seeds can reach in the sign-flip test: {p:.2g}"
    if differences > 1:
        text += f", adjusted for {differences} differences from the reference {min(1.0, differences * p):.2g}"
    return text + (": below 0.05 is out of reach" if max(1, differences) * p >= 0.05 else "")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"
