"""The abilities: each is tried on a small layer and judged by its numbers, not by what a manual says.

A probe returns what is to be said; what it raises is said as "no" with the error's name. Shapes: as in `layers.py`.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from benchmarks.abilities.layers import INPUTS, Layer

NOT_OFFERED = "not offered"
_BATCH, _STEPS, _CUT = 3, 12, 5
_LENGTHS = (12, 4, 7)


class NotSoError(Exception):
    """An ability that a layer lacks, though nothing was raised."""


class _Whole(nn.Module):
    """A layer as a module of one argument and one result."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.module, self.run = layer.make(), layer.run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self.module, x, None)[0]


def _inputs(dtype: torch.dtype = torch.float32) -> Tensor:
    return 10 * torch.randn(_BATCH, _STEPS, INPUTS, generator=torch.Generator().manual_seed(1)).to(dtype)


def _same(found: Tensor, wanted: Tensor, what: str = "") -> str:
    """How nearly; NotSoError beyond rounding."""
    if found.shape != wanted.shape:
        raise NotSoError(f"shape {tuple(found.shape)}")
    if not bool((wanted != 0).any()):
        raise NotSoError(f"{what}nothing but zeros to compare")
    error = float((found - wanted).detach().norm() / wanted.detach().norm().clamp_min(1e-6))
    if not error <= 1e-5:
        raise NotSoError(f"{what}differs by {error:.0e}")
    return "yes, to the bit" if torch.equal(found, wanted) else "yes, to rounding"


def in_parts(layer: Layer) -> str:
    """Outputs, and gradients through the state that is carried."""
    module, x = layer.make(), _inputs().requires_grad_()
    whole, _ = layer.run(module, x, None)
    wanted = torch.autograd.grad(whole.square().sum(), x)[0]
    first, state = layer.run(module, x[:, :_CUT], None)
    second, _ = layer.run(module, x[:, _CUT:], state)
    parts = torch.cat([first, second], 1)
    said = _same(parts, whole)
    _same(torch.autograd.grad(parts.square().sum(), x)[0], wanted, "the gradient ")
    return said


def padded(layer: Layer) -> str:
    if layer.padded is None:
        return NOT_OFFERED
    module, x = layer.make(), _inputs()
    found = layer.padded(module, x, _LENGTHS)
    for row, length in enumerate(_LENGTHS):
        _same(found[row, :length], layer.run(module, x[row : row + 1, :length], None)[0][0])
    return "yes"


def single(layer: Layer) -> str:
    module, x = layer.make(), _inputs()
    return _same(layer.run(module, x[0], None)[0], layer.run(module, x[:1], None)[0][0]).split(",")[0]


def none(layer: Layer) -> str:
    module = layer.make()
    sent, _ = layer.run(module, _inputs()[:0], None)
    if sent.shape[:2] != (0, _STEPS):
        raise NotSoError(f"shape {tuple(sent.shape)}")
    return "yes"


def placement(layer: Layer) -> str:
    module = layer.make(device="cpu", dtype=torch.float64)
    sent, _ = layer.run(module, _inputs(torch.float64), None)
    return "yes" if sent.dtype == torch.float64 else f"gives {sent.dtype}"


def every_state(layer: Layer) -> str:
    if layer.states is None:
        return NOT_OFFERED
    found = layer.states(layer.make(), _inputs())
    if found.shape[:2] != (_BATCH, _STEPS):
        raise NotSoError(f"shape {tuple(found.shape)}")
    return "yes"


def hooks(layer: Layer) -> str:
    module, fired = layer.make(), 0

    def count(*_: Any) -> None:
        nonlocal fired
        fired += 1

    layer.hooked(module).register_forward_hook(count)
    layer.run(module, _inputs(), None)
    return {0: "no", 1: "once a sequence"}.get(fired, f"{fired} times in {_STEPS} steps")


def compiled(layer: Layer) -> str:
    import torch._inductor.compile_fx  # what any first compilation loads

    torch.compiler.reset()
    whole, x = _Whole(layer), _inputs()
    wanted = whole(x)
    begin = time.perf_counter()
    found = torch.compile(whole)(x)
    seconds = time.perf_counter() - begin
    said = _same(found, wanted)
    return f"{said}, {seconds:.0f} s more" if seconds >= 1 else f"{said}, under 1 s more"


def exported(layer: Layer, strict: bool = False) -> str:
    whole, x, file = _Whole(layer), _inputs(), io.BytesIO()
    torch.export.save(torch.export.export(whole, (x,), strict=strict), file)
    file.seek(0)
    return _same(torch.export.load(file).module()(x), whole(x)).split(",")[0]


def each_sample(layer: Layer) -> str:
    whole, x = _Whole(layer), _inputs()
    named = {name: p.detach() for name, p in whole.named_parameters() if p.requires_grad}

    def loss(parameters: dict[str, Tensor], own: Tensor) -> Tensor:
        found: Tensor = functional_call(whole, parameters, (own.unsqueeze(0),)).square().sum()
        return found

    found = vmap(grad(loss), in_dims=(None, 0))(named, x)
    whole(x[:1]).square().sum().backward()
    for name, parameter in whole.named_parameters():
        if parameter.grad is not None:
            _same(found[name][0], parameter.grad, f"{name} ")
    return "yes"


def twice(layer: Layer) -> str:
    module, x = layer.make(), _inputs().requires_grad_()
    first = torch.autograd.grad(layer.run(module, x, None)[0].square().sum(), x, create_graph=True)[0]
    (second,) = torch.autograd.grad(first.square().sum(), x)
    if not bool(second.isfinite().all()) or not bool((second != 0).any()):
        raise NotSoError("gives zeros or no numbers")
    return "yes"


def autocast(layer: Layer) -> str:
    module = layer.make()
    with torch.autocast("cpu", torch.bfloat16):
        sent, _ = layer.run(module, _inputs(), None)
    torch.autograd.backward(sent.float().sum())
    return f"runs, gives {str(sent.dtype).removeprefix('torch.')}"


PROBES: Mapping[str, Callable[[Layer], str]] = MappingProxyType(
    {
        "a sequence in parts, from the state carried over, is the whole; gradients too": in_parts,
        "padded batches with their lengths": padded,
        "one sequence without a batch": single,
        "a batch of none": none,
        "`device=`, `dtype=` at construction": placement,
        "an inner state at every step": every_state,
        "forward hooks on the layer fire": hooks,
        "`torch.compile`, inductor: the same numbers": compiled,
        "`torch.export`, saved and loaded": exported,
        "`torch.export` with `strict=True`": partial(exported, strict=True),
        "gradients of each sample by `torch.func`": each_sample,
        "gradients of gradients": twice,
        "CPU autocast to bfloat16": autocast,
    }
)


def tried(probe: Callable[[Layer], str], layer: Layer) -> str:
    """What a probe says; no error of a layer ends the run."""
    torch.manual_seed(0)
    try:
        return probe(layer)
    except NotSoError as not_so:
        return f"no: {not_so}"
    except Exception as error:
        return f"no ({type(error).__name__})"
