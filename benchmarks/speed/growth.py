"""Times a training step while T, B or the number of seeds R doubles, all else equal: linear is the goal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.speed.cases import seeds_step
from benchmarks.speed.context import Context
from benchmarks.speed.shapes import Shape
from benchmarks.speed.timing import interleaved

_FACTORS, _QUICK_FACTORS = (1, 2, 4, 8), (1, 2)
AXES = ("T", "B", "R")


def measure(context: Context, base: Shape) -> None:
    """Writes `growth`, of the backend that `auto` chooses."""
    rows: list[dict[str, Any]] = []
    factors = _QUICK_FACTORS if context.quick else _FACTORS
    for place, axis in enumerate(AXES):

        def tick(share: float, what: str, place: int = place, axis: str = axis) -> None:
            context.tick((place + share) / len(AXES), f"{axis}, {what}")

        grown = {str(factor): _grown(base, axis, factor) for factor in factors}
        steps = {name: seeds_step(shape, R, context.device) for name, (shape, R) in grown.items()}
        for sample in interleaved(steps, context.pace, context.device, tick):
            shape, R = grown[sample.name]
            sizes = {"B": shape.batch, "T": shape.steps, "R": R}
            times = {"round": sample.round, "steps": sample.steps, "seconds": sample.seconds}
            rows.append({"axis": axis, "value": sizes[axis], **sizes, **times})
        context.results.write("growth", rows)


def _grown(base: Shape, axis: str, factor: int) -> tuple[Shape, int]:
    """The shape and the number of seeds."""
    if axis == "R":
        return base, factor
    return (replace(base, steps=base.steps * factor) if axis == "T" else replace(base, batch=base.batch * factor)), 1
