"""Looks of a study that adds seeds until it is decided: when one is due, taking it, and what it asks for.

The judgement is made by the analysis in a process of its own; here its record is published, once, before any unit that
it asks for is proposed. Nothing of the launcher reads a test result.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from glifr.errors import InputError, Problem
from glifr.records import Layout, Look, declared_in, design_in, read_looks
from launch.jobs import Snapshot
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan

_JUDGE = "analysis.sequential"
_SECONDS = 3600.0  # a judgement takes seconds; reading a large folder some minutes
_NAMED = 8


class LookError(Exception):
    """A look that could not be taken, and why."""


def grown(plan: StudyPlan, looks: Sequence[Look]) -> StudyPlan:
    """The plan with the units that the looks so far have asked for."""
    return plan.asking(looks[-1].asks) if looks else plan


def refuse_changed(plan: StudyPlan, root: Path) -> None:
    """Refuses a study whose declaration is not that by which looks were taken.

    Args:
        plan: The plan.
        root: The results folder.

    Raises:
        InputError: Looks were taken by another declaration.
        RecordError: A look cannot be trusted: it would be judged anew, on more data.
    """
    layout = Layout(root)
    looks = read_looks(layout)
    if not looks or looks[0].declared == declared_in(plan.summary()):
        return
    design = plan.study.spec.looks
    found = f"{len(plan.study.spec.declaration().contrasts)} contrasts, looks {design}" if design else "no looks"
    raise InputError(
        Problem(
            "the study was judged on the way (look 1), and what it is judged by has changed since",
            str(layout.look(1)),
            found,
            "measure, smallest effect, alpha, contrasts, conditions, final.seeds and search.repeats as they were",
            "set them back, or give the study another name or --results folder",
        )
    )


def due(plan: StudyPlan, looks: Sequence[Look]) -> int | None:
    """The number of the look to take once all units that are asked for have ended; None where none is left."""
    if plan.study.spec.looks is None or (looks and looks[-1].last):
        return None
    return len(looks) + 1


def obstacle(plan: StudyPlan, snapshot: Snapshot) -> str:
    """Why the look that is due cannot be taken yet; '' if it can. A final network that was given up has ended."""
    if snapshot.errors:
        return f"{', '.join(snapshot.errors)} could not go on"
    if left_out := [name for name in plan.conditions if name not in snapshot.counts]:
        return f"it judges all conditions, and {', '.join(left_out)} did not run now (--only)"
    finals = {name: stages["final"] for name, stages in snapshot.counts.items()}
    waiting = [name for name, count in finals.items() if count.complete + count.failed < count.planned]
    more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
    return f"final networks of {', '.join(waiting[:_NAMED])}{more} are still to come" if waiting else ""


def take(ledger: Ledger, number: int) -> Look:
    """The look, judged by the analysis and published; LookError if that fails."""
    ended = _judged(ledger.layout.root)
    if ended.returncode:
        raise LookError((ended.stderr.strip() or f"the analysis ended with {ended.returncode}")[-2000:])
    try:
        look = Look.from_json(json.loads(ended.stdout))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LookError(f"the analysis gave no look: {error}") from None
    if look.number != number:
        raise LookError(f"the analysis judged look {look.number}, not {number}")
    return ledger.keep_look(look)


def _judged(root: Path) -> subprocess.CompletedProcess[str]:
    """Not ended by a Ctrl-C in the terminal: it takes seconds, and its record is then kept."""
    home = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", _JUDGE, str(root)]
    try:
        return subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LookError(str(error)) from None


def look_words(plan: StudyPlan, look: Look) -> Iterator[str]:
    """What a look found, for the console and the study's log."""
    design = design_in(plan.study.resolved)
    of = "" if design is None else f" of {len(design.sizes)}"
    unit = "repeats" if plan.study.spec.repeats > 1 else "seeds"
    states = Counter(entry.word if entry.state == "decided" else entry.state for entry in look.entries)
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    yield f"Look {look.number}{of} at {look.units} {unit}: {counted}"
    if look.failed:
        yield f"  counted as chance, without a result: {', '.join(look.failed[:_NAMED])}"
    on = {name: asked for name, asked in look.asks.items() if asked > look.units}
    if on:
        yield f"  {max(on.values())} {unit} next for {', '.join(on)}"
    else:
        yield "  No condition gets more: the study is decided as far as it can be."
