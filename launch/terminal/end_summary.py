"""What a session says when it ends: what failed and why, and the command that continues the study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from launch.continuing import continue_command
from launch.jobs import Snapshot
from launch.terminal.progress import totals

_NAMED = 10


def tell_end(console: Console, snapshot: Snapshot, stopped: str | None, given: Sequence[str]) -> None:
    """Prints it. stopped: why the study ended before it was done, if it did."""
    for name, error in snapshot.errors.items():
        console.print(f"{name} could not go on: {error}", style="red", markup=False)
    _tell_failures(console, snapshot)
    ended, planned = totals(snapshot)
    if stopped is None:
        console.print(f"{ended} of {planned} units done.")
    else:
        console.print(f"{stopped}: {ended} of {planned} units done; nothing is lost. To go on:", markup=False)
        console.print(f"  {continue_command(given)}", markup=False, soft_wrap=True)


def _tell_failures(console: Console, snapshot: Snapshot) -> None:
    if not snapshot.failures:
        return
    kinds = Counter(failure.kind for failure in snapshot.failures.values())
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    console.print(f"{len(snapshot.failures)} units given up ({counted}); the same command tries them again:")
    for unit, failure in list(snapshot.failures.items())[:_NAMED]:
        console.print(f"  {unit}: {failure.kind}: {failure.message}", markup=False)
