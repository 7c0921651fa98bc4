"""Before a study's first unit: the kernels that its units run are compiled, in parallel and once on each node."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rich.console import Console

from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan
from launch.workers.compile_ahead import compile_condition, compile_part, conditions_to_compile, kept, parts

LIMIT = 180.0  # seconds; then workers compile what is missing


class _Executor(Protocol):
    def on_each_node(
        self, function: Callable[..., object], items: Sequence[tuple[object, ...]], seconds: float
    ) -> list[str]:
        """Calls with each item's values on each node; returns what went wrong."""


def compile_ahead(console: Console, executor: _Executor, plan: StudyPlan, ledger: Ledger, here: bool) -> None:
    """Has the kernels of the plan's conditions compiled, so that no worker does. What fails costs a warning.

    Args:
        console: Where it is told.
        executor: Where it is done.
        plan: The study.
        ledger: Takes the warning.
        here: Whether this machine is the only node; then its own cache says whether there is anything to do.
    """
    names = conditions_to_compile(plan)
    if not names or (here and kept()):
        return
    console.print("Compiling kernels, once ...", markup=False)
    until = time.monotonic() + LIMIT
    wrong = executor.on_each_node(compile_part, parts(), LIMIT)
    if not wrong:
        left = max(1.0, until - time.monotonic())
        wrong = executor.on_each_node(compile_condition, [(plan, name) for name in names], left)
    for reason in wrong:
        told = f"kernels could not be compiled ahead, so workers compile them: {reason}"
        console.print(f"Note: {told}", markup=False)
        ledger.event("warning", told)
