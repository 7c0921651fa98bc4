"""Custom autograd functions in a step: each keeps the derivative that it gives itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from glifr.engine.graph import Node
from glifr.engine.tracing.arrays import array_of
from glifr.engine.tracing.refusals import UnknownOperationError
from glifr.engine.tracing.symbol import Symbol


class _Context:
    """What a custom function's forward and backward share, as torch's does."""

    def __init__(self, wanted: int) -> None:
        self.saved_tensors: tuple[Any, ...] = ()
        self.needs_input_grad = (True,) * wanted

    def save_for_backward(self, *tensors: Any) -> None:
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None: ...

    def set_materialize_grads(self, value: bool) -> None: ...


@contextmanager
def watched_functions() -> Iterator[None]:
    """Within it a custom `torch.autograd.Function` of symbols keeps its own derivative."""
    original = torch.autograd.Function.__dict__["apply"]

    def apply(cls: Any, *args: Any) -> Any:
        if any(isinstance(each, Symbol) for each in args):
            return _apply(cls, args)
        return original.__get__(None, cls)(*args)

    torch.autograd.Function.apply = classmethod(apply)
    try:
        yield
    finally:
        torch.autograd.Function.apply = original


def _apply(function: Any, args: tuple[Any, ...]) -> Symbol:
    """The output of a custom function, each number with the slopes that its backward gives for each input."""
    context = _Context(len(args))
    if function.setup_context is not torch.autograd.Function.setup_context:
        output = function.forward(*args)
        function.setup_context(context, args, output)
    else:
        output = function.forward(context, *args)
    if not isinstance(output, Symbol):
        raise UnknownOperationError(f"{function.__name__}, which gives more than one tensor")
    numbers = output.nodes.ravel()
    pairs: list[list[Node]] = [[] for _ in numbers]
    for number, own in enumerate(pairs):
        unit = [output.graph.const(float(i == number)) for i in range(len(numbers))]
        gradients = function.backward(context, output.like(array_of(unit, output.shape)))
        for given, found in zip(args, gradients if isinstance(gradients, tuple) else (gradients,), strict=True):
            if isinstance(given, Symbol) and isinstance(found, Symbol):
                slopes = np.broadcast_to(found.nodes, given.shape).ravel()
                own += [
                    n for pair in zip(given.nodes.ravel(), slopes, strict=True) if not _is_zero(pair[1]) for n in pair
                ]
    made = [output.graph._node("custom", (value, *own), None) for value, own in zip(numbers, pairs, strict=True)]
    return output.like(array_of(made, output.shape))


def _is_zero(node: Node) -> bool:
    return node.op == "const" and node.value == 0 and not math.isnan(node.value)
