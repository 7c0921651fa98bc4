"""The sizes that are timed, those the correctness gate runs, and the goals.

Letters: B batch, T steps, I inputs, H neurons, O outputs, D delay in steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Shape:
    """A task's sizes. readout: which steps the loss reads. dt [ms]. slow: a step of the loop takes seconds."""

    key: str
    title: str
    batch: int
    steps: int
    inputs: int
    hidden: int
    outputs: int
    delay: int
    readout: Literal["last", "all"] = "last"
    dt: float = 0.05
    slow: bool = False

    def columns(self) -> dict[str, str | int]:
        """As a table has them."""
        sizes = {"B": self.batch, "T": self.steps, "I": self.inputs, "H": self.hidden, "O": self.outputs}
        return {"shape": self.key, "title": self.title, **sizes, "readout": self.readout}


LINE = Shape("line", "line MNIST", 256, 28, 28, 252, 10, 20)
LINE_D1 = Shape("line-d1", "line MNIST, delay of one step", 256, 28, 28, 252, 10, 1)
SINE = Shape("sine", "sine", 6, 100, 1, 124, 1, 20, readout="all")
NEUROMORPHIC = Shape("neuromorphic", "neuromorphic MNIST", 512, 15, 2312, 252, 10, 1, dt=1.0)
PIXEL = Shape("pixel", "pixel MNIST", 512, 784, 1, 252, 10, 300, slow=True)

SHAPES: Mapping[str, Shape] = MappingProxyType({s.key: s for s in (LINE, LINE_D1, SINE, NEUROMORPHIC, PIXEL)})
QUICK = (LINE.key, LINE_D1.key, SINE.key)
GROWTH = Shape("growth", "growth", 64, 112, 28, 252, 10, 20)
SEEDS = (LINE, SINE)
MEMORY = (LINE, PIXEL)


@dataclass(frozen=True)
class Goal:
    """What is to be reached on a kind of device: `goal` times the speed of `against`, or at most so many GB."""

    device: str
    what: str
    title: str
    goal: float
    stretch: float | None = None
    unit: Literal["x", "GB"] = "x"
    against: str = "reference"


GOALS = (
    Goal("cpu", "line", "line MNIST", 6, 9),
    Goal("cpu", "line-d1", "line MNIST, delay of one step", 3, 4.5),
    Goal("cpu", "sine", "sine", 25, 45),
    Goal("cpu", "pixel", "pixel MNIST", 12, 20),
    Goal("cpu", "epoch", "line MNIST, an epoch with its data", 9),
    Goal("cpu", "line", "line MNIST, against nn.RNN", 1, against="nn.RNN"),
    Goal("cpu", "line", "line MNIST, against nn.LSTM", 1, against="nn.LSTM"),
    Goal("cpu", "line-d1", "delay of one step, against nn.RNN", 1, against="nn.RNN"),
    Goal("cpu", "line-d1", "delay of one step, against nn.LSTM", 1, against="nn.LSTM"),
    Goal("cpu", "sine", "sine, against nn.RNN", 1, against="nn.RNN"),
    Goal("cpu", "sine", "sine, against nn.LSTM", 1, against="nn.LSTM"),
    Goal("cpu", "pixel", "pixel MNIST, against nn.RNN", 1, against="nn.RNN"),
    Goal("cpu", "pixel", "pixel MNIST, against nn.LSTM", 1, against="nn.LSTM"),
    Goal("cpu", "memory", "pixel MNIST, memory of a step", 1.5, unit="GB"),
    Goal("cuda", "line", "line MNIST", 50, 150),
    Goal("cuda", "pixel", "pixel MNIST", 100, 200),
    Goal("cuda", "seeds", "line MNIST, 8 seeds against one, a seed", 3),
)
