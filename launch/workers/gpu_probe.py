"""Measures what one trial takes of a GPU: `resources.gpus: auto` rests on it.

Never run on a real GPU: its tests train on the CPU, under counters of a pretended one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]

from glifr.tasks import TaskDefinition
from glifr.training.random_data import random_data
from glifr.training.train import EVALUATION_BATCH, Training, evaluate
from launch.planning.gpu_share import Measured, Probed, data_bytes
from launch.planning.plan import StudyPlan
from launch.workers.calibration import sample_training

_BATCHES = 8  # an epoch: what begins and ends one should not count
_TIMED = 2  # epochs, after one that compiles kernels and records steps


def measure_trial(plan: StudyPlan, trial: Probed, device: str = "cuda") -> Measured:
    """Trains the trial for a few steps in this process, a fresh one with a GPU to itself, and evaluates it.

    Raises:
        Exception: Whatever CUDA says, where there is none or its memory does not suffice.
    """
    torch.set_num_threads(max(1, int(plan.study.spec.resources.cpus)))
    torch.cuda.init()  # type: ignore[no-untyped-call] # says so where there is no GPU, or no driver
    own = plan.at(trial.condition, trial.values)
    training = sample_training(plan, own, trial.values, trial.seeds, torch.device(device), _BATCHES)
    training.run_epoch()
    seconds = _seconds(training)
    busy = _kernel_seconds(training)
    _evaluate(training, plan.task)
    free, total = torch.cuda.mem_get_info()
    context = max(0, total - free - torch.cuda.memory_reserved())  # others' memory too, where the GPU is shared
    needed = torch.cuda.max_memory_reserved() + context + data_bytes(plan)
    occupancy = min(1.0, busy / seconds) if busy > 0 else None
    return Measured(torch.cuda.get_device_name(), total, needed, occupancy)


def _seconds(training: Training) -> float:
    """Of an epoch, without a profiler, which would slow the processor's part down."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(_TIMED):
        training.run_epoch()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / _TIMED


def _kernel_seconds(training: Training) -> float:
    """Of an epoch, in which kernels ran; 0 where the profiler sees none."""
    seen = torch.profiler.supported_activities()  # type: ignore[no-untyped-call]
    with torch.profiler.profile(activities=seen & {torch.profiler.ProfilerActivity.CUDA} or seen) as profiler:
        training.run_epoch()
        torch.cuda.synchronize()
    return busy_seconds(profiler.key_averages())


def busy_seconds(events: Sequence[Any]) -> float:
    """The time of a profiler's kernels, which it counts in microseconds; calls that started them have it once more."""
    kernels = [event for event in events if event.device_type == DeviceType.CUDA and not event.is_user_annotation]
    return sum(float(kernel.self_device_time_total) for kernel in kernels) / 1e6


def _evaluate(training: Training, task: TaskDefinition) -> None:
    test = random_data(task, EVALUATION_BATCH, training.device).train
    evaluate([run.network for run in training.runs], task, test)
