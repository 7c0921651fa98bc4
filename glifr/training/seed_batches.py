"""How many seeds to train as one computation: measured by a few training steps, for it follows from device and shape.

On a GPU a small network fills a fraction of the chip; on the CPU company spares calls, until the states leave the
caches. The measurement has networks, data and streams of its own: nothing of it reaches a result. The answer for a
device and shape is kept for as long as the process lives.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch

from glifr.configuration import Configuration, TrainingSettings
from glifr.kernels import batches_exactly, choose_backend
from glifr.tasks import Split, TaskData, TaskDefinition
from glifr.training.train import Training

_STEPS = (2, 4)  # least and most, of an epoch of the measurement; the first warms up, and records the step on CUDA
_EPOCHS = 3  # timed
_SHARE = 0.03  # of the training that the answer is for: what measuring may cost
_SLOW = 1.0  # s: an epoch as long as this needs no repetition
_BUDGET = 5.0  # s for one shape; what is too slow for it fills the machine with one seed, or with few
_WITHIN = 1.1  # of the fastest: fewer seeds at once are preferred at a cost of up to a tenth
_MEMORY = 0.8  # of the memory that the process may have

Seconds = Mapping[int, float]  # seeds at once -> s for one seed and step


class _Shape(NamedTuple):
    """What the time of a training step depends on."""

    device: str
    backend: str
    architecture: str
    num_ascs: int
    learned: bool | tuple[str, ...]
    sizes: tuple[int, ...]
    delay_steps: int | None
    batch_size: int
    dropout: bool
    graphs: bool
    threads: int


_measured: dict[tuple[_Shape, int], dict[int, float]] = {}


def best(seconds: Seconds, seeds: int) -> int:
    """How many of `seeds` seeds to train at once, in batches as even as can be; 1 where nothing was measured."""
    tried = {replicas: s for replicas, s in seconds.items() if replicas <= seeds}
    if not tried:
        return 1
    fastest = min(tried.values())
    chosen = min(replicas for replicas, s in tried.items() if s <= _WITHIN * fastest)
    return math.ceil(seeds / math.ceil(seeds / chosen))


def worth_measuring(training: float) -> bool:
    """Whether so many training steps, of one seed each, are enough for a measurement to be a small share of them."""
    return _Effort(training).steps > 0


def measure(
    task: TaskDefinition,
    configuration: Configuration,
    settings: TrainingSettings,
    device: torch.device | str,
    *,
    most: int,
    worth: float = math.inf,
    memory_share: float = 1.0,
) -> dict[int, float]:
    """Seconds for one seed and step with 1, 2, 4 ... and `most` seeds at once, as far as it pays and memory allows.

    Empty where there is no choice (one seed, or a backend that computes seeds one by one on this device), and where the
    training is too short for the answer. worth: training steps, of one seed each, that the answer is for.
    memory_share: of the GPU's memory, for processes that share it. InputError if the backend cannot run there.
    """
    device = torch.device(device)
    if most == 1 or (device.type == "cpu" and not batches_exactly(settings.backend, device)):
        return {}
    key = (_shape(task, configuration, settings, device), most)
    if key in _measured:
        return dict(_measured[key])
    if not worth_measuring(worth):
        return {}
    _measured[key] = _grow(task, configuration, settings, device, most, _Effort(worth), memory_share)
    return dict(_measured[key])


def random_data(task: TaskDefinition, samples: int, device: torch.device | str = "cpu", repeats: int = 1) -> TaskData:
    """Numbers in the shape of the task's, the same each time; `repeats` times over without more memory."""
    generator = torch.Generator(device).manual_seed(0)
    inputs = torch.randn(samples, task.steps, task.inputs, generator=generator, device=device)
    targets = (
        torch.randint(task.outputs, (samples,), generator=generator, device=device)
        if task.loss == "cross_entropy"
        else torch.randn(samples, task.steps, task.outputs, generator=generator, device=device)
    )
    places = torch.arange(samples, device=device).repeat(repeats)
    return TaskData(Split(places, targets.repeat(repeats, *[1] * (targets.ndim - 1)), inputs.__getitem__), None)


def _shape(
    task: TaskDefinition, configuration: Configuration, settings: TrainingSettings, device: torch.device
) -> _Shape:
    condition = configuration.condition
    return _Shape(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        backend=choose_backend(settings.backend, device),
        architecture=condition.architecture,
        num_ascs=condition.num_ascs,
        learned=condition.learned,
        sizes=(task.inputs, configuration.hidden_size, task.outputs, task.steps),
        delay_steps=configuration.delay_steps,
        batch_size=settings.batch_size,
        dropout=settings.dropout > 0,
        graphs=settings.cuda_graphs,
        threads=torch.get_num_threads(),
    )


class _Effort:
    """What a measurement may cost that is for so many training steps, of one seed each.

    steps: of each of its epochs, so few that one and two seeds at once can be tried; 0 where those would say nothing.
    """

    def __init__(self, worth: float) -> None:
        least, most = _STEPS
        self._alone = _SHARE * worth  # so many steps of one seed by itself
        steps = int(min(most, self._alone / ((1 + 2) * (1 + _EPOCHS))))
        self.steps = steps if steps >= least else 0

    def allows(self, found: Seconds, then: int) -> bool:
        """Whether `then` seeds at once can be tried after what was found, at the pace of the last.

        Kernels are compiled once, so their time does not count.
        """
        a_step = sum(n * s for n, s in found.items()) + then * found[max(found)]
        return a_step * self.steps * (1 + _EPOCHS) <= min(_BUDGET, self._alone * found[1])


def _grow(
    task: TaskDefinition,
    configuration: Configuration,
    settings: TrainingSettings,
    device: torch.device,
    most: int,
    effort: _Effort,
    memory_share: float,
) -> dict[int, float]:
    """Twice as many seeds each time, until it is slower, the next would not fit or cost too much."""
    found: dict[int, float] = {}
    replicas = 1
    while True:
        try:
            found[replicas], memory = _time(task, configuration, settings, device, effort.steps, replicas)
        except (torch.OutOfMemoryError, MemoryError):
            return found
        after = min(2 * replicas, most)
        slower = found[replicas] > _WITHIN * min(found.values())
        full = memory * after / replicas > _MEMORY * memory_share
        if replicas == most or slower or full or not effort.allows(found, after):
            return found
        replicas = after


def _time(
    task: TaskDefinition,
    configuration: Configuration,
    settings: TrainingSettings,
    device: torch.device,
    steps: int,
    replicas: int,
) -> tuple[float, float]:
    """Seconds for one seed and step, and the share of the GPU's memory that was taken (0 on the CPU)."""
    tame = replace(configuration, hyperparameters={"learning_rate": 1e-6})  # a diverged seed would not be computed
    one_go = replace(settings, seeds_per_batch=replicas)
    data = random_data(task, settings.batch_size, device, steps)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    training = Training(replace(task, passes=1), data, tame, one_go, range(replicas), device)
    times: list[float] = []
    for _ in range(1 + _EPOCHS):
        began = time.perf_counter()
        training.run_epoch()
        times.append(time.perf_counter() - began)
        if len(times) > 1 and times[-1] > _SLOW:
            break
    return statistics.median(times[1:]) / (steps * replicas), _share_of_memory(device)


def _share_of_memory(device: torch.device) -> float:
    """The most that was held, as a share of the GPU's memory; on the CPU 0, where time runs out before memory does."""
    if device.type != "cuda":
        return 0.0
    return torch.cuda.max_memory_reserved(device) / torch.cuda.get_device_properties(device).total_memory
