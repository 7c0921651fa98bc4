"""A symbol of a tensor: an array of nodes that answers to torch's functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glifr.engine.graph import Graph, Node
from glifr.engine.tracing.arrays import array_of, kept_array
from glifr.engine.tracing.elementwise import ELEMENTWISE
from glifr.engine.tracing.refusals import UnknownOperationError, refusal
from glifr.engine.tracing.shaping import SHAPING
from glifr.errors import InputError


class Symbol:
    """What a step computes with while it is traced: an array of nodes that answers to torch's functions."""

    __array_priority__ = 1000  # numpy numbers on its left leave the operation to it
    ndim = property(lambda self: self.nodes.ndim)
    shape = property(lambda self: tuple(self.nodes.shape))
    dtype, device, requires_grad = torch.float64, torch.device("cpu"), True

    def __init__(self, graph: Graph, model: str, nodes: np.ndarray) -> None:
        self.graph, self.model, self.nodes = graph, model, nodes

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        symbol = next(each for each in _flat([*args, *(kwargs or {}).values()]) if isinstance(each, Symbol))
        return symbol.call(function.__name__, *args, **(kwargs or {}))

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """The result of torch's function of that name."""
        for each in _flat([*args, *kwargs.values()]):
            if isinstance(each, Tensor):
                allowed = "numbers, parameters, constants, states, the synaptic input and the mask"
                raise self.refused("it uses a tensor from outside", f"{name} of a tensor {tuple(each.shape)}", allowed)
        if (name.endswith("_") and not name.endswith("__")) or name in ("__setitem__", "__iadd__", "__imul__"):
            raise self.refused("it changes a tensor in place", name, "operations that give a new tensor")
        if name in SHAPING:
            return SHAPING[name](self, *args, **kwargs)
        if name in ELEMENTWISE:
            unknown = {key for key, value in kwargs.items() if key != "alpha" or value != 1}
            if not unknown:
                return self.elementwise(ELEMENTWISE[name], *args)
        return self._opaque(name, args, kwargs)

    def _opaque(self, name: str, args: Any, kwargs: Any) -> Any:
        """What a function that no table has might give: numbers of its own, so that the rest can still be looked at."""
        try:
            found = (getattr(torch, name, None) or getattr(Tensor, name))(*_real(args), **kwargs)
        except Exception as error:  # of a foreign function anything
            raise UnknownOperationError(name) from error
        if not isinstance(found, Tensor):
            raise UnknownOperationError(name)
        self.graph.unknown.append(name)
        nodes = [self.graph.input("opaque", name, n) for n in range(found.numel())]
        return self.like(array_of(nodes, tuple(found.shape)))

    def elementwise(self, compute: Callable[..., Node], *args: Any) -> Symbol:
        """`compute` of the nodes of all arguments, which are broadcast."""
        arrays = np.broadcast_arrays(*(self.nodes_of(each) for each in args))
        found = [compute(self.graph, *nodes) for nodes in zip(*(a.ravel() for a in arrays), strict=True)]
        return self.like(array_of(found, arrays[0].shape))

    def nodes_of(self, value: Any) -> np.ndarray:
        if isinstance(value, Symbol):
            return value.nodes
        if isinstance(value, bool | int | float | np.number):
            return array_of([self.graph.const(float(value))], ())
        raise UnknownOperationError(f"an operation on {type(value).__name__}")

    def like(self, nodes: Any) -> Symbol:
        return Symbol(self.graph, self.model, np.asarray(nodes, dtype=object))

    def refused(self, rule: str, value: Any, allowed: str, todo: str = "") -> InputError:
        return refusal(self.model, rule, value, allowed, todo)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("item", "tolist", "numpy"):
            raise self._number_taken(name)
        if not hasattr(Tensor, name):
            raise AttributeError(name)
        return lambda *args, **kwargs: self.call(name, self, *args, **kwargs)

    def __getitem__(self, index: Any) -> Symbol:
        return self.like(kept_array(self.nodes[index]))

    def __iter__(self) -> Iterator[Symbol]:
        return (self[j] for j in range(self.shape[0]))

    def __len__(self) -> int:
        return int(self.shape[0])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.call("__setitem__")

    def __bool__(self) -> bool:
        todo = "torch.where(condition, a, b) computes both and chooses"
        raise self.refused(
            "it branches on the value of a tensor", "if, and, or, while", "the same for all values", todo
        )

    def _number_taken(self, name: str) -> InputError:
        return self.refused("it takes a number out of a tensor", name, "operations on whole tensors")

    def __float__(self) -> float:
        raise self._number_taken("float")

    def __int__(self) -> int:
        raise self._number_taken("int")

    __index__ = __int__

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self._number_taken("numpy")

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        return int(self.nodes.ndim)


def _flat(values: Any) -> Iterator[Any]:
    for each in values:
        if isinstance(each, list | tuple):
            yield from _flat(each)
        else:
            yield each


def _real(value: Any) -> Any:
    """The same arguments, with a tensor for each symbol."""
    if isinstance(value, Symbol):
        return torch.ones(value.shape, dtype=torch.float64)
    return type(value)(_real(each) for each in value) if isinstance(value, list | tuple) else value


for _name in (
    "add",
    "sub",
    "mul",
    "truediv",
    "rsub",
    "radd",
    "rmul",
    "rtruediv",
    "neg",
    "lt",
    "gt",
    "le",
    "ge",
    "eq",
    "ne",
    "and",
    "rand",
    "or",
    "ror",
    "invert",
    "pow",
    "abs",
):
    setattr(Symbol, f"__{_name}__", lambda self, *args, _n=f"__{_name}__": self.call(_n, self, *args))
for _name in ("iadd", "isub", "imul", "itruediv"):
    setattr(Symbol, f"__{_name}__", lambda self, other, _n=f"{_name}_": self.call(_n, self, other))
Symbol.__hash__ = object.__hash__  # type: ignore[method-assign]
