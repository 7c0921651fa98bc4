"""Neuron models: what is refused when one is defined, what its digest is, and what its plan keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from engine_cases import MODELS
from torch import Tensor

from glifr.engine import backends, notes
from glifr.engine.definition import DECAY, Constant, NeuronModel, Parameter, State
from glifr.engine.graph import Graph
from glifr.engine.plan import plan
from glifr.errors import InputError
from glifr.neurons import glifr, lstm, tanh
from glifr.neurons.published import PUBLISHED

OUTSIDE = torch.ones(3, dtype=torch.float64)


def defined(step: Callable[..., Any], **facts: Any) -> NeuronModel:
    given = {"states": (State("a"), State("v")), "parameters": (Parameter("k", None, DECAY),)} | facts
    return NeuronModel("own", given["states"], given["parameters"], (Constant("c", 0.7),), step)


def mixes_neurons(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
    return s.sum(-1, keepdim=True) + states.v, states.v


def mixes_samples(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
    return s - s.mean(-2, keepdim=True), states.v


def mixes_replicas(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
    return s + s.sum(-3), states.v


def branches(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
    return (s if bool((s > 0).any()) else -s), states.v


def takes_a_number(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
    return s * float(c.c), states.v


def uses_a_tensor_from_outside(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
    return s * OUTSIDE, states.v


def changes_in_place(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
    v = states.v * 1
    v += s
    return v, states.v


def calls_in_place(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
    return (states.v * 1).add_(s), states.v


def forgets_a_state(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
    return (s,)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (mixes_neurons, "of one of the neurons depends on another's"),
        (mixes_samples, "of one of the samples depends on another's"),
        (mixes_replicas, "of one of the replicas depends on another's"),
        (branches, "branches on the value of a tensor"),
        (takes_a_number, "takes a number out of a tensor"),
        (uses_a_tensor_from_outside, "uses a tensor from outside"),
        (changes_in_place, "changes a tensor in place"),
        (calls_in_place, "changes a tensor in place"),
        (forgets_a_state, "another number of states"),
    ],
)
def test_a_step_that_no_engine_can_run_is_refused_with_the_reason(step: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        defined(step)


def test_names_and_a_state_with_parts_first_are_refused() -> None:
    with pytest.raises(InputError, match="no names"):
        defined(lambda s, states, p, c, mask: states, states=(State("a b"),))
    with pytest.raises(InputError, match="no names"):
        defined(lambda s, states, p, c, mask: states, states=(State("a"), State("a")))
    with pytest.raises(InputError, match="what it sends"):
        defined(lambda s, states, p, c, mask: states, states=(State("a", 2),))
    with pytest.raises(InputError, match="has a state"):
        defined(lambda s, states, p, c, mask: states, states=())


def uses_erf(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
    return torch.erf(s), states.v


def test_a_step_that_cannot_be_compiled_runs_on_the_portable_engine_and_says_so() -> None:
    model = defined(uses_erf)
    assert model.unknown == "erf"
    assert model.digest == ""
    notes.take_notes()
    with pytest.warns(RuntimeWarning, match="erf"):
        assert backends.choose_backend("auto", model=model) == "torch"
    assert "portable engine" in notes.take_notes()[0]
    assert backends.choose_backend("auto", model=model) == "torch"
    assert not notes.take_notes()
    with pytest.raises(InputError, match="cannot be compiled"):
        backends.choose_backend("cpu", model=model)


def wrong_derivative(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
    return _Clipped.apply(s), states.v


class _Clipped(torch.autograd.Function):
    """Its backward is no linear function of the gradient, which a graph cannot hold."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * gradient


def test_a_graph_whose_derivative_is_not_that_of_the_step_is_refused() -> None:
    with pytest.raises(InputError, match="the derivative of its graph"):
        defined(wrong_derivative)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_digest_is_the_same_everywhere(name: str) -> None:
    """These values hold for every supported torch, Python and device."""
    model = glifr(int(name[-1])) if name.startswith("glifr") else MODELS[name]
    assert model.digest == PUBLISHED[name]


def test_the_digest_is_of_what_is_computed() -> None:
    def first(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
        return s * p.k + states.v, states.v

    def swapped(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
        return states.v + p.k * s, states.v

    def doubled(s: Tensor, states: Any, p: Any, c: Any, mask: Any) -> Any:
        return s * p.k + 2 * states.v, states.v

    assert defined(first).digest == defined(swapped).digest
    assert defined(first).digest != defined(doubled).digest
    assert defined(first).digest != defined(first, parameters=(Parameter("k"),)).digest  # another transform


def test_what_is_kept_and_what_is_recomputed() -> None:
    own = plan(glifr(2), False)
    assert [e.state for e in own.kept] == ["voltage"]
    assert [(e.state, e.part) for e in own.followed] == [("ascurrents", 0), ("ascurrents", 1)]
    assert plan(tanh(), False).slots == [None]
    cell = plan(lstm(), True)
    assert [n.op for n in cell.slots if n is not None] == ["sigmoid", "sigmoid", "tanh", "sigmoid"]
    assert [e.state for e in cell.followed] == ["cell"]


def test_folding_changes_no_result() -> None:
    graph = Graph()
    x, one, zero = graph.input("state", "x"), graph.const(1), graph.const(0)
    assert graph.make("mul", x, one) is x
    assert graph.make("add", zero, x) is x
    assert graph.make("neg", graph.make("neg", x)) is x
    assert graph.make("mul", x, zero).op == "mul"  # infinity times zero is no number
    assert graph.make("add", x, one) is graph.make("add", x, one)
    assert graph.make("sub", one, one).value == 0
