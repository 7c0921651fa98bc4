"""Last lines of a session: what failed and why, and the command that continues the study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from launch.continuing import continue_command, failures_command
from launch.jobs import Snapshot
from launch.terminal.progress import totals

_NAMED = 10


def tell_end(console: Console, snapshot: Snapshot, stopped: str | None, given: Sequence[str]) -> None:
    """Prints it. stopped: why the study ended before it was done, if it did."""
    for name, error in snapshot.errors.items():
        console.print(f"{name} could not go on: {error}", style="red", markup=False)
    _tell_failures(console, snapshot, given)
    _tell_moved(console, snapshot)
    ended, planned = totals(snapshot)
    if stopped is None:
        console.print(f"{ended} of {planned} units done.")
    else:
        console.print(f"{stopped}: {ended} of {planned} units done; nothing is lost.", markup=False)
        for line in missing(snapshot):
            console.print(f"  missing: {line}", markup=False, soft_wrap=True)
        console.print("To continue:", markup=False)
        console.print(f"  {continue_command(given)}", markup=False, soft_wrap=True)


def missing(snapshot: Snapshot) -> list[str]:
    """A line for each condition that is not done: of which stage how many units are missing."""
    lines = []
    for name, stages in snapshot.counts.items():
        left = {stage: count.planned - count.ended for stage, count in stages.items()}
        parts = [f"{n} of {stages[stage].planned} {stage}" for stage, n in left.items() if n > 0]
        if parts:
            lines.append(f"{name}: {', '.join(parts)}")
    return lines


def _tell_failures(console: Console, snapshot: Snapshot, given: Sequence[str]) -> None:
    if snapshot.failures:
        _tell_given_up(console, snapshot)
    if snapshot.failed_attempts:
        console.print(f"{snapshot.failed_attempts} attempts failed; each with its node and its traceback:")
        console.print(f"  {failures_command(given)}", markup=False, soft_wrap=True)


def _tell_moved(console: Console, snapshot: Snapshot) -> None:
    if not snapshot.moved:
        return
    what = "units were" if len(snapshot.moved) > 1 else "unit was"
    rule = "results are equal bit for bit on one kind alone"
    console.print(f"{len(snapshot.moved)} {what} tried again on another kind of processor; {rule}:")
    for unit, kinds in list(snapshot.moved.items())[:_NAMED]:
        console.print(f"  {unit}: {', then '.join(kinds)}", markup=False, soft_wrap=True)


def _tell_given_up(console: Console, snapshot: Snapshot) -> None:
    kinds = Counter(failure.kind for failure in snapshot.failures.values())
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    what = "unit" if len(snapshot.failures) == 1 else "units"
    console.print(f"{len(snapshot.failures)} {what} given up ({counted}); the same command tries again:")
    for unit, failure in list(snapshot.failures.items())[:_NAMED]:
        console.print(f"  {unit}: {failure}", markup=False)
