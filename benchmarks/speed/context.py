"""Settings that every measurement of a run is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmarks.results import Results
from benchmarks.speed.cases import Candidate, NotMeasured, Step
from benchmarks.speed.shapes import Shape
from benchmarks.speed.timing import Pace

_SLOW_ROUNDS = 5  # a slow shape has so many times fewer rounds


@dataclass(frozen=True)
class Context:
    """tick: shows the share of the present part that is done. data: the folder of MNIST, None for $GLIFR_DATA.

    absent: what is not measured and why; measurements add to it.
    """

    device: torch.device
    candidates: tuple[Candidate, ...]
    shapes: tuple[Shape, ...]
    pace: Pace
    results: Results
    tick: Callable[[float, str], None]
    quick: bool = False
    data: Path | None = None
    absent: list[NotMeasured] = field(default_factory=list)

    def pace_of(self, shape: Shape) -> Pace:
        if not shape.slow:
            return self.pace
        return Pace(max(1, self.pace.rounds // _SLOW_ROUNDS), self.pace.seconds)

    def recorded(self, what: str, build: Callable[[], Step]) -> Step | None:
        """What `build` gives; None, and noted, if the step cannot be recorded as a CUDA graph."""
        try:
            return build()
        except RuntimeError as error:
            self.leave_out(what, next(iter(str(error).splitlines()), type(error).__name__))
            return None

    def leave_out(self, what: str, why: str) -> None:
        self.absent.append(NotMeasured(what, why))
