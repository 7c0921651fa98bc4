"""Which row of memory is what when a plan is scanned, on every target."""

from __future__ import annotations

from functools import cache

from glifr.engine.definition import NeuronModel, stored_reads
from glifr.engine.graph import Input, Node, pullback, rebuild
from glifr.engine.plan import Plan, hoisted, is_invariant, plan


class Layout:
    """Which row of memory holds what, for one plan.

    Args:
        plan: The plan.
        learned: Whether there are sums for the gradients of parameters.
        stored: Whether parameters are read as they are stored; the slopes of their values, one for each sum, are then
            the last coefficients.
    """

    def __init__(self, plan: Plan, learned: bool, stored: bool) -> None:
        self.plan, self.facts = plan, (plan.masked, learned, stored)
        model = plan.model
        self.sent = plan.elements[0]
        self.place = {element: n for n, element in enumerate(plan.elements)}  # in start, state and gradients
        self.stepwise = [self.sent, *plan.kept]  # elements that lie in memory step by step
        self.checkpoint = {element: n for n, element in enumerate(plan.followed)}
        gradients = zip(plan.gradients_of, plan.backward, strict=True)
        self.backward = {which: node for which, node in gradients if learned or which.kind != "parameter"}
        self.learned_parts = [which for which in self.backward if which.kind == "parameter"]
        self.parameters = {w: n for n, w in enumerate(w for w in plan.gradients_of if w.kind == "parameter")}
        self.constants = {Input("constant", c.name): n for n, c in enumerate(model.constants)}
        rows: dict[Node, None] = {}
        for outputs in (self.forward_outputs, plan.recompute, list(self.backward.values())):
            rows |= dict.fromkeys([*hoisted(outputs), *(n for n in outputs if is_invariant(n) and n.op != "const")])
        self.coefficients = {node: n for n, node in enumerate(rows)}
        self.rows = list(rows)  # what is computed for each, and slopes
        self.slopes = len(self.learned_parts) if stored else 0
        if stored:
            graph = model.traced(plan.masked).graph
            reads = stored_reads(model, graph)
            own = [graph.input(*which) for which in self.learned_parts]
            slopes = [pullback(graph, [reads[node]], [graph.const(1)], [node])[0] for node in own]
            self.rows = [*rebuild(graph, self.rows, reads), *slopes]

    @property
    def forward_outputs(self) -> list[Node]:
        return [*self.plan.forward, *(n for n in self.plan.slots if n is not None)]


@cache
def layout_of(model: NeuronModel, masked: bool, learned: bool, stored: bool) -> Layout:
    """Which memory the scans of a model need. learned, stored: as in `Layout`."""
    return Layout(plan(model, masked), learned, stored)
