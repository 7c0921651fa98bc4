"""A task made of tensors that are at hand: one's own sequences, to train on without a file in this folder."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from glifr import checks
from glifr.errors import InputError, Problem
from glifr.tasks.task import Readout, Split, SplitName, TaskData, TaskDefinition, without_padding

Samples = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]


def task_of_tensors(
    name: str,
    train: Samples,
    validation: Samples | None = None,
    test: Samples | None = None,
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
            squared error). Where sequences differ in length, third the steps of each, int64 [N] from 1 to T: what
            stands after is ignored, "last" is a sequence's own last step, and each sequence counts the same.
        validation: The same for validation.
        test: The same for the test.
        dt: Time step of the networks [ms].
        readout: "all" or "last"; by default what the targets need.

    Returns:
        The task, and what tuning may see.

    Raises:
        InputError: The tensors do not fit together.
    """
    given: dict[SplitName, Samples | None] = {"train": train, "validation": validation, "test": test}
    classes = not train[1].is_floating_point()
    splits = {part: _split(part, samples) for part, samples in given.items() if samples is not None}
    read_at = readout or ("last" if classes else "all")
    if classes and read_at == "all":
        rule = "a class is read after the last step"
        raise InputError(Problem(rule, "readout", "all", "last, with classes as targets"))
    _check(splits, classes, read_at)
    targets = splits["train"].targets
    counts = torch.bincount(targets) if classes else None
    data = TaskData(splits["train"], splits.get("validation"))
    sizes = {part: len(split) for part, split in splits.items()}
    ends = [split.lengths for split in splits.values() if split.lengths is not None]
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
        chance_loss=_chance(splits["train"], read_at) if counts is None else _entropy(counts),
        chance_accuracy=None if counts is None else counts.max().item() / len(targets),
        sources=("tensors",),
        sizes=lambda source: dict(sizes),
        load=lambda settings: data,
        load_test=lambda settings: splits.get("test", splits["train"]),
        fingerprint=lambda settings: _fingerprint(splits),
        lengths=(min(int(e.min()) for e in ends), max(int(e.max()) for e in ends)) if ends else None,
    )
    return task, data


def _split(part: str, samples: Samples) -> Split:
    """A split, without what stands in its padding: a network, a check or a hash never meets it."""
    inputs, targets, *rest = samples
    if not rest:
        return Split(inputs, targets, _as_stored)
    (lengths,) = rest
    check_lengths(f"{part} lengths", lengths, len(inputs), inputs.shape[1] if inputs.ndim > 1 else 0)
    every_step = targets.ndim == inputs.ndim == 3 and targets.shape[:2] == inputs.shape[:2]
    targets = without_padding(targets, lengths) if every_step else targets
    return Split(without_padding(inputs, lengths), targets, _as_stored, lengths=lengths)


def check_lengths(name: str, lengths: Tensor, samples: int, steps: int) -> None:
    """Refuses what is not the steps of each sequence.

    Args:
        name: What they are called.
        lengths: The steps of each sequence.
        samples: How many sequences there are.
        steps: The steps T of the longest that may be.

    Raises:
        InputError: They are not whole numbers from 1 to T, one for each sequence.
    """
    checks.shape(name, lengths, (samples,))
    allowed = f"whole numbers from 1 to {steps}, the steps of each sequence"
    if lengths.dtype != torch.int64:
        raise InputError(Problem("the lengths of sequences are whole numbers", name, lengths.dtype, allowed))
    wrong = ((lengths < 1) | (lengths > steps)).nonzero().flatten()
    if len(wrong):
        row = int(wrong[0])
        found = f"{int(lengths[row])} of sequence {row}" + (f", and {len(wrong) - 1} more" if len(wrong) > 1 else "")
        raise InputError(Problem("a sequence has as many steps as it cannot have", name, found, allowed))


def _as_stored(inputs: Tensor) -> Tensor:
    return inputs


def _check(splits: dict[SplitName, Split], classes: bool, readout: Readout) -> None:
    steps, inputs = splits["train"].stored.shape[1:] if splits["train"].stored.ndim == 3 else ("T", "I")
    outputs = splits["train"].targets.shape[-1]
    for part, split in splits.items():
        samples = len(split.stored)
        checks.shape(f"{part} inputs", split.stored, ("N", steps, inputs))
        values = (samples, steps, outputs) if readout == "all" else (samples, outputs)
        checks.shape(f"{part} targets", split.targets, (samples,) if classes else values)
        numbers = (split.stored.dtype, split.targets.dtype)
        if numbers != (torch.float32, torch.int64 if classes else torch.float32):
            allowed = "float32 inputs, with int64 classes or float32 values as targets, alike in all splits"
            raise InputError(Problem("a task's tensors have other number types", part, numbers, allowed))
        if classes and int(split.targets.min()) < 0:
            rule = "classes are counted from 0"
            raise InputError(Problem(rule, f"{part} targets", int(split.targets.min()), "0, 1, 2, ..."))


def _entropy(counts: Tensor) -> float:
    """Of classes by how often each occurs [C], in nats."""
    shares = (counts[counts > 0] / counts.sum()).double()
    return -float((shares * shares.log()).sum())


def _chance(split: Split, readout: Readout) -> float:
    """Mean squared error of the best constant output for targets [...,O]; each sequence counts the same."""
    targets, lengths = split.targets.double(), split.lengths
    if lengths is None or readout == "last":
        error = float(targets.flatten(0, -2).var(dim=0, correction=0).mean())
        return error if math.isfinite(error) else 0.0
    weights = without_padding(torch.ones_like(targets), lengths) / (lengths[:, None, None] * len(targets))
    best = (weights * targets).sum((0, 1))
    return float((weights * (targets - best).square()).sum((0, 1)).mean())


def _fingerprint(splits: dict[SplitName, Split]) -> str:
    total = hashlib.sha256()
    for part, split in splits.items():
        total.update(part.encode())
        for tensor in (split.stored, split.targets, *(() if split.lengths is None else (split.lengths,))):
            total.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            total.update(tensor.contiguous().cpu().numpy().tobytes())
    return total.hexdigest()


def refuse_shared_samples(splits: Mapping[str, Split]) -> None:
    """Refuses a sequence that occurs in two splits: what is tested must not have been trained on.

    Args:
        splits: The splits by name.

    Raises:
        InputError: There is such a sequence.
    """
    seen: dict[bytes, tuple[str, int]] = {}
    for name, split in splits.items():
        own: dict[bytes, int] = {}
        for key, row in _hashes(split):
            own.setdefault(key, row)
        for key, row in own.items():
            if key in seen:
                other, at = seen[key]
                rule = "the same sequence stands in two splits, so what is tested has been trained on"
                found = f"{name}[{row}] and {other}[{at}]"
                raise InputError(Problem(rule, name, found, "disjoint splits", "take it out of one of the two"))
        seen |= {key: (name, row) for key, row in own.items()}


def _hashes(split: Split) -> Iterator[tuple[bytes, int]]:
    """Of each sequence; of different lengths they are different."""
    for row, values in enumerate(split.stored.contiguous().numpy()):
        length = b"" if split.lengths is None else int(split.lengths[row]).to_bytes(8, "little")
        yield hashlib.blake2b(values.tobytes() + length, digest_size=16).digest(), row
