"""The blocked backend against the plain loop: outputs, final states and every gradient, at awkward sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from kernel_cases import BIASED, CASES, Case, make, outputs_and_gradients
from torch import Tensor

from glifr.equations import GLIFRParameters, GLIFRState
from glifr.errors import InputError
from glifr.kernels import BACKENDS, SequenceInput, blocked, choose_backend, cuda, passes, reference, scan
from glifr.networks import BNNFC, forward_replicas

pytestmark = pytest.mark.usefixtures("unwritten_memory_is_nan")


def test_the_fixture_fills_what_the_kernel_allocates() -> None:
    assert torch.empty_like(torch.zeros(2)).isnan().all()
    assert torch.zeros(2).new_empty(2).isnan().all()


def agree(case: Case, seed: int = 0, run: Any = blocked.run) -> None:
    wanted = outputs_and_gradients(reference.run, case, seed)
    found = outputs_and_gradients(run, case, seed)
    for w, f in zip(wanted, found, strict=True):
        torch.testing.assert_close(f, w, rtol=1e-10, atol=1e-11)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(CASES)
def test_blocked_agrees_with_the_loop_at_any_size(case: Case) -> None:
    agree(case)


EDGES = pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(steps=63, delay=500), id="delay far longer than the sequence"),
        pytest.param(Case(steps=20, delay=20), id="one full block"),
        pytest.param(Case(steps=21, delay=20, history=True), id="block of one step at the end"),
        pytest.param(Case(steps=40, delay=1, ascs=0, constants=BIASED), id="ordinary recurrence without currents"),
        pytest.param(Case(steps=1, delay=1, ascs=3, initial=True, history=True, mask="dropout"), id="one step"),
        pytest.param(Case(steps=9, delay=4, replicas=3, shared_input=True, mask="neurons"), id="one input, masks"),
    ],
)


@EDGES
def test_blocked_agrees_with_the_loop_at_the_edges(case: Case) -> None:
    agree(case, seed=5)


@pytest.mark.parametrize("mask", ["none", "neurons", "dropout"])
def test_tiles_of_the_batch_join_to_the_whole(mask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocked, "_TILE", 1)
    monkeypatch.setattr(blocked, "_LEAST_TILE", 3)
    case = Case(steps=11, delay=4, batch=8, replicas=2, mask=mask, initial=True, history=True, constants=BIASED)
    assert len(blocked.run(make(case)[0]).tiles) == 3
    agree(case)


@pytest.mark.parametrize("case", [Case(steps=5, delay=2, initial=True, history=True, batch=2, constants=BIASED)])
@pytest.mark.parametrize("mask", ["none", "dropout"])
def test_gradcheck(case: Case, mask: str) -> None:
    sequence, leaves = make(case._replace(mask=mask, hidden=2))

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        parameters, initial, history = GLIFRParameters(*rest[:7]), GLIFRState(*rest[7:10]), rest[10]
        result = blocked.run(sequence._replace(x=x, parameters=parameters, initial=initial, history=history))
        return result.firing, *result.final

    assert torch.autograd.gradcheck(run, leaves)


def test_second_derivatives_are_refused() -> None:
    sequence, leaves = make(Case())
    (gradient,) = torch.autograd.grad(blocked.run(sequence).firing.square().sum(), leaves[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_several_forwards_before_one_backward() -> None:
    first, second = Case(steps=9), Case(steps=6, mask="dropout")
    (a, leaves_a), (b, leaves_b) = make(first, 1), make(second, 2)
    loss_a, loss_b = blocked.run(a).firing.sin().sum(), blocked.run(b).firing.cos().sum()
    (loss_a + loss_b).backward()
    for case, seed, leaves, function in ((first, 1, leaves_a, torch.sin), (second, 2, leaves_b, torch.cos)):
        alone, wanted = make(case, seed)
        function(reference.run(alone).firing).sum().backward()
        for found, right in zip(leaves, wanted, strict=True):
            torch.testing.assert_close(found.grad, right.grad, rtol=1e-10, atol=1e-11)


def test_the_same_backward_twice_gives_the_same() -> None:
    sequence, leaves = make(Case(mask="dropout"))
    loss = blocked.run(sequence).firing.sum()
    first = torch.autograd.grad(loss, leaves, retain_graph=True)
    for a, b in zip(first, torch.autograd.grad(loss, leaves), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("run", [blocked.run, reference.run])
def test_runs_are_deterministic(run: Any) -> None:
    case = Case(steps=23, delay=5, batch=7, replicas=2, mask="dropout", hidden=33)
    for a, b in zip(*(outputs_and_gradients(run, case, dtype=torch.float32) for _ in range(2)), strict=True):
        assert torch.equal(a, b)


def test_replicas_are_computed_as_if_alone() -> None:
    case = Case(replicas=3, steps=8, mask="dropout", hidden=5)
    sequence, _ = make(case)
    together = blocked.run(sequence)
    p = sequence.parameters
    assert sequence.mask is not None
    for r in range(3):
        own = GLIFRParameters(*(t[r : r + 1] for t in p[:4]), *(t[:, r : r + 1] for t in p[4:]))
        alone = blocked.run(
            sequence._replace(x=sequence.x[r : r + 1], parameters=own, mask=sequence.mask[r : r + 1])
        ).firing
        torch.testing.assert_close(together.firing[r : r + 1], alone, rtol=1e-12, atol=1e-13)


def test_lateral_product_is_skipped_before_the_delay() -> None:
    sequence, leaves = make(Case(steps=4, delay=4))
    broken = sequence._replace(parameters=sequence.parameters._replace(weight_lat=torch.full((1, 4, 4), torch.nan)))
    result = blocked.run(broken)
    assert torch.isfinite(result.firing).all()
    result.firing.sum().backward()
    assert torch.isfinite(leaves[0].grad).all()  # type: ignore[arg-type]


def test_nothing_is_kept_where_no_gradient_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    original = scan.ForwardScan.__init__

    def watched(self: Any, *args: Any) -> None:
        original(self, *args)
        kept.append(len(self.kept[0]))

    monkeypatch.setattr(scan.ForwardScan, "__init__", watched)
    sequence, _ = make(Case(steps=6))
    with torch.no_grad():
        assert not blocked.run(sequence).firing.requires_grad
    assert blocked.run(sequence).firing.requires_grad
    assert kept == [1, 6]


def test_input_gradient_only_where_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    sequence, leaves = make(Case())
    monkeypatch.setattr(passes, "_input_gradient", lambda *_: pytest.fail("computed"))
    blocked.run(sequence._replace(x=sequence.x.detach())).firing.sum().backward()
    assert leaves[1].grad is not None
    assert leaves[0].grad is None


def test_fixed_neurons_give_the_same_weight_gradients() -> None:
    case = Case(steps=9, ascs=2)
    wanted = outputs_and_gradients(blocked.run, case)
    sequence, leaves = make(case)
    fixed = [t.detach() for t in sequence.parameters[2:]]
    parameters = GLIFRParameters(*sequence.parameters[:2], *fixed)
    result = blocked.run(sequence._replace(parameters=parameters))
    generator = torch.Generator().manual_seed(1)
    outputs = [result.firing, *result.final]
    loss = sum((torch.randn(o.shape, generator=generator, dtype=torch.float64) * o).sum() for o in outputs)
    for found, right in zip(torch.autograd.grad(loss, leaves[:3]), wanted[4:7], strict=True):  # type: ignore[arg-type]
        torch.testing.assert_close(found, right, rtol=1e-12, atol=1e-13)


def test_float32_gradients_are_as_exact_as_the_loops() -> None:
    """Worst parameter, by norm, against the float64 loop: at most 3 times the float32 loop's own error, or 2e-6."""
    generator = torch.Generator().manual_seed(3)
    networks = {}
    for name, backend, dtype in (
        ("exact", "reference", torch.float64),
        ("loop", "reference", torch.float32),
        ("torch", "torch", torch.float32),
        ("cpu", "cpu", torch.float32),
    ):
        network = BNNFC(28, 40, 10, hetinit=True, backend=backend, generator=torch.Generator().manual_seed(0))
        networks[name] = network.to(dtype)
    x = torch.randn(48, 28, 28, generator=generator, dtype=torch.float64)
    y = torch.randint(10, (48,), generator=generator)
    for network in networks.values():
        outputs = forward_replicas([network], x.to(next(network.parameters()).dtype), readout="last")[0]
        torch.nn.functional.cross_entropy(outputs, y).backward()

    def error(name: str) -> float:
        pairs = zip(networks[name].parameters(), networks["exact"].parameters(), strict=True)
        return max(float((p.grad.double() - e.grad).norm() / e.grad.norm()) for p, e in pairs)  # type: ignore[union-attr]

    for name in ("torch", "cpu"):
        assert error(name) <= max(3 * error("loop"), 2e-6)


def test_auto_names_a_concrete_backend() -> None:
    assert choose_backend("auto", "cpu") == "cpu"
    assert choose_backend("auto", "cpu", torch.float64) == "torch"
    assert choose_backend("auto", "cuda") == ("triton" if cuda.available() else "torch")
    assert choose_backend("auto", "cuda", torch.float64) == "torch"
    assert [choose_backend(name, "cpu") for name in BACKENDS[1:4]] == ["reference", "torch", "cpu"]


@pytest.mark.parametrize("name", ["Torch", "", "cudnn"])
def test_unknown_backend_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"auto, reference, torch, cpu"):
        choose_backend(name)
    with pytest.raises(InputError, match=r"auto, reference, torch, cpu"):
        BNNFC(2, 3, 2, backend=name)


def test_backend_that_cannot_run_on_a_device_is_refused() -> None:
    with pytest.raises(InputError, match=r"runs on cpu, cuda"):
        choose_backend("reference", "meta")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("mask", ["none", "neurons", "dropout"])
def test_cuda_agrees_with_the_cpu(mask: str) -> None:
    case = Case(steps=9, delay=4, replicas=3, batch=5, mask=mask, initial=True, history=True, constants=BIASED)
    sequence, leaves = make(case)
    moved = [leaf.detach().cuda().requires_grad_() for leaf in leaves]
    there = SequenceInput(
        moved[0],
        GLIFRParameters(*moved[1:8]),
        case.constants,
        case.delay,
        None if sequence.mask is None else sequence.mask.cuda(),
        GLIFRState(*moved[8:11]),
        moved[11],
    )
    here, result = blocked.run(sequence), blocked.run(there)
    here.firing.square().sum().backward()
    result.firing.square().sum().backward()
    torch.testing.assert_close(result.firing.cpu(), here.firing, rtol=1e-10, atol=1e-11)
    for found, wanted in zip(moved, leaves, strict=True):
        assert found.grad is not None
        torch.testing.assert_close(found.grad.cpu(), wanted.grad, rtol=1e-10, atol=1e-11)
