"""A small graph of scalar operations: what a neuron's step is once it is traced, and its derivative.

One node stands for one number of one neuron, sample and step; a state of J parts is J nodes. Nodes are hash-consed, so
equal expressions are one node, and folded where that changes no result. A node's arguments come before it: the order in
which they were made is an order of evaluation.

Every backend reads these operations, one table each: `evaluate` here, LLVM in `cpu/codegen.py`, Triton's own.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Input(NamedTuple):
    """What a node reads.

    Attributes:
        kind: "synaptic", "state" (before the step), "parameter", "constant", "mask", "gradient" (that reaches a state
            after the step); in a plan also "new" (a state after the step) and "slot" (what was stored in the place of a
            gate).
        name: The name of the state, parameter or constant; the number of the gate.
        part: Which of a state's or parameter's J, 0 where it has one.
    """

    kind: str
    name: str = ""
    part: int = 0


class Node:
    """An operation on earlier nodes. value: of "const" its number, of "input" its `Input`."""

    __slots__ = ("__dict__", "args", "number", "op", "value")

    def __init__(self, number: int, op: str, args: tuple[Node, ...], value: Any) -> None:
        self.number, self.op, self.args, self.value = number, op, args, value

    def __repr__(self) -> str:
        inner = repr(self.value) if self.value is not None else ", ".join(f"%{a.number}" for a in self.args)
        return f"%{self.number} = {self.op}({inner})"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what it computes; the order of a sum's or product's two terms has no part in it."""
        value = self.value.hex() if isinstance(self.value, float) else repr(tuple(self.value or ()))
        args = [a.digest for a in self.args]
        return hashlib.sha256(
            "|".join([self.op, value, *(sorted(args) if self.op in _SYMMETRIC else args)]).encode()
        ).hexdigest()


_SYMMETRIC = frozenset({"add", "mul", "eq", "and", "or"})
_FOLD: Mapping[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b if b else math.copysign(math.inf, a) * math.copysign(1, b) if a and a == a else math.nan,
    "neg": lambda a: -a,
    "lt": lambda a, b: float(a < b),
    "le": lambda a, b: float(a <= b),
    "eq": lambda a, b: float(a == b),
    "and": lambda a, b: float(bool(a) and bool(b)),
    "or": lambda a, b: float(bool(a) or bool(b)),
    "not": lambda a: float(not a),
    "where": lambda c, a, b: a if c else b,
}
LOGICAL = frozenset({"lt", "le", "eq", "and", "or", "not"})  # their value is a truth
HEAVY: Mapping[str, int] = {"exp": 12, "sigmoid": 16, "tanh": 24, "div": 6}  # cost, in additions


class Graph:
    """Makes nodes. unknown: operations that no table has, whose results are inputs of the kind "opaque"."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.unknown: list[str] = []
        self._known: dict[tuple[Any, ...], Node] = {}

    def const(self, value: float) -> Node:
        return self._node("const", (), float(value))

    def input(self, kind: str, name: str = "", part: int = 0) -> Node:
        return self._node("input", (), Input(kind, name, part))

    def make(self, op: str, *args: Node) -> Node:
        """The node of an operation: folded, and one for all that are equal."""
        args = tuple(self._as_read(op, n, a) for n, a in enumerate(args))
        constants = [a.value for a in args if a.op == "const"]
        if op in _FOLD and len(constants) == len(args):
            return self.const(_FOLD[op](*constants))
        return self._simpler(op, args) or self._node(op, args, None)

    def number(self, node: Node) -> Node:
        """The node; a truth as 1 or 0."""
        return self.make("where", node, self.const(1), self.const(0)) if node.op in LOGICAL else node

    def _as_read(self, op: str, place: int, arg: Node) -> Node:
        """An argument as its operation takes it: a truth or a number."""
        if op in ("and", "or", "not") or (op == "where" and place == 0):
            truth = arg.op in LOGICAL or arg.op == "const"
            return arg if truth else self.make("not", self.make("eq", arg, self.const(0)))
        return self.number(arg)

    def _simpler(self, op: str, args: tuple[Node, ...]) -> Node | None:
        first, last = args[0], args[-1]
        if op in ("add", "sub") and _is(last, 0):
            return first
        if op == "add":
            return last if _is(first, 0) else self.make("sub", first, last.args[0]) if last.op == "neg" else None
        if op == "sub":
            return self.make("neg", last) if _is(first, 0) else None
        if op in ("mul", "div") and _is(last, 1):
            return first
        if op == "mul":
            return (
                last
                if _is(first, 1)
                else self.make("neg", _other(args, -1))
                if _is(first, -1) or _is(last, -1)
                else None
            )
        if op == "neg" and first.op == "neg":
            return first.args[0]
        if op == "where" and first.op == "const":
            return args[1] if first.value else args[2]
        return args[1] if op == "where" and args[1] is args[2] else None

    def _node(self, op: str, args: tuple[Node, ...], value: Any) -> Node:
        key = (
            op,
            *(a.number for a in args),
            math.copysign(1, value) if op == "const" else None,
            value if value == value else "nan",
        )
        if key not in self._known:
            self._known[key] = Node(len(self.nodes), op, args, value)
            self.nodes.append(self._known[key])
        return self._known[key]


def _is(node: Node, value: float) -> bool:
    return node.op == "const" and node.value == value


def _other(args: tuple[Node, ...], value: float) -> Node:
    return args[1] if _is(args[0], value) else args[0]


def needed(outputs: Iterable[Node], stop: Mapping[Node, Any] | frozenset[Node] = frozenset()) -> list[Node]:
    """All nodes that the outputs are made from, in an order of evaluation; nothing behind those of `stop`."""
    found, left = set[Node](), list(outputs)
    while left:
        node = left.pop()
        if node not in found:
            found.add(node)
            left += () if node in stop else node.args
    return sorted(found, key=lambda node: node.number)


def rebuild(graph: Graph, outputs: Sequence[Node], known: Mapping[Node, Node]) -> list[Node]:
    """The outputs, with every node of `known` replaced by what it maps to, and custom derivatives by their values."""
    new = dict(known)
    for node in needed(outputs, stop=known):
        if node in new:
            continue
        if node.op == "custom":
            new[node] = new[node.args[0]]
        elif node.op in ("const", "input"):
            new[node] = node
        else:
            new[node] = graph.make(node.op, *(new[a] for a in node.args))
    return [new[node] for node in outputs]


def pullback(graph: Graph, outputs: Sequence[Node], seeds: Sequence[Node], wanted: Sequence[Node]) -> list[Node]:
    """Differentiates a graph backwards.

    Sums of gradients are in the order in which the step used a node, from the last use to the first.

    Args:
        graph: The graph, to which nodes are added.
        outputs: Nodes whose gradients are given.
        seeds: Their gradients.
        wanted: Nodes whose gradients are wanted.

    Returns:
        The gradient of each wanted node.
    """
    gradients: dict[Node, Node] = {}

    def add(node: Node, gradient: Node) -> None:
        before = gradients.get(node)
        gradients[node] = gradient if before is None else graph.make("add", before, gradient)

    for output, seed in zip(outputs, seeds, strict=True):
        add(output, seed)
    for node in reversed(needed(outputs)):
        if node in gradients:
            for arg, gradient in _through(graph, node, gradients[node]):
                add(arg, gradient)
    return [gradients.get(node, graph.const(0)) for node in wanted]


def _through(graph: Graph, y: Node, g: Node) -> list[tuple[Node, Node]]:
    """The arguments of y with a gradient, each with what y's gradient g is to it."""
    make, one, zero = graph.make, graph.const(1), graph.const(0)
    match y.op, y.args:
        case "add", (a, b):
            return [(a, g), (b, g)]
        case "sub", (a, b):
            return [(a, g), (b, make("neg", g))]
        case "mul", (a, b):
            return [(a, make("mul", g, b)), (b, make("mul", g, a))]
        case "div", (a, b):
            share = make("div", g, b)
            return [(a, share), (b, make("neg", make("mul", share, y)))]
        case "neg", (a,):
            return [(a, make("neg", g))]
        case "exp", (a,):
            return [(a, make("mul", g, y))]
        case "sigmoid", (a,):  # the product of the two is off the chain of gradients
            return [(a, make("mul", g, make("mul", y, make("sub", one, y))))]
        case "tanh", (a,):
            return [(a, make("mul", g, make("sub", one, make("mul", y, y))))]
        case "where", (c, a, b):
            return [(a, make("where", c, g, zero)), (b, make("where", c, zero, g))]
        case "custom", (_, *pairs):
            return [(x, make("mul", g, slope)) for x, slope in zip(pairs[::2], pairs[1::2], strict=True)]
    return []


_TORCH: Mapping[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "neg": torch.neg,
    "exp": torch.exp,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "lt": torch.lt,
    "le": torch.le,
    "eq": torch.eq,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "not": torch.logical_not,
    "where": torch.where,
    "custom": lambda value, *_: value,
}
OPERATIONS = frozenset(_TORCH) - {"custom"}


def evaluate(outputs: Sequence[Node], read: Callable[[Input], Tensor], like: Tensor) -> list[Tensor]:
    """The outputs on tensors. read: gives an input's. like: of the type and device of the numbers."""
    values: dict[Node, Tensor] = {}
    for node in needed(outputs):
        if node.op == "input":
            values[node] = read(node.value)
        elif node.op == "const":
            values[node] = like.new_tensor(node.value)
        else:
            values[node] = _TORCH[node.op](*(values[a] for a in node.args))
    return [values[node] for node in outputs]


def digest(outputs: Iterable[Node]) -> str:
    """SHA-256 of what a list of nodes computes, in their order."""
    return hashlib.sha256("|".join(node.digest for node in outputs).encode()).hexdigest()
