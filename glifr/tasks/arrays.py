"""A task of one's own arrays, named by a study: `task: {name: arrays, path: mine.npz, loss: cross_entropy, ...}`.

The file has, for each of the splits train, validation and test, `<split>_inputs` [N,T,I] (or [N,T] for one input) and
`<split>_targets`: classes [N], whole numbers from 0; or values, [N,T,O] (or [N,T]) at every step, or [N,O] (or [N]) at
the last. Only train must be there. Sequences of different lengths are padded to T, with `<split>_lengths` [N].
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glifr.errors import InputError, Problem, nearest
from glifr.tasks.task import NPZ, Split, SplitName, TaskData, TaskDefinition, TaskSettings, without_padding
from glifr.tasks.tensors import Samples, check_lengths, refuse_shared_samples, task_of_tensors

_SPLITS = get_args(SplitName)
_PARTS = ("inputs", "targets", "lengths")
_KNOWN = [f"{split}_{part}" for split in _SPLITS for part in _PARTS]
Arrays = Mapping[str, NDArray[Any]]


def arrays_task(settings: TaskSettings) -> TaskDefinition:
    """The task of a study's file. Raises InputError for what is not such a file, or does not fit together."""
    given = settings.arrays
    if given is None:
        raise InputError(Problem("the task arrays needs a file", "path", todo="give its path, as `path: mine.npz`"))
    try:
        changed = given.path.stat()
    except (OSError, ValueError) as error:
        rule = f"the file of the task's arrays cannot be read ({getattr(error, 'strerror', None) or error})"
        todo = "check the path: it is taken from the study's folder"
        raise InputError(Problem(rule, "path", str(given.path), "an .npz file", todo)) from None
    key = (given.path, changed.st_mtime_ns, changed.st_size)
    return _task(key, given.loss, given.readout, given.time_step_ms, settings.train_on == "train+validation")


@lru_cache(1)
def _task(
    key: tuple[Path, int, int],
    loss: Literal["cross_entropy", "mse"],
    readout: Literal["last", "all"],
    time_step_ms: float,
    together: bool,
) -> TaskDefinition:
    path, *_ = key
    arrays = _read(path)
    splits = {split: _samples(arrays, split, loss, readout) for split in _SPLITS if f"{split}_inputs" in arrays}
    task, data = task_of_tensors("arrays", **splits, dt=time_step_ms, readout=readout)
    test = task.load_test(TaskSettings("arrays", NPZ)) if "test" in splits else None
    every = {"train": data.train, "validation": data.validation, "test": test}
    refuse_shared_samples({name: split for name, split in every.items() if split is not None})
    if together and data.validation is not None:
        data = TaskData(_joined(data.train, data.validation), None)
    return replace(task, title=f"own arrays: {path.name}", sources=(NPZ,), load=lambda settings: data)


def _read(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        rule = f"this is no file of named arrays ({' '.join(str(error).split())})"
        todo = "write it with numpy.savez(path, train_inputs=..., train_targets=..., ...)"
        raise InputError(Problem(rule, "path", path.name, "an .npz file", todo)) from None
    for name in arrays:
        if name not in _KNOWN:
            known = ", ".join(_KNOWN)
            raise InputError(Problem(f"{name} is no array of a task", "path", name, known, nearest(name, _KNOWN)))
    for name in ("train_inputs", "train_targets"):
        if name not in arrays:
            raise InputError(Problem(f"the file has no {name}", "path", sorted(arrays), ", ".join(_KNOWN)))
    for split in _SPLITS:
        has = [f"{split}_{part}" in arrays for part in _PARTS]
        if has[0] != has[1] or (has[2] and not has[0]):
            rule, allowed = f"the split {split} lacks inputs or targets", f"{split}_inputs and {split}_targets"
            raise InputError(Problem(rule, "path", sorted(arrays), allowed))
    return arrays


def _joined(first: Split, second: Split) -> Split:
    """Two splits as one; where only one has lengths, the other's sequences have all steps."""
    parts, lengths = (first, second), None
    if any(split.lengths is not None for split in parts):
        whole = first.stored.shape[1]
        lengths = torch.cat([torch.full((len(s),), whole) if s.lengths is None else s.lengths for s in parts])
    stored, targets = torch.cat([s.stored for s in parts]), torch.cat([s.targets for s in parts])
    return Split(stored, targets, first.decode, lengths=lengths)


def _samples(arrays: Arrays, split: str, loss: str, readout: str) -> Samples:
    """Inputs and targets of a split, and lengths where the file has them."""
    lengths = _lengths(arrays, split)
    inputs = _numbers(arrays[f"{split}_inputs"], f"{split}_inputs", lengths)
    inputs = inputs.unsqueeze(2) if inputs.ndim == 2 else inputs
    raw = arrays[f"{split}_targets"]
    if loss == "cross_entropy":
        if raw.dtype.kind not in "iu":
            todo = "write whole numbers as classes, or `loss: mse` for values"
            raise InputError(Problem("classes are whole numbers", f"{split}_targets", raw.dtype, "integers", todo))
        targets = torch.from_numpy(raw.astype(np.int64))
    else:
        targets = _numbers(raw, f"{split}_targets", lengths if readout == "all" else None)
        usual = 3 if readout == "all" else 2
        targets = targets.unsqueeze(-1) if targets.ndim == usual - 1 else targets
    return (inputs, targets) if lengths is None else (inputs, targets, lengths)


def _lengths(arrays: Arrays, split: str) -> Tensor | None:
    name = f"{split}_lengths"
    if name not in arrays:
        return None
    raw = arrays[name]
    if raw.dtype.kind not in "iu":
        rule, allowed = "the lengths of sequences are whole numbers", "integers: the steps of each sequence"
        raise InputError(Problem(rule, name, raw.dtype, allowed))
    lengths = torch.from_numpy(raw.astype(np.int64))
    inputs = arrays[f"{split}_inputs"]
    check_lengths(name, lengths, len(inputs), inputs.shape[1] if inputs.ndim > 1 else 0)
    return lengths


def _numbers(array: NDArray[Any], name: str, lengths: Tensor | None) -> Tensor:
    """The numbers of an array, each finite that is not padding."""
    if array.dtype.kind not in "fiub":
        raise InputError(Problem("an array of a task holds numbers", name, array.dtype, "numbers"))
    values = torch.from_numpy(array.astype(np.float32))
    if lengths is not None and values.ndim > 1 and len(values) == len(lengths):
        values = without_padding(values, lengths)
    if not bool(values.isfinite().all()):
        found = f"{int((~values.isfinite()).sum()):,} of {values.numel():,}"
        raise InputError(Problem("there are numbers that are not finite", name, found, "finite numbers"))
    return values
