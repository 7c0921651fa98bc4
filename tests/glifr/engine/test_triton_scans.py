"""Engine "triton" against the plain loop, its generated kernels run by Triton's interpreter on the CPU."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from engine_cases import MODELS, EngineCase, agrees, any_case, make, outputs_and_gradients, same
from hypothesis import Phase, given, settings

from glifr.engine import cuda, reference
from glifr.engine.backends import choose_backend
from glifr.engine.graph import OPERATIONS
from glifr.engine.layout import layout_of
from glifr.errors import InputError
from glifr.networks import BNNFC, LSTMFC, RNNFC

pytestmark = [
    pytest.mark.usefixtures("unwritten_memory_is_nan", "interpreter"),
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed"),
]
GLIFR = ("glifr 0", "glifr 2", "glifr 3")
ANY = any_case(steps=13, delay=15, batch=4, inputs=3, hidden=5)


@pytest.fixture(scope="module")
def interpreter() -> Iterator[None]:
    importlib.import_module("triton")  # its own library, once for all tests, as the environment says
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        from glifr.engine.cuda import launch

        patch.setattr(launch, "SMALL_BLOCK", 64)  # the interpreter takes long for each program
        yield


# No shrinking: the interpreter is slow, and cases are small.
@settings(max_examples=30, deadline=None, derandomize=True, phases=[Phase.generate])
@given(ANY)
def test_agrees_with_the_loop_at_any_size(case: EngineCase) -> None:
    agrees(cuda.run, case)


@pytest.mark.parametrize("model", MODELS)
def test_each_model_agrees_with_the_loop(model: str) -> None:
    agrees(cuda.run, EngineCase(model, steps=9, delay=4, replicas=2, initial=True, history=True, hidden=5), seed=1)
    agrees(cuda.run, EngineCase(model, steps=12, delay=1, mask="dropout", stored=True, hidden=3), seed=2)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(EngineCase(steps=17, delay=500, hidden=5), id="delay far longer than the sequence"),
        pytest.param(EngineCase(steps=17, delay=8, history=True, hidden=7, batch=5), id="full blocks, then one step"),
        pytest.param(EngineCase(steps=28, delay=20, batch=2, hidden=3), id="line MNIST's blocks, of several segments"),
        pytest.param(
            EngineCase("glifr 3", steps=1, delay=1, initial=True, history=True, mask="dropout"), id="one step"
        ),
        pytest.param(EngineCase(steps=9, delay=4, replicas=2, shared_input=True, mask="neurons"), id="one input"),
        pytest.param(EngineCase("lstm", steps=9, delay=8, batch=11, hidden=13, mask="dropout"), id="three programs"),
    ],
)
def test_agrees_with_the_loop_at_the_edges(case: EngineCase) -> None:
    agrees(cuda.run, case, seed=5)


@pytest.mark.parametrize("model", ["glifr 2", "lstm"])
def test_backward_again_and_two_runs_give_the_same_bits(model: str) -> None:
    case = EngineCase(model, steps=8, delay=5, mask="dropout", hidden=33, stored=True)
    first, second = (outputs_and_gradients(cuda.run, case, dtype=torch.float32) for _ in range(2))
    assert same(first, second)
    sequence, leaves = make(case, dtype=torch.float32)
    loss = cuda.run(sequence).sent.square().sum()
    once, again = (torch.autograd.grad(loss, leaves, retain_graph=True) for _ in range(2))
    assert same([*once], [*again])


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # numpy's, in the interpreter
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_diverged_replica_shows_and_leaves_the_others_alone(value: float) -> None:
    case = EngineCase(steps=9, delay=4, replicas=2, hidden=5)
    (healthy, leaves), (sick, broken) = make(case, dtype=torch.float32), make(case, dtype=torch.float32)
    with torch.no_grad():
        broken[2][1, 3, 3] = value  # a lateral weight of the second replica
    wanted, found = cuda.run(healthy).sent, cuda.run(sick).sent
    wanted.sum().backward()
    found.sum().backward()
    assert torch.equal(found[0], wanted[0])
    assert found[1].isnan().any()
    for mine, theirs in zip(broken[1:4], leaves[1:4], strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert torch.equal(mine.grad[0], theirs.grad[0])
        assert not mine.grad[1].isfinite().all()


def test_no_gradient_for_what_needs_none() -> None:
    sequence, leaves = make(EngineCase(), dtype=torch.float32)
    fixed = type(sequence.parameters)(*(t.detach() for t in sequence.parameters))
    cuda.run(sequence._replace(parameters=fixed, x=sequence.x.detach())).sent.square().sum().backward()
    wanted, others = make(EngineCase(), dtype=torch.float32)
    reference.run(wanted).sent.square().sum().backward()
    for found, right in zip(leaves[1:3], others[1:3], strict=True):
        torch.testing.assert_close(found.grad, right.grad, rtol=1e-4, atol=1e-6)
    assert all(leaf.grad is None for leaf in [leaves[0], *leaves[3:]])
    with torch.no_grad():
        assert not cuda.run(wanted).sent.requires_grad


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 7, 1), (1, 3, 1, 4), (2, 3, 7, 4)])
def test_a_mask_of_any_shape_and_type_is_taken(shape: tuple[int, ...]) -> None:
    sequence, _ = make(EngineCase(replicas=2), dtype=torch.float32)
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(2)) > 0.4
    wanted = reference.run(sequence._replace(mask=mask.float())).sent
    torch.testing.assert_close(cuda.run(sequence._replace(mask=mask)).sent, wanted)


def test_every_operation_is_in_the_table() -> None:
    from glifr.engine.cuda import codegen

    assert set(codegen.TABLE) == OPERATIONS


@pytest.mark.parametrize("held", [1, 2, 5, 6, 9, 40, 90])
def test_segments_are_short_and_even(held: int) -> None:
    from glifr.engine.cuda.launch import segment_steps

    for delay in (*range(1, 40), 300, 500):
        segment = segment_steps(delay, 1000, held)
        assert 1 <= segment <= min(delay, 8)
        assert segment == 1 or segment * held <= 40
        assert math.ceil(delay / segment) * segment - delay < segment
        assert segment_steps(delay, 3, held) <= 3


def test_the_same_model_gives_the_same_text_whatever_was_made_before() -> None:
    """Triton keeps compiled code by it."""
    from glifr.engine.cuda.codegen import kernels_of
    from glifr.engine.layout import Layout
    from glifr.engine.plan import plan

    model = MODELS["adaptive"]
    first = kernels_of(layout_of(model, True, True, True))
    assert model.digest
    layout_of(model, True, False, True)
    assert kernels_of(Layout(plan(model, True), True, True)) == first


def test_memory_that_is_written_must_be_whole() -> None:
    from glifr.engine.cuda.launch import Scans, Sizes

    values = torch.empty(1, 3, 4, 5)
    tensors: dict[str, Any] = {"values": values, "sent": values, "start": values, "parameters": values}
    layout = layout_of(MODELS["tanh"], False, False, False)
    for name, torn in (("sent", values.transpose(1, 2)), ("values", values.double())):
        with pytest.raises(ValueError, match=f"{name} must be contiguous float32"):
            Scans(layout, Sizes(1, 3, 4, 5, 2), (), None, False, {**tensors, name: torn})


def test_only_torch_s_own_lstm_is_given_to_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    from glifr.engine.cuda import cudnn

    monkeypatch.setattr(cudnn, "_acceptable", lambda x: True)
    case = EngineCase("lstm", delay=1)
    sequence, _ = make(case)
    assert cudnn.takes(sequence)
    agrees(cuda.run, case)
    for other in (
        sequence._replace(delay=2),
        sequence._replace(mask=torch.ones(1)),
        make(EngineCase("two", delay=1))[0],
    ):
        assert not cudnn.takes(other)
    assert not cudnn.takes(make(case._replace(initial=True))[0])
    assert not cudnn.takes(make(case._replace(replicas=2))[0])


def test_networks_take_it_when_asked() -> None:
    x = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(1))
    for kind, delay in ((BNNFC, {"delay": 0.1}), (RNNFC, {"delay": 0.1}), (LSTMFC, {})):
        network = kind(3, 5, 2, backend="triton", generator=torch.Generator().manual_seed(0), **delay)
        found = network(x)
        network.backend = "reference"
        torch.testing.assert_close(found, network(x))


def test_where_it_cannot_run_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_backend("triton", "cpu") == choose_backend("triton", "cuda") == "triton"
    for model in (*MODELS.values(), None):
        assert choose_backend("auto", "cuda", model=model) == "triton"
    assert choose_backend("auto", "cuda", torch.float64) == "torch"
    with pytest.raises(InputError, match="float32; for others the backend torch or reference"):
        choose_backend("triton", "cuda", torch.float64)
    with pytest.raises(InputError, match="triton runs on cpu, cuda"):
        choose_backend("triton", "meta")
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    with pytest.raises(InputError, match="on cpu: reference, torch, cpu; triton runs on cuda") as refused:
        choose_backend("triton", "cpu")
    assert "TRITON_INTERPRET=1" in str(refused.value)
