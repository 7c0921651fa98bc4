"""Torch's elementwise functions on nodes of a graph: what each is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from glifr.engine.graph import Graph, Node
from glifr.engine.tracing.refusals import UnknownOperationError


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


def operation(name: str, *order: int) -> Callable[..., Node]:
    """The operation of a name, its arguments in an order."""
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


ELEMENTWISE: Mapping[str, Callable[..., Node]] = {
    **{name: operation("add") for name in ("add", "__add__", "__radd__")},
    **{name: operation("mul") for name in ("mul", "multiply", "__mul__", "__rmul__")},
    **{name: operation("sub") for name in ("sub", "subtract", "__sub__")},
    **{name: operation("sub", 1, 0) for name in ("rsub", "__rsub__")},
    **{name: operation("div") for name in ("div", "divide", "true_divide", "__truediv__")},
    **{name: operation("div", 1, 0) for name in ("__rtruediv__", "__rdiv__")},
    **{name: operation("neg") for name in ("neg", "negative", "__neg__")},
    **{name: operation("lt") for name in ("lt", "less", "__lt__")},
    **{name: operation("lt", 1, 0) for name in ("gt", "greater", "__gt__")},
    **{name: operation("le") for name in ("le", "less_equal", "__le__")},
    **{name: operation("le", 1, 0) for name in ("ge", "greater_equal", "__ge__")},
    **{name: operation("eq") for name in ("eq", "__eq__")},
    **{name: _not_equal for name in ("ne", "not_equal", "__ne__")},
    **{name: operation("and") for name in ("logical_and", "__and__", "__rand__", "bitwise_and")},
    **{name: operation("or") for name in ("logical_or", "__or__", "__ror__", "bitwise_or")},
    **{name: operation("not") for name in ("logical_not", "__invert__", "bitwise_not")},
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
    "where": operation("where"),
    "exp": operation("exp"),
    "sigmoid": operation("sigmoid"),
    "tanh": operation("tanh"),
}
