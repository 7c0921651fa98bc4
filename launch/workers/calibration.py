"""A trial of a few steps, timed: what a training step, an evaluation, an epoch and a job cost where it runs.

It is the real job, in a results folder of its own that is thrown away, on random data of the task's shape.
"""

from __future__ import annotations

import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from glifr.records import Layout, Proposal, UnitId, Value, seal
from glifr.records.atomic import write_whole
from glifr.tasks import Split, TaskData, TaskDefinition
from glifr.training.random_data import random_data
from glifr.training.train import EVALUATION_BATCH, Configuration, Training, evaluate
from launch.ledger.durable import now
from launch.ledger.units import Ledger
from launch.planning.estimate import Timing
from launch.planning.plan import ConditionPlan, StudyPlan
from launch.planning.seed_batches import seed_batches, training_settings
from launch.studyfile import hyperparameters_in
from launch.tracking.queue import FINISH_SECONDS, START_SECONDS, settle
from launch.workers.trial import device_for, run_job

_BATCHES, _EPOCHS = 2, 3
_BLOCK = 512  # of st_blocks


class _Sample:
    """A `DataSource` of random data."""

    def __init__(self, task: TaskDefinition, batch_size: int) -> None:
        self.task, self._batch = task, batch_size

    def tuning(self) -> TaskData:
        return TaskData(random_data(self.task, _BATCHES * self._batch).train, self.test())

    def test(self) -> Split:
        return random_data(self.task, EVALUATION_BATCH).train


def calibrate(plan: StudyPlan, condition: str, tracking_mode: str) -> Timing:
    """Times one condition of the plan in this process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, int(plan.study.spec.resources.cpus)))
    try:
        step, evaluation = _arithmetic(plan, plan.conditions[condition])
        _warm_up(plan, tracking_mode)
        epoch, job, sizes = _bookkeeping(plan, plan.conditions[condition], tracking_mode)
    finally:
        torch.set_num_threads(threads)
    return Timing(step, evaluation, max(0.0, epoch - _steps(plan) * step - evaluation), job, *sizes)


def _steps(plan: StudyPlan) -> int:
    """Training steps in an epoch of the timed trial."""
    return plan.task.passes * _BATCHES


class _Process:
    """The first job of a process pays for imports and for W&B's service; the workers of a study pay once."""

    warm = False


def _warm_up(plan: StudyPlan, tracking_mode: str) -> None:
    if not _Process.warm:
        _bookkeeping(plan, next(iter(plan.conditions.values())), tracking_mode)
        _Process.warm = True


def _arithmetic(plan: StudyPlan, own: ConditionPlan) -> tuple[float, float]:
    """Seconds of one seed's training step, in the company that the study gives it, and of an evaluation batch.

    Medians, after a warm-up.
    """
    own, together = _tried(plan, own), seed_batches(plan, 1).choose(own.name, "final", 1)
    device = device_for(plan.study.spec)
    training = sample_training(plan, own, _hyperparameters(own), together, device)
    test, network = _Sample(plan.task, own.training.batch_size).test().to(device), training.runs[0].network
    step = _median(training.run_epoch) / (_steps(plan) * together)
    return step, _median(lambda: evaluate([network], plan.task, test))


def sample_training(
    plan: StudyPlan,
    own: ConditionPlan,
    values: Mapping[str, Value],
    together: int,
    device: torch.device,
    batches: int = _BATCHES,
) -> Training:
    """A training of a few epochs of so many batches on random data, of so many seeds at once."""
    return Training(
        plan.task,
        TaskData(random_data(plan.task, batches * own.training.batch_size).train, None),
        Configuration(own.condition, own.hidden_size, own.delay_steps, hyperparameters_in(values)),
        training_settings(own.training, _EPOCHS + 1, together),
        range(together),
        device,
    )


def _median(action: Callable[[], object]) -> float:
    times = []
    for _ in range(_EPOCHS + 1):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def _tried(plan: StudyPlan, own: ConditionPlan) -> ConditionPlan:
    return plan.at(own.name, _hyperparameters(own))


def _hyperparameters(own: ConditionPlan) -> dict[str, Value]:
    return {name: dimension.place("middle") for name, dimension in own.space.items()} or dict(own.fixed)


def _bookkeeping(plan: StudyPlan, own: ConditionPlan, mode: str) -> tuple[float, float, tuple[int, int]]:
    """Seconds of a whole epoch and of what a job takes beside its epochs; bytes as in `Timing`."""
    with tempfile.TemporaryDirectory(prefix="glifr-plan-") as folder:
        return _job(plan, own, mode, Path(folder))


def _job(plan: StudyPlan, own: ConditionPlan, mode: str, root: Path) -> tuple[float, float, tuple[int, int]]:
    own, unit = _tried(plan, own), UnitId("final", own.name, plan.study.spec.final_seeds()[0])
    layout = Layout(root)
    body = copy.deepcopy(plan.summary())
    body["spec"]["training"]["epochs"] = _EPOCHS
    body["spec"]["conditions"][own.name].get("training", {}).pop("epochs", None)
    body["spec"]["conditions"][own.name]["start"] = "prior"  # its time is the same, and no file is needed
    write_whole(layout.study, seal(body))
    Ledger(root).propose(
        Proposal(
            unit=unit,
            identity="calibration",
            hyperparameters=_hyperparameters(own),
            seeds=(unit.number,),
            hidden_size=own.hidden_size,
            trained_parameters=own.trained_parameters,
            delay_steps=own.delay_steps,
            source=None,
            start_from=None,
            code_version="",
            proposed_at=now(),
        )
    )
    marks = [time.perf_counter()]
    for step in run_job(root, [unit], mode, _Sample(plan.task, own.training.batch_size)):
        if step.failure is not None:
            raise RuntimeError(f"the trial for timing failed: {step.failure.kind}: {step.failure.message}")
        marks.append(time.perf_counter())
    settle(layout, START_SECONDS + FINISH_SECONDS)  # so that W&B's files have their size
    epoch = marks[2] - marks[1]
    left = _size(layout.unit(unit)) + (_size(layout.wandb) if layout.wandb.is_dir() else 0)
    networks, characteristics = (
        sum(_size(path) for path in root.rglob(name)) for name in ("network.pt", "characteristics.npz")
    )
    job = max(0.0, marks[-1] - marks[0] - _EPOCHS * epoch)
    return epoch, job, (left - networks - characteristics, characteristics)


def _size(path: Path) -> int:
    """Bytes on the disk, in whole blocks, of a file or of everything below a folder."""
    below = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(p.lstat().st_blocks * _BLOCK for p in below)
