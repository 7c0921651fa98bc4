"""What `--plan` prints."""

from __future__ import annotations

import os

from rich.console import Group
from rich.table import Table
from rich.text import Text

from launch.estimate import Estimate
from launch.plan import ConditionPlan, StudyPlan
from launch.progress import clock


def plan_view(plan: StudyPlan, measured: Estimate) -> Group:
    """The plan as a table with its cost and what its number of seeds can show."""
    spec = plan.study.spec
    head = [
        f"{spec.name} ({plan.study.profile}): {plan.task.title}, {spec.task.source}, "
        f"trained on {plan.task.samples_trained_on(spec.task.settings()):,} sequences, "
        f"{spec.training.epochs} epochs, batch {spec.training.batch_size}",
        f"study hash {plan.study.hash[:12]}",
    ]
    if not spec.evidence:
        head.insert(0, "This profile shows that the system works; its numbers are no evidence.")
    return Group(
        Text("\n".join(head) + "\n"), _conditions(plan, measured), Text("\n" + "\n".join(_notes(plan, measured)))
    )


def _conditions(plan: StudyPlan, measured: Estimate) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("condition", no_wrap=True)
    table.add_column("difference", min_width=24)
    for title in ("hidden", "trained", "delay", "search", "confirm", "final", "silencing", "ms/step", "slot time"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, own in plan.conditions.items():
        table.add_row(
            name,
            own.condition.difference_from(plan.reference),
            str(own.hidden_size),
            f"{own.trained_parameters:,}",
            _delay(plan, own),
            *_units(plan, own),
            f"{1000 * measured.steps[name]:.1f}",
            clock(sum(measured.seconds[name].values())),
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


def _notes(plan: StudyPlan, measured: Estimate) -> list[str]:
    spec, n = plan.study.spec, len(plan.study.spec.final_seeds())
    slots = max(1, int((os.cpu_count() or 1) / spec.resources.cpus))
    slots = min(slots, spec.resources.max_concurrent or slots)
    return [
        _seeds(plan),
        f"estimated time: {clock(measured.slot_seconds)} of one slot on this machine's CPU; "
        f"about {clock(measured.slot_seconds / slots)} with {slots} at once (no early stopping assumed)",
        f"smallest two-sided p that {n} paired seeds can reach in an exact test: {2.0 ** (1 - n):.2g}"
        + (": below 0.05 is out of reach" if 2.0 ** (1 - n) >= 0.05 else ""),
    ]
