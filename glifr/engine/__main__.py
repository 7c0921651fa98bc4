"""`python -m glifr.engine show NEURON`: its graph, what a scan keeps and recomputes, the derivative, the digest."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from glifr.engine.cuda.codegen import kernels_of
from glifr.engine.definition import NeuronModel
from glifr.engine.graph import Node, needed
from glifr.engine.layout import layout_of
from glifr.engine.plan import plan
from glifr.errors import InputError, Problem, nearest
from glifr.neurons import glifr, lstm, tanh
from glifr.outside import is_reference, load_object


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


def model_named(name: str, ascs: int = 2) -> NeuronModel:
    """Finds a neuron model by name.

    Args:
        name: A model of the project, or one's own: `module:object`, or `file.py:object`.
        ascs: After-spike currents, for a model that is made with a number of them.

    Returns:
        The model.

    Raises:
        InputError: There is none.
    """
    own: dict[str, Callable[[], NeuronModel]] = {"glifr": lambda: glifr(ascs), "tanh": tanh, "lstm": lstm}
    if name in own:
        return own[name]()
    file, _, path = name.rpartition(":")
    if file.endswith(".py"):
        sys.path.insert(0, str(Path(file).absolute().parent))
        name = f"{Path(file).stem}:{path}"
    if not is_reference(name):
        allowed = f"{', '.join(own)}; or module:object or file.py:object of your own"
        raise InputError(Problem("there is no such neuron model", "NEURON", name, allowed, nearest(name, list(own))))
    try:
        return load_object(name, NeuronModel)
    except ModuleNotFoundError as error:
        rule, todo = (
            f"the code of the neuron model cannot be imported ({error})",
            "give its file: my_neuron.py:adaptive",
        )
        raise InputError(Problem(rule, "NEURON", name, todo=todo)) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m glifr.engine", description=__doc__)
    command = parser.add_subparsers(dest="command", required=True).add_parser("show", help="prints a neuron model")
    command.add_argument("neuron", help="glifr, tanh, lstm; or module:object or file.py:object of your own")
    command.add_argument("--ascs", type=int, default=2, choices=range(17), metavar="J", help="after-spike currents")
    command.add_argument("--code", action="store_true", help="also the generated Triton kernels")
    given = parser.parse_args(arguments)
    try:
        model = model_named(given.neuron, given.ascs)
        print(show(model))
        if given.code:
            print(kernels_of(layout_of(model, masked=False, learned=True, stored=True)))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
