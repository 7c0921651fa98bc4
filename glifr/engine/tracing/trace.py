"""Traces a step, and functions of one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from glifr.engine.graph import Graph, Node
from glifr.engine.tracing.arrays import array_of
from glifr.engine.tracing.own_functions import watched_functions
from glifr.engine.tracing.refusals import UnknownOperationError, refusal
from glifr.engine.tracing.symbol import Symbol

if TYPE_CHECKING:
    from glifr.engine.definition import NeuronModel


class StepGraph(NamedTuple):
    """A step as a graph. states: nodes of each new state's parts, in the model's order."""

    graph: Graph
    states: tuple[tuple[Node, ...], ...]

    @property
    def outputs(self) -> list[Node]:
        return [node for state in self.states for node in state]


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
        return Symbol(graph, model.name, array_of(nodes, shape))

    gates = [symbol("synaptic", str(gate), None) for gate in range(model.gates)]
    mask: Any = symbol("mask", "", None) if masked else None
    with watched_functions():
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
    found = function(Symbol(graph, name, array_of([node], (1, 1))))
    return found.nodes.ravel()[0]  # type: ignore[no-any-return]


def _parts(graph: Graph, model: NeuronModel, state: Any, value: Any) -> tuple[Node, ...]:
    shape = (1, 1) if state.count is None else (state.count, 1, 1)
    found = value.shape if isinstance(value, Symbol) else type(value).__name__
    if found != shape:
        raise refusal(model.name, f"the new state {state.name!r} has not the shape of the old one", found, str(shape))
    return tuple(graph.number(node) for node in value.nodes.ravel())
