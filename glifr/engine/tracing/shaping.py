"""Torch's functions that change the shape of a tensor, or sum it, on symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from glifr.engine.tracing.arrays import kept_array
from glifr.engine.tracing.elementwise import operation
from glifr.engine.tracing.refusals import UnknownOperationError

if TYPE_CHECKING:
    from glifr.engine.tracing.symbol import Symbol


def _sum(self: Symbol, x: Symbol, dim: Any = None, keepdim: bool = False, **_: Any) -> Symbol:
    axes = tuple(range(x.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    nodes = x.nodes
    for axis in sorted((a % x.ndim for a in axes), reverse=True):
        terms = [kept_array(nodes.take(j, axis)) for j in range(nodes.shape[axis])]
        total = self.like(np.full(np.delete(nodes.shape, axis), self.graph.const(0), dtype=object))
        for j, term in enumerate(terms):
            total = self.like(term) if j == 0 else self.elementwise(operation("add"), total, self.like(term))
        nodes = np.expand_dims(total.nodes, axis) if keepdim else total.nodes
    return self.like(nodes)


def _like(self: Symbol, value: float, x: Symbol) -> Symbol:
    return self.like(np.full(x.shape, self.graph.const(value), dtype=object))


def _number(self: Symbol, x: Symbol, *args: Any, **kwargs: Any) -> Symbol:
    """A tensor in another type or memory; truths become numbers."""
    if torch.bool in (*args, *kwargs.values()):
        raise UnknownOperationError("a conversion to truths")
    return x.elementwise(lambda graph, node: graph.number(node), x)


def _size(args: tuple[Any, ...]) -> Any:
    return args[0] if len(args) == 1 and isinstance(args[0], list | tuple | torch.Size) else args


SHAPING: Mapping[str, Callable[..., Any]] = {
    **{name: _number for name in ("to", "type_as", "float", "double", "clone", "contiguous")},
    "sum": _sum,
    "stack": lambda self, parts, dim=0: self.like(np.stack([self.nodes_of(p) for p in parts], dim)),
    **{
        name: lambda self, parts, dim=0: self.like(np.concatenate([self.nodes_of(p) for p in parts], dim))
        for name in ("cat", "concat")
    },
    "unbind": lambda self, x, dim=0: tuple(self.like(kept_array(x.nodes.take(j, dim))) for j in range(x.shape[dim])),
    "unsqueeze": lambda self, x, dim: self.like(np.expand_dims(x.nodes, dim)),
    "squeeze": lambda self, x, dim: self.like(np.squeeze(x.nodes, dim)) if x.shape[dim] == 1 else x,
    "select": lambda self, x, dim, index: self.like(kept_array(x.nodes.take(index, dim))),
    "__getitem__": lambda self, x, index: x[index],
    **{name: lambda self, x, *shape: self.like(x.nodes.reshape(_size(shape))) for name in ("view", "reshape")},
    **{
        name: lambda self, x, *shape: self.like(
            np.broadcast_to(
                x.nodes,
                [
                    n if s == -1 else s
                    for s, n in zip(_size(shape), (1,) * (len(_size(shape)) - x.ndim) + x.shape, strict=True)
                ],
            )
        )
        for name in ("expand",)
    },
    "expand_as": lambda self, x, other: self.like(np.broadcast_to(x.nodes, other.shape)),
    "zeros_like": lambda self, x, **_: _like(self, 0.0, x),
    "ones_like": lambda self, x, **_: _like(self, 1.0, x),
    "full_like": lambda self, x, value, **_: _like(self, value, x),
    "detach": lambda self, x: x.elementwise(lambda graph, node: graph._node("custom", (node,), None), x),
}
