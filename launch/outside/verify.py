"""Whether a task from outside keeps its word: its definition by itself, and its data against the definition.

Shapes: N samples, B batch, T steps, I inputs, O outputs.
"""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import Tensor

from glifr import checks
from glifr.errors import InputError, Problem
from glifr.tasks.task import Split, TaskDefinition, TaskSettings
from glifr.tasks.tensors import check_lengths, refuse_shared_samples

_METRIC = re.compile(r"[a-z][a-z0-9_]*")
_LOOKED_AT = 64  # samples of each split that are decoded


def check_definition(task: TaskDefinition) -> None:
    """Raises InputError for what no task can have."""
    for name in ("inputs", "outputs", "steps", "passes", "problems"):
        checks.size(name, getattr(task, name))
    checks.time("time_step_ms", task.time_step_ms)
    checks.number("chance_loss", task.chance_loss)
    if task.chance_accuracy is not None:
        checks.probability("chance_accuracy", task.chance_accuracy)
    words: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
        ("loss", task.loss, ("cross_entropy", "mean_squared_error")),
        ("readout", task.readout, ("last", "all")),
        ("primary", task.primary, task.measures),
    )
    for name, given, allowed in words:
        if name == "primary" and given == "accuracy" and task.chance_accuracy is None:
            raise InputError(Problem("a task without accuracy cannot be judged by it", "primary", "accuracy", "loss"))
        if given not in allowed:
            raise InputError(Problem(f"the task has no such {name}", name, given, f"one of {', '.join(allowed)}"))
    _check_metrics(task)
    if not task.sources or not all(isinstance(source, str) for source in task.sources):
        raise InputError(Problem("a task names where its data come from", "sources", task.sources, "one or more words"))


def check_data(task: TaskDefinition, settings: TaskSettings) -> None:
    """Loads the data and raises InputError where they are not what the definition says."""
    data = task.load(settings)
    test = task.load_test(settings) if task.held_out(settings.source) else None
    sizes, splits = task.sizes(settings.source), {"train": data.train, "validation": data.validation, "test": test}
    both = settings.train_on == "train+validation"
    for name, split in splits.items():
        said = sizes.get(name, 0)  # type: ignore[call-overload]
        if both:
            said = {"train": said + sizes.get("validation", 0), "validation": 0}.get(name, said)
        if (0 if split is None else len(split)) != said:
            found = "none" if split is None else len(split)
            raise InputError(Problem(f"the {name} split has another size than `sizes` says", name, found, str(said)))
        if split is not None:
            _check_split(task, name, split)
    _check_own_functions(task, data.train)
    refuse_shared_samples({name: split for name, split in splits.items() if split is not None})
    fingerprint = task.fingerprint(settings)
    if not isinstance(fingerprint, str) or not fingerprint:
        rule = "the fingerprint is a text that changes with the data"
        raise InputError(Problem(rule, "fingerprint", fingerprint, "a text, as a SHA-256 of the data"))


def _check_split(task: TaskDefinition, name: str, split: Split) -> None:
    if len(split.stored) != len(split.targets):
        found = f"{len(split.stored)} and {len(split.targets)}"
        raise InputError(Problem("there are not as many inputs as targets", name, found, "one target for each input"))
    if split.lengths is not None:
        check_lengths(f"{name} lengths", split.lengths, len(split), task.steps)
    inputs, targets = split.batch(torch.arange(min(_LOOKED_AT, len(split))))
    checks.shape(f"{name} inputs", inputs, (len(targets), task.steps, task.inputs))
    if inputs.dtype != torch.float32:
        raise InputError(Problem("inputs have another number type", f"{name} inputs", inputs.dtype, "float32"))
    for what, values in ((f"{name} inputs", split.stored), (f"{name} inputs", inputs)):
        if values.is_floating_point() and not bool(values.isfinite().all()):
            found = f"{int((~values.isfinite()).sum()):,} of {values.numel():,} numbers"
            raise InputError(Problem("the inputs have numbers that are not finite", what, found, "finite numbers"))
    _check_targets(task, f"{name} targets", split.targets)


def _check_metrics(task: TaskDefinition) -> None:
    names = [metric.name for metric in task.metrics]
    for metric in task.metrics:
        if not _METRIC.fullmatch(metric.name) or metric.name in ("loss", "accuracy") or names.count(metric.name) > 1:
            allowed = "lower-case letters, digits and _, each once; not loss or accuracy"
            raise InputError(Problem("a metric has no such name", "metrics", metric.name, allowed))
        if metric.better not in ("higher", "lower"):
            raise InputError(Problem("a metric says which is better", metric.name, metric.better, "higher or lower"))
        checks.number(f"chance of {metric.name}", metric.chance)
        checks.number(f"smallest_effect of {metric.name}", metric.smallest_effect, above=0.0)


def _check_own_functions(task: TaskDefinition, split: Split) -> None:
    """Raises InputError unless own loss and metrics are a finite number for each sample, the loss with a gradient."""
    index = torch.arange(min(_LOOKED_AT, len(split)))
    _, targets = split.batch(index)
    every_step = (task.steps,) if task.readout == "all" else ()
    outputs = torch.zeros(len(index), *every_step, task.outputs, requires_grad=True)
    for metric in task.metrics:
        values = metric.of(outputs.detach(), targets, split.lengths_of(index))
        checks.shape(f"metric {metric.name}", values, (len(index),))
        low, high = (-math.inf, 1.0) if metric.better == "higher" else (0.0, math.inf)
        if not bool((values.isfinite() & (values >= low) & (values <= high)).all()):
            allowed = "finite values, at most 1 where higher is better, from 0 where lower is"
            raise InputError(Problem("a metric has values that it cannot have", metric.name, values.tolist(), allowed))
    if task.own_loss is None:
        return
    losses = task.own_loss(outputs, targets, split.lengths_of(index))
    checks.shape("own_loss", losses, (len(index),))
    if not losses.requires_grad or not bool(losses.isfinite().all()):
        found = "no gradient" if not losses.requires_grad else "numbers that are not finite"
        rule, allowed = "a loss must be finite and follow from the outputs", "finite losses [B] with a gradient"
        raise InputError(Problem(rule, "own_loss", found, allowed, "compute it with torch from the outputs"))


def _check_targets(task: TaskDefinition, name: str, targets: Tensor) -> None:
    every_step = task.readout == "all"
    if task.loss == "mean_squared_error":
        checks.shape(name, targets, ("N", *([task.steps] if every_step else []), task.outputs))
        if not targets.is_floating_point() or not bool(targets.isfinite().all()):
            raise InputError(Problem("targets must be finite", name, targets.dtype, "finite numbers of float32"))
        return
    checks.shape(name, targets, ("N", *([task.steps] if every_step else [])))
    if targets.dtype != torch.int64 or not (int(targets.min()) >= 0 and int(targets.max()) < task.outputs):
        found = f"{targets.dtype} from {targets.min()} to {targets.max()}"
        allowed = f"int64 from 0 to {task.outputs - 1}: a class for each output"
        raise InputError(Problem("targets are not the classes of this task", name, found, allowed))
