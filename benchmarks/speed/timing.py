"""Times that can be compared: candidates take turns in short samples, after each has been warmed up.

A cold candidate pays for fresh pages, compilation and lazy set-up; a machine drifts and has other users. So all are
warmed, one round gives each one sample, every other round runs backwards, and ratios are taken within a round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch

from benchmarks.speed.cases import Step

_WARM_STEPS, _WARM_SECONDS, _WARM_AT_MOST = 3, 0.2, 5.0  # at least so many and so long; no more once it took that long


class Sample(NamedTuple):
    """`steps` steps of a candidate took `seconds` each, in this round."""

    name: str
    round: int
    steps: int
    seconds: float


@dataclass(frozen=True)
class Pace:
    """rounds: samples of each candidate. seconds: about how long a sample lasts; at least one step."""

    rounds: int
    seconds: float


def waiting(device: torch.device) -> Callable[[], None]:
    """What waits until the device has done what it was given."""
    if device.type != "cuda":
        return lambda: None
    return lambda: torch.cuda.synchronize(device)


def interleaved(
    steps: Mapping[str, Step], pace: Pace, device: torch.device, tick: Callable[[float, str], None]
) -> list[Sample]:
    """Samples of each step function in turn. tick: is told the share that is done (0 .. 1) and what is being done."""
    wait, names = waiting(device), list(steps)
    counts = {}
    for place, (name, step) in enumerate(steps.items()):
        tick(place / len(names) / (pace.rounds + 1), f"warming {name}")
        counts[name] = max(1, round(pace.seconds / _warm(step, wait)))
    samples = []
    for number in range(pace.rounds):
        tick((number + 1) / (pace.rounds + 1), f"round {number + 1} of {pace.rounds}")
        for name in names if number % 2 == 0 else reversed(names):
            steps[name]()  # not timed: its memory may have been another's meanwhile
            samples.append(Sample(name, number, counts[name], seconds_per_step(steps[name], counts[name], wait)))
    return samples


def seconds_per_step(step: Step, count: int, wait: Callable[[], None]) -> float:
    """The mean over `count` steps in a row."""
    wait()
    started = time.perf_counter()
    for _ in range(count):
        step()
    wait()
    return (time.perf_counter() - started) / count


def _warm(step: Step, wait: Callable[[], None]) -> float:
    """Seconds that the last of the warming steps took."""
    started, done, last = time.perf_counter(), 0, 0.0
    while done < _WARM_STEPS or time.perf_counter() - started < _WARM_SECONDS:
        last, done = seconds_per_step(step, 1, wait), done + 1
        if time.perf_counter() - started > _WARM_AT_MOST:
            break
    return last
