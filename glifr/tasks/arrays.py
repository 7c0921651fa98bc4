"""A task of one's own arrays, named by a study: `task: {name: arrays, path: mine.npz, loss: cross_entropy, ...}`.

The file has, for each of the splits train, validation and test, `<split>_inputs` [N,T,I] (or [N,T] for one input) and
`<split>_targets`: classes [N], whole numbers from 0; or values, [N,T,O] (or [N,T]) at every step, or [N,O] (or [N]) at
the last. Only train must be there.
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
from glifr.tasks.task import Split, SplitName, TaskData, TaskDefinition, TaskSettings
from glifr.tasks.tensors import Pair, refuse_shared_samples, task_of_tensors

_SPLITS = get_args(SplitName)
NPZ = "npz"  # its source
_PARTS = ("inputs", "targets")
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
    splits = {split: _pair(arrays, split, loss, readout) for split in _SPLITS if f"{split}_inputs" in arrays}
    task, data = task_of_tensors("arrays", **splits, dt=time_step_ms, readout=readout)
    refuse_shared_samples({name: inputs for name, (inputs, _) in splits.items()})
    train = data.train
    if together and data.validation is not None:
        both = [torch.cat(pair) for pair in zip(splits["train"], splits["validation"], strict=True)]
        data = TaskData(Split(both[0], both[1], train.decode), None)
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
        if (f"{split}_inputs" in arrays) != (f"{split}_targets" in arrays):
            rule, allowed = f"the split {split} lacks inputs or targets", f"{split}_inputs and {split}_targets"
            raise InputError(Problem(rule, "path", sorted(arrays), allowed))
    return arrays


def _pair(arrays: Arrays, split: str, loss: str, readout: str) -> Pair:
    inputs = _numbers(arrays[f"{split}_inputs"], f"{split}_inputs")
    inputs = inputs.unsqueeze(2) if inputs.ndim == 2 else inputs
    raw = arrays[f"{split}_targets"]
    if loss == "cross_entropy":
        if raw.dtype.kind not in "iu":
            todo = "write whole numbers as classes, or `loss: mse` for values"
            raise InputError(Problem("classes are whole numbers", f"{split}_targets", raw.dtype, "integers", todo))
        return inputs, torch.from_numpy(raw.astype(np.int64))
    targets = _numbers(raw, f"{split}_targets")
    usual = 3 if readout == "all" else 2
    return inputs, targets.unsqueeze(-1) if targets.ndim == usual - 1 else targets


def _numbers(array: NDArray[Any], name: str) -> Tensor:
    if array.dtype.kind not in "fiub":
        raise InputError(Problem("an array of a task holds numbers", name, array.dtype, "numbers"))
    values = torch.from_numpy(array.astype(np.float32))
    if not bool(values.isfinite().all()):
        found = f"{int((~values.isfinite()).sum()):,} of {values.numel():,}"
        raise InputError(Problem("there are numbers that are not finite", name, found, "finite numbers"))
    return values
