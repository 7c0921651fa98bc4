"""`python -m glifr.engine show NEURON`: its graph, what a scan keeps and recomputes, the derivative, the digest."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from glifr.engine.definition import NeuronModel
from glifr.engine.graph import Node, needed
from glifr.engine.plan import plan
from glifr.neurons import glifr, lstm, tanh


def _section(title: str, named: Sequence[tuple[str, Node]]) -> list[str]:
    """Each node that these need, in the order of evaluation, and which of them is what."""
    lines = [f"  {node!r}" for node in needed([node for _, node in named])]
    return [f"{title}:", *lines, *(f"  {name}: %{node.number}" for name, node in named)]


def show(model: NeuronModel, masked: bool = False) -> str:
    """What the engines make of a model; InputError for one without a graph."""
    own = plan(model, masked)
    elements = {e: f"{e.state}[{e.part}]" for e in own.elements}
    slots = [(f"in the place of gate {g}", node) for g, node in enumerate(own.slots) if node is not None]
    recomputed = [(elements[e], node) for e, node in zip(own.followed, own.recompute, strict=True)]
    gradients = [(f"{i.kind} {i.name}[{i.part}]", node) for i, node in zip(own.gradients_of, own.backward, strict=True)]
    lines = [
        f"neuron {model.name}",
        f"digest {model.digest}",
        *_section("step", [(elements[e], node) for e, node in zip(own.elements, own.forward, strict=True)]),
        *_section("kept for the derivative", slots),
        *_section("recomputed", recomputed),
        *_section("derivative, the gradients of", gradients),
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m glifr.engine", description=__doc__)
    command = parser.add_subparsers(dest="command", required=True).add_parser("show", help="prints a neuron model")
    command.add_argument("neuron", choices=("glifr", "tanh", "lstm"))
    command.add_argument("--ascs", type=int, default=2, choices=range(17), metavar="J", help="after-spike currents")
    given = parser.parse_args(arguments)
    model = glifr(given.ascs) if given.neuron == "glifr" else tanh() if given.neuron == "tanh" else lstm()
    print(show(model))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
