"""Reads a neuron's step: runs it once on symbols instead of tensors and keeps what it computed as a graph.

A symbol has the shape that a tensor would have for one sample of one neuron, [1,1] or [J,1,1], and holds one node of
the graph for each number. What a compiled scan could not do is refused here, by name: a branch on data, a number taken
out of a tensor, a tensor from outside, an operation in place. An operation that the tables lack is no error: the step
then has no graph, and runs on the portable engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from glifr.engine.graph import Graph, Node
from glifr.errors import InputError, Problem

if TYPE_CHECKING:
    from glifr.engine.definition import NeuronModel


class StepGraph(NamedTuple):
    """A step as a graph. states: nodes of each new state's parts, in the model's order."""

    graph: Graph
    states: tuple[tuple[Node, ...], ...]

    @property
    def outputs(self) -> list[Node]:
        return [node for state in self.states for node in state]


class UnknownOperationError(Exception):
    """A step uses what the tables lack. Its text is the operation's name."""


def trace(model: NeuronModel, masked: bool) -> StepGraph:
    """Traces a step.

    Args:
        model: The neuron model.
        masked: Whether its neurons are masked.

    Returns:
        The graph of the step.

    Raises:
        UnknownOperationError: No table has an operation of the step.
        InputError: No engine can run the step.
    """
    graph = Graph()

    def symbol(kind: str, name: str, count: int | None) -> Symbol:
        nodes = [graph.input(kind, name, j) for j in range(1 if count is None else count)]
        shape = (1, 1) if count is None else (count, 1, 1)
        return Symbol(graph, model.name, _array(nodes, shape))

    gates = [symbol("synaptic", str(gate), None) for gate in range(model.gates)]
    mask: Any = symbol("mask", "", None) if masked else None
    with _watched_functions():
        found = model.step(
            gates[0] if model.gates == 1 else tuple(gates),
            model.State(*(symbol("state", s.name, s.count) for s in model.states)),
            model.Parameters(*(symbol("parameter", p.name, p.count) for p in model.parameters)),
            model.Constants(*(symbol("constant", c.name, None) for c in model.constants)),
            mask,
        )
    if graph.unknown:
        raise UnknownOperationError(graph.unknown[0])
    return StepGraph(
        graph, tuple(_parts(graph, model, state, value) for state, value in zip(model.states, found, strict=True))
    )


def apply(function: Callable[[Any], Any], graph: Graph, name: str, node: Node) -> Node:
    """The node of a function of one number. Raises as `trace`."""
    found = function(Symbol(graph, name, _array([node], (1, 1))))
    return found.nodes.ravel()[0]  # type: ignore[no-any-return]


def _parts(graph: Graph, model: NeuronModel, state: Any, value: Any) -> tuple[Node, ...]:
    shape = (1, 1) if state.count is None else (state.count, 1, 1)
    found = value.shape if isinstance(value, Symbol) else type(value).__name__
    if found != shape:
        raise refusal(model.name, f"the new state {state.name!r} has not the shape of the old one", found, str(shape))
    return tuple(graph.number(node) for node in value.nodes.ravel())


def refusal(model: str, rule: str, value: Any, allowed: str, todo: str = "") -> InputError:
    """The error for a step that no engine can run."""
    return InputError(Problem(f"the step of the neuron model {model!r}: {rule}", "step", value, allowed, todo))


def _array(nodes: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
    found = np.empty(len(nodes), dtype=object)
    found[:] = nodes
    return found.reshape(shape)


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
        if name in _SHAPING:
            return _SHAPING[name](self, *args, **kwargs)
        if name in _ELEMENTWISE:
            unknown = {key for key, value in kwargs.items() if key != "alpha" or value != 1}
            if not unknown:
                return self.elementwise(_ELEMENTWISE[name], *args)
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
        return self.like(_array(nodes, tuple(found.shape)))

    def elementwise(self, compute: Callable[..., Node], *args: Any) -> Symbol:
        """`compute` of the nodes of all arguments, which are broadcast."""
        arrays = np.broadcast_arrays(*(self.nodes_of(each) for each in args))
        found = [compute(self.graph, *nodes) for nodes in zip(*(a.ravel() for a in arrays), strict=True)]
        return self.like(_array(found, arrays[0].shape))

    def nodes_of(self, value: Any) -> np.ndarray:
        if isinstance(value, Symbol):
            return value.nodes
        if isinstance(value, bool | int | float | np.number):
            return _array([self.graph.const(float(value))], ())
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
        return self.like(_kept_array(self.nodes[index]))

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


def _kept_array(found: Any) -> np.ndarray:
    return found if isinstance(found, np.ndarray) else _array([found], ())


def _real(value: Any) -> Any:
    """The same arguments, with a tensor for each symbol."""
    if isinstance(value, Symbol):
        return torch.ones(value.shape, dtype=torch.float64)
    return type(value)(_real(each) for each in value) if isinstance(value, list | tuple) else value


def _power(graph: Graph, base: Node, exponent: Node) -> Node:
    """A small integer power, by products."""
    n = exponent.value
    if exponent.op != "const" or n != int(n) or not 0 <= n <= 8:
        raise UnknownOperationError("pow, but for integer powers from 0 to 8")
    found = graph.const(1)
    for bit in bin(int(n))[2:]:
        found = graph.make("mul", found, found)
        found = graph.make("mul", found, base) if bit == "1" else found
    return found


def _op(name: str, *order: int) -> Callable[..., Node]:
    return lambda graph, *args: graph.make(name, *(args[i] for i in order) if order else args)


def _choose(test: str, swap: bool = False) -> Callable[..., Node]:
    """The one of two numbers for which the test holds; NaN where either is NaN, as torch does."""

    def build(graph: Graph, a: Node, b: Node) -> Node:
        chosen = graph.make("where", graph.make(test, *((b, a) if swap else (a, b))), a, b)
        return chosen if b.op == "const" else graph.make("where", graph.make("eq", a, a), chosen, a)

    return build


def _limited(graph: Graph, x: Node, low: Node | None = None, high: Node | None = None) -> Node:
    x = x if low is None else graph.make("where", graph.make("lt", x, low), low, x)
    return x if high is None else graph.make("where", graph.make("lt", high, x), high, x)


def _rectified(graph: Graph, x: Node) -> Node:
    zero = graph.const(0)
    return graph.make("where", graph.make("le", x, zero), zero, x)


def _magnitude(graph: Graph, x: Node) -> Node:
    zero = graph.const(0)
    return graph.make("where", graph.make("lt", x, zero), graph.make("neg", x), _sign_free(graph, x))


def _sign_free(graph: Graph, x: Node) -> Node:
    """x, without a gradient where it is zero, as torch's abs has none there."""
    zero = graph.const(0)
    return graph.make("where", graph.make("eq", x, zero), zero, x)


def _not_equal(graph: Graph, a: Node, b: Node) -> Node:
    return graph.make("not", graph.make("eq", a, b))


_ELEMENTWISE: Mapping[str, Callable[..., Node]] = {
    **{name: _op("add") for name in ("add", "__add__", "__radd__")},
    **{name: _op("mul") for name in ("mul", "multiply", "__mul__", "__rmul__")},
    **{name: _op("sub") for name in ("sub", "subtract", "__sub__")},
    **{name: _op("sub", 1, 0) for name in ("rsub", "__rsub__")},
    **{name: _op("div") for name in ("div", "divide", "true_divide", "__truediv__")},
    **{name: _op("div", 1, 0) for name in ("__rtruediv__", "__rdiv__")},
    **{name: _op("neg") for name in ("neg", "negative", "__neg__")},
    **{name: _op("lt") for name in ("lt", "less", "__lt__")},
    **{name: _op("lt", 1, 0) for name in ("gt", "greater", "__gt__")},
    **{name: _op("le") for name in ("le", "less_equal", "__le__")},
    **{name: _op("le", 1, 0) for name in ("ge", "greater_equal", "__ge__")},
    **{name: _op("eq") for name in ("eq", "__eq__")},
    **{name: _not_equal for name in ("ne", "not_equal", "__ne__")},
    **{name: _op("and") for name in ("logical_and", "__and__", "__rand__", "bitwise_and")},
    **{name: _op("or") for name in ("logical_or", "__or__", "__ror__", "bitwise_or")},
    **{name: _op("not") for name in ("logical_not", "__invert__", "bitwise_not")},
    **{name: _power for name in ("pow", "__pow__")},
    **{name: _magnitude for name in ("abs", "absolute", "__abs__")},
    **{name: _limited for name in ("clamp", "clip")},
    "clamp_min": lambda graph, x, low: _limited(graph, x, low),
    "clamp_max": lambda graph, x, high: _limited(graph, x, None, high),
    "square": lambda graph, x: graph.make("mul", x, x),
    "reciprocal": lambda graph, x: graph.make("div", graph.const(1), x),
    "relu": _rectified,
    "maximum": _choose("lt", swap=True),
    "minimum": _choose("lt"),
    "where": _op("where"),
    "exp": _op("exp"),
    "sigmoid": _op("sigmoid"),
    "tanh": _op("tanh"),
}
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


def _sum(self: Symbol, x: Symbol, dim: Any = None, keepdim: bool = False, **_: Any) -> Symbol:
    axes = tuple(range(x.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    nodes = x.nodes
    for axis in sorted((a % x.ndim for a in axes), reverse=True):
        terms = [_kept_array(nodes.take(j, axis)) for j in range(nodes.shape[axis])]
        total = self.like(np.full(np.delete(nodes.shape, axis), self.graph.const(0), dtype=object))
        for j, term in enumerate(terms):
            total = self.like(term) if j == 0 else self.elementwise(_op("add"), total, self.like(term))
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


_SHAPING: Mapping[str, Callable[..., Any]] = {
    **{name: _number for name in ("to", "type_as", "float", "double", "clone", "contiguous")},
    "sum": _sum,
    "stack": lambda self, parts, dim=0: self.like(np.stack([self.nodes_of(p) for p in parts], dim)),
    **{
        name: lambda self, parts, dim=0: self.like(np.concatenate([self.nodes_of(p) for p in parts], dim))
        for name in ("cat", "concat")
    },
    "unbind": lambda self, x, dim=0: tuple(self.like(_kept_array(x.nodes.take(j, dim))) for j in range(x.shape[dim])),
    "unsqueeze": lambda self, x, dim: self.like(np.expand_dims(x.nodes, dim)),
    "squeeze": lambda self, x, dim: self.like(np.squeeze(x.nodes, dim)) if x.shape[dim] == 1 else x,
    "select": lambda self, x, dim, index: self.like(_kept_array(x.nodes.take(index, dim))),
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
def _watched_functions() -> Iterator[None]:
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
        gradients = function.backward(context, output.like(_array(unit, output.shape)))
        for given, found in zip(args, gradients if isinstance(gradients, tuple) else (gradients,), strict=True):
            if isinstance(given, Symbol) and isinstance(found, Symbol):
                slopes = np.broadcast_to(found.nodes, given.shape).ravel()
                own += [
                    n for pair in zip(given.nodes.ravel(), slopes, strict=True) if not _is_zero(pair[1]) for n in pair
                ]
    made = [output.graph._node("custom", (value, *own), None) for value, own in zip(numbers, pairs, strict=True)]
    return output.like(_array(made, output.shape))


def _is_zero(node: Node) -> bool:
    return node.op == "const" and node.value == 0 and not math.isnan(node.value)
