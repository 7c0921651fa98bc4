"""Refusals of arguments that cannot be meant, each naming the argument, the value and what is allowed."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from glifr.errors import InputError, Problem


def number(name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf) -> float:
    """`value` as a float; InputError unless it is a finite number > `above` and >= `least`. A bool is no number."""
    switch = isinstance(value, bool)
    fits = not switch and isinstance(value, Real) and math.isfinite(value)
    if not fits or not value > above or not value >= least:
        bounds = [f"> {above:g}"] * math.isfinite(above) + [f">= {least:g}"] * math.isfinite(least)
        raise InputError(Problem(f"{name} must be a number", name, value, " ".join(["a finite number", *bounds])))
    return float(value)


def time(name: str, value: Any, *, zero: bool = False) -> float:
    """A duration in ms; InputError for a bool, what is no finite number, or what is negative (or 0 unless `zero`)."""
    if isinstance(value, bool):
        raise InputError(Problem(f"{name} is a time in ms, not a switch", name, value, "a positive number of ms"))
    return number(name, value, least=0.0) if zero else number(name, value, above=0.0)


def size(name: str, value: Any, *, least: int = 1) -> int:
    """A count; InputError unless it is a whole number >= `least`."""
    switch = isinstance(value, bool)
    if switch or not isinstance(value, Integral) or value < least:
        raise InputError(Problem(f"{name} must be a whole number", name, value, f">= {least}"))
    return int(value)


def probability(name: str, value: Any) -> float:
    """InputError unless 0 <= value <= 1."""
    if number(name, value, least=0.0) > 1:
        raise InputError(Problem(f"{name} must be a probability", name, value, "0 <= p <= 1"))
    return float(value)


def placement(device: Any, dtype: Any) -> None:
    """InputError unless these say where numbers lie and of which type they are, as torch's layers are told; or None."""
    try:
        torch.device(device if device is not None else "cpu")
    except (RuntimeError, TypeError):
        raise InputError(
            Problem("no such device", "device", device, "a device of torch, as 'cpu' or 'cuda:0'")
        ) from None
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        allowed = "torch.float32, torch.float64 or another floating-point type"
        raise InputError(Problem("numbers of a network are of a floating-point type", "dtype", dtype, allowed))


def shape(name: str, tensor: Any, expected: tuple[int | str, ...], todo: str = "") -> None:
    """InputError unless `tensor` has the `expected` shape, where a string stands for any size >= 1."""
    found = tuple(tensor.shape) if isinstance(tensor, Tensor) else None
    if found is not None and len(found) == len(expected):
        pairs = zip(found, expected, strict=True)
        if all(n >= 1 if isinstance(e, str) else n == e for n, e in pairs):
            return
    wanted = f"a tensor of shape [{', '.join(str(e) for e in expected)}]"
    raise InputError(
        Problem(f"the shape of {name} does not fit", name, tensor if found is None else found, wanted, todo)
    )


def alike(name: str, tensor: Tensor, like: Tensor) -> None:
    """InputError unless `tensor` has the number type of `like` and lies on the same device."""
    if tensor.dtype != like.dtype or tensor.device != like.device:
        found, allowed = (f"{t.dtype} on {t.device}" for t in (tensor, like))
        hint = f"call {name}.to({str(like.device)!r}, {like.dtype}), or bring the network there"
        raise InputError(
            Problem(f"{name} must have the number type and device of the network", name, found, allowed, hint)
        )
