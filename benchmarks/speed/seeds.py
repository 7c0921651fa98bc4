"""Times training steps of R seeds as one computation: how many seeds a second, against R."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.speed.cases import Step, seeds_step
from benchmarks.speed.context import Context
from benchmarks.speed.shapes import Shape
from benchmarks.speed.timing import interleaved

REPLICAS, QUICK_REPLICAS = (1, 2, 4, 8, 16), (1, 2, 4)


def measure(context: Context, shapes: Sequence[Shape]) -> None:
    """Writes `seeds`; on CUDA with and without a graph."""
    rows: list[dict[str, Any]] = []
    graphs = (False, True) if context.device.type == "cuda" else (False,)
    ways = [(shape, graph) for shape in shapes for graph in graphs]
    for place, (shape, graph) in enumerate(ways):

        def tick(share: float, what: str, place: int = place, title: str = shape.title) -> None:
            context.tick((place + share) / len(ways), f"{title}, {what}")

        for sample in interleaved(_steps(context, shape, graph), context.pace, context.device, tick):
            own = {"shape": shape.key, "title": shape.title, "R": int(sample.name.split()[0]), "graph": graph}
            rows.append({**own, "round": sample.round, "steps": sample.steps, "seconds": sample.seconds})
    context.results.write("seeds", rows)


def _steps(context: Context, shape: Shape, graph: bool) -> dict[str, Step]:
    steps = {}
    for replicas in QUICK_REPLICAS if context.quick else REPLICAS:

        def build(replicas: int = replicas) -> Step:
            return seeds_step(shape, replicas, context.device, graph)

        what = f"{replicas} seeds"
        step = context.recorded(f"{what}, {shape.title}, CUDA graph", build) if graph else build()
        if step is not None:
            steps[what] = step
    return steps
