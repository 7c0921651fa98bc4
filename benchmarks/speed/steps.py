"""Times one training step of every candidate at every shape."""

from __future__ import annotations

from typing import Any

from benchmarks.machine import free_memory
from benchmarks.speed.cases import LOOP, Candidate, Step, training_step
from benchmarks.speed.context import Context
from benchmarks.speed.shapes import Shape
from benchmarks.speed.timing import Sample, interleaved

# float32 numbers a step keeps for each neuron, sample and step of time, with room to spare: for the decision alone
_NUMBERS_OF_LOOP, _NUMBERS = 32, 14


def measure(context: Context) -> None:
    """Writes `steps`."""
    rows: list[dict[str, Any]] = []
    for place, shape in enumerate(context.shapes):

        def tick(share: float, what: str, place: int = place, title: str = shape.title) -> None:
            context.tick((place + share) / len(context.shapes), f"{title}, {what}")

        rows += _rows(context, shape, tick)
        context.results.write("steps", rows)


def _rows(context: Context, shape: Shape, tick: Any) -> list[dict[str, Any]]:
    fitting = [c for c in context.candidates if _fits(context, shape, c)]
    started = {c.name: _started(context, shape, c) for c in fitting}
    steps = {name: step for name, step in started.items() if step is not None}
    samples = interleaved(steps, context.pace_of(shape), context.device, tick)
    by_name = {c.name: c for c in fitting}
    return [_row(shape, by_name[sample.name], sample) for sample in samples]


def _started(context: Context, shape: Shape, candidate: Candidate) -> Step | None:
    def build() -> Step:
        return training_step(shape, candidate, context.device)

    return context.recorded(f"{candidate.name}, {shape.title}", build) if candidate.graph else build()


def _row(shape: Shape, candidate: Candidate, sample: Sample) -> dict[str, Any]:
    own = {"candidate": candidate.name, "group": candidate.group, "D": candidate.delay(shape)}
    return {**shape.columns(), **own, "round": sample.round, "steps": sample.steps, "seconds": sample.seconds}


def _fits(context: Context, shape: Shape, candidate: Candidate) -> bool:
    """True if the candidate's memory is there; if not it is left out, with the reason."""
    needed, free = needed_memory(shape, candidate), free_memory(context.device)
    if free is None or needed <= free:
        return True
    context.leave_out(
        f"{candidate.name}, {shape.title}", f"needs about {needed / 1e9:.0f} GB, {free / 1e9:.0f} are free"
    )
    return False


def needed_memory(shape: Shape, candidate: Candidate) -> int:
    """Bytes, roughly and from above."""
    numbers = _NUMBERS_OF_LOOP if candidate.name == LOOP else _NUMBERS
    return 4 * numbers * shape.batch * shape.steps * shape.hidden
