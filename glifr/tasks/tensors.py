"""A task made of tensors that are at hand: one's own sequences, to train on without a file in this folder."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from glifr import checks
from glifr.errors import InputError, Problem
from glifr.tasks.task import Readout, Split, SplitName, TaskData, TaskDefinition

Pair = tuple[Tensor, Tensor]


def task_of_tensors(
    name: str,
    train: Pair,
    validation: Pair | None = None,
    test: Pair | None = None,
    *,
    dt: float,
    readout: Readout | None = None,
) -> tuple[TaskDefinition, TaskData]:
    """Makes a task and its data for `Training` from tensors; the test split is in the task alone.

    The loss of chance is that of the training samples' class frequencies, or of their best constant output.

    Args:
        name: The task's name.
        train: Inputs, float32 [N,T,I]; and targets, either classes from 0, int64 [N], read after the last step (cross
            entropy); or float32 values, at every step [N,T,O], or with readout "last" after the last one [N,O] (mean
            squared error).
        validation: The same for validation.
        test: The same for the test.
        dt: Time step of the networks [ms].
        readout: "all" or "last"; by default what the targets need.

    Returns:
        The task, and what tuning may see.

    Raises:
        InputError: The tensors do not fit together.
    """
    given: dict[SplitName, Pair | None] = {"train": train, "validation": validation, "test": test}
    splits = {part: Split(*pair, decode=_as_stored) for part, pair in given.items() if pair is not None}
    classes = not train[1].is_floating_point()
    read_at = readout or ("last" if classes else "all")
    if classes and read_at == "all":
        rule = "a class is read after the last step"
        raise InputError(Problem(rule, "readout", "all", "last, with classes as targets"))
    _check(splits, classes, read_at)
    targets = train[1]
    counts = torch.bincount(targets) if classes else None
    data = TaskData(splits["train"], splits.get("validation"))
    sizes = {part: len(split) for part, split in splits.items()}
    task = TaskDefinition(
        name=name,
        title=name,
        inputs=train[0].shape[2],
        outputs=1 + max(int(s.targets.max()) for s in splits.values()) if classes else targets.shape[-1],
        steps=train[0].shape[1],
        time_step_ms=checks.time("dt", dt),
        loss="cross_entropy" if classes else "mean_squared_error",
        readout=read_at,
        primary="accuracy" if classes else "loss",
        chance_loss=_chance(targets) if counts is None else _entropy(counts),
        chance_accuracy=None if counts is None else counts.max().item() / len(targets),
        sources=("tensors",),
        sizes=lambda source: dict(sizes),
        load=lambda settings: data,
        load_test=lambda settings: splits.get("test", splits["train"]),
        fingerprint=lambda settings: _fingerprint(splits),
    )
    return task, data


def _as_stored(inputs: Tensor) -> Tensor:
    return inputs


def _check(splits: dict[SplitName, Split], classes: bool, readout: Readout) -> None:
    steps, inputs = splits["train"].stored.shape[1:] if splits["train"].stored.ndim == 3 else ("T", "I")
    outputs = splits["train"].targets.shape[-1]
    for part, split in splits.items():
        samples = len(split.stored)
        checks.shape(f"inputs of {part}", split.stored, ("N", steps, inputs))
        values = (samples, steps, outputs) if readout == "all" else (samples, outputs)
        checks.shape(f"targets of {part}", split.targets, (samples,) if classes else values)
        numbers = (split.stored.dtype, split.targets.dtype)
        if numbers != (torch.float32, torch.int64 if classes else torch.float32):
            allowed = "float32 inputs, with int64 classes or float32 values as targets, alike in all splits"
            raise InputError(Problem("a task's tensors have other number types", part, numbers, allowed))
        if classes and int(split.targets.min()) < 0:
            rule = "classes are counted from 0"
            raise InputError(Problem(rule, f"targets of {part}", int(split.targets.min()), "0, 1, 2, ..."))


def _entropy(counts: Tensor) -> float:
    """Of classes by how often each occurs [C], in nats."""
    shares = (counts[counts > 0] / counts.sum()).double()
    return -float((shares * shares.log()).sum())


def _chance(targets: Tensor) -> float:
    """Mean squared error of the best constant output for targets [...,O]."""
    error = float(targets.double().flatten(0, -2).var(dim=0, correction=0).mean())
    return error if math.isfinite(error) else 0.0


def _fingerprint(splits: dict[SplitName, Split]) -> str:
    total = hashlib.sha256()
    for part, split in splits.items():
        total.update(part.encode())
        for tensor in (split.stored, split.targets):
            total.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            total.update(tensor.contiguous().cpu().numpy().tobytes())
    return total.hexdigest()


def refuse_shared_samples(inputs: Mapping[str, Tensor]) -> None:
    """Refuses a sequence that occurs in two splits: what is tested must not have been trained on.

    Args:
        inputs: From the split to its sequences as stored [N,...].

    Raises:
        InputError: There is such a sequence.
    """
    seen: dict[bytes, tuple[str, int]] = {}
    for name, stored in inputs.items():
        own: dict[bytes, int] = {}
        for key, row in _hashes(stored):
            own.setdefault(key, row)
        for key, row in own.items():
            if key in seen:
                other, at = seen[key]
                rule = "the same sequence stands in two splits, so what is tested has been trained on"
                found = f"{name}[{row}] and {other}[{at}]"
                raise InputError(Problem(rule, name, found, "disjoint splits", "take it out of one of the two"))
        seen |= {key: (name, row) for key, row in own.items()}


def _hashes(stored: Tensor) -> Iterator[tuple[bytes, int]]:
    for row, values in enumerate(stored.contiguous().numpy()):
        yield hashlib.blake2b(values.tobytes(), digest_size=16).digest(), row
