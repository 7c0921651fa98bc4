"""What a compiled scan keeps, recomputes and computes, decided once for a neuron model and for every target.

Forward, a step turns the synaptic input of G gates, which lies in memory, into the state. What neurons send is written
to memory of its own. In the place of each gate one other number may be left for the backward scan: a slot, the best of
all nodes of the step. A state that lies in a slot is kept; all others are followed: their values at the start of each
block are kept (checkpoints), and the backward scan recomputes those of the block from it and from what is kept.

A plan has three graphs over these inputs (`graph.Input`): "state" before the step, "new" after it, "slot" of a gate,
"parameter", "constant", "mask", "gradient" of a state after the step; forward also "synaptic".

GLIFR keeps the voltage over the synaptic input and follows the after-spike currents; the LSTM keeps its opened gates
and follows the cell; tanh units keep nothing beside what they send.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from typing import NamedTuple

from glifr.engine.definition import NeuronModel, backward_of, inputs_of, parts
from glifr.engine.graph import HEAVY, Graph, Input, Node, needed, rebuild


class Element(NamedTuple):
    """A part of a state."""

    state: str
    part: int


class Plan:
    """How one model is scanned, with or without masks.

    Attributes:
        elements: Parts of states, in the model's order; the first is sent.
        forward: Their new values.
        slots: For each gate the node of `forward` that is left in its place, or None.
        kept: The gate in whose slot an element lies.
        followed: The elements that are recomputed.
        recompute: Their new values.
        backward: Gradients of `gradients_of`, in its order.
    """

    def __init__(self, model: NeuronModel, masked: bool, slots: Sequence[Node | None]) -> None:
        traced = model.traced(masked)
        self.model, self.masked, graph = model, masked, traced.graph
        self.elements = [Element(s.name, j) for s in model.states for j in parts(s)]
        self.gradients_of = inputs_of(model)
        new = dict(zip(self.elements, traced.outputs, strict=True))
        sent = self.elements[0]
        self.kept = {element: slots.index(node) for element, node in new.items() if element != sent and node in slots}
        self.followed = [e for e in self.elements if e != sent and e not in self.kept]
        places = [(gate, node) for gate, node in enumerate(slots) if node is not None and _computed_or_gate(node)]
        known = {node: graph.input("slot", str(gate)) for gate, node in places}
        ends: dict[Node, Node] = {node: graph.input("new", *e) for e, node in new.items() if _computed_or_gate(node)}
        after, before = (
            known | ends,
            known | {n: end for n, end in ends.items() if n not in map(new.get, self.followed)},
        )
        sums = backward_of(model, masked)
        self.recompute = _hoisted_divisions(graph, rebuild(graph, [new[e] for e in self.followed], before))
        self.backward = _hoisted_divisions(graph, rebuild(graph, sums, after))
        stored = [n for n in slots if n is not None]
        both = _hoisted_divisions(graph, rebuild(graph, [*new.values(), *stored], {}))
        self.forward, left = both[: len(new)], iter(both[len(new) :])
        self.slots = [None if n is None else next(left) for n in slots]

    @cached_property
    def possible(self) -> bool:
        """True if the backward scan reads no synaptic input that is gone."""
        return not any(
            n.op == "input" and n.value.kind == "synaptic" for n in needed([*self.recompute, *self.backward])
        )

    @cached_property
    def cost(self) -> int:
        """Of the backward scan for a step, in additions."""
        each = [n for outputs in (self.recompute, self.backward) for n in needed(outputs) if not is_invariant(n)]
        operations = sum(HEAVY.get(n.op, 0 if n.op in ("const", "input") else 1) for n in each)
        return operations + 4 * len(self.followed) + 2 * sum(n is not None for n in self.slots)


def _computed_or_gate(node: Node) -> bool:
    """True if it is worth a place: neither a number nor what can be read elsewhere."""
    return node.op != "const" and (node.op != "input" or node.value.kind == "synaptic")


@cache
def plan(model: NeuronModel, masked: bool) -> Plan:
    """The cheapest way back: each gate's slot is chosen in turn. InputError for a model without a graph."""
    traced = model.traced(masked)
    gates = [traced.graph.input("synaptic", str(g)) for g in range(model.gates)]
    slots: list[Node | None] = list(gates)
    best = Plan(model, masked, slots)
    while True:
        before = best
        for gate in range(model.gates):
            for node in [None, *_candidates(traced.outputs, gates[gate], model.gates)]:
                if node is not None and node in slots[:gate] + slots[gate + 1 :]:
                    continue
                tried = Plan(model, masked, [*slots[:gate], node, *slots[gate + 1 :]])
                if tried.possible and tried.cost < best.cost:
                    best, slots = tried, [*slots[:gate], node, *slots[gate + 1 :]]
        if best is before:
            return best


def _candidates(outputs: Sequence[Node], gate: Node, gates: int) -> list[Node]:
    """What depends on a gate, of several on it alone, and is a number."""
    found = []
    for node in needed(outputs):
        reads = {n for n in needed([node]) if n.op == "input" and n.value.kind == "synaptic"}
        if gate in reads and (len(reads) == 1 or (gates > 1 and node in outputs[1:])):
            found.append(node)
    return [n for n in found if n.op not in ("lt", "le", "eq", "and", "or", "not")]


_VARIES = frozenset({"synaptic", "state", "new", "slot", "mask", "gradient"})


def is_invariant(node: Node) -> bool:
    """True if it is the same in all steps and samples: made of parameters and constants alone."""
    if "invariant" not in node.__dict__:
        own = node.op != "input" or node.value.kind not in _VARIES
        node.__dict__["invariant"] = own and all(is_invariant(a) for a in node.args)
    found: bool = node.__dict__["invariant"]
    return found


def is_uniform(node: Node) -> bool:
    """True if it is the same for all neurons too: made of constants alone."""
    return is_invariant(node) and not any(n.op == "input" and n.value.kind == "parameter" for n in needed([node]))


def hoisted(outputs: Sequence[Node]) -> list[Node]:
    """Invariant nodes that others read, but plain numbers: what is computed before the loop over steps."""
    found: dict[Node, None] = {}
    for node in needed(outputs):
        if not is_invariant(node):
            found |= {a: None for a in node.args if is_invariant(a) and a.op != "const"}
    return list(found)


def _hoisted_divisions(graph: Graph, outputs: Sequence[Node]) -> list[Node]:
    """The same, with a product instead of each division by what is invariant."""
    new: dict[Node, Node] = {}
    for node in needed(outputs):
        args = [new[a] for a in node.args]
        if node.op == "div" and is_invariant(args[1]) and not is_invariant(args[0]):
            new[node] = graph.make("mul", args[0], graph.make("div", graph.const(1), args[1]))
        else:
            new[node] = node if node.op in ("const", "input") else graph.make(node.op, *args)
    return [new[node] for node in outputs]


def reads(outputs: Sequence[Node]) -> list[Input]:
    """The inputs of some nodes."""
    return [node.value for node in needed(outputs) if node.op == "input"]
