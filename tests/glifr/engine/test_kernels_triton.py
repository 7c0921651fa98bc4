"""The Triton backend against the plain loop, its kernels run by Triton's interpreter on the CPU."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_support import Golden, compute
from hypothesis import Phase, given, settings
from kernel_cases import BIASED, CASES, Case, make, outputs_and_gradients
from paths import ROOT, SHARED
from torch import Tensor
from triton_modules import kernels_interpreted

from glifr.equations import GLIFRParameters, GLIFRState
from glifr.errors import InputError
from glifr.kernels import choose_backend, cuda, reference
from glifr.kernels.scan import Saved
from glifr.networks import BNNFC

pytestmark = [
    pytest.mark.usefixtures("unwritten_memory_is_nan", "interpreter"),
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed"),
]


@pytest.fixture(scope="module")
def interpreter() -> Iterator[None]:
    with kernels_interpreted(True), pytest.MonkeyPatch.context() as patch:
        from glifr.kernels import scan_triton_launch

        patch.setattr(scan_triton_launch, "_SMALL_BLOCK", 64)  # the interpreter takes long for each program
        yield


def error(found: list[Tensor], exact: list[Tensor]) -> float:
    """The worst relative error, by norm, of tensors that are not zero."""
    pairs = [(f.double(), e.double()) for f, e in zip(found, exact, strict=True)]
    assert all(f.isfinite().all() for f, _ in pairs)
    return max(float((f - e).norm() / max(float(e.norm()), 1e-3)) for f, e in pairs)


def agree(case: Case, seed: int = 0) -> None:
    exact = outputs_and_gradients(reference.run, case, seed)
    loop = outputs_and_gradients(reference.run, case, seed, torch.float32)
    found = outputs_and_gradients(cuda.run, case, seed, torch.float32)
    assert error(found, exact) <= max(3 * error(loop, exact), 2e-6)


def same(found: list[Tensor], wanted: list[Tensor]) -> bool:
    return all(torch.equal(f, w) for f, w in zip(found, wanted, strict=True))


# No shrinking: the interpreter is slow, and cases are small.
@settings(max_examples=20, deadline=None, derandomize=True, phases=[Phase.generate])
@given(CASES)
def test_agrees_with_the_loop_at_any_size(case: Case) -> None:
    agree(case)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(steps=17, delay=500, hidden=5), id="delay far longer than the sequence"),
        pytest.param(Case(steps=17, delay=8, history=True, hidden=7, batch=5), id="full blocks, then one step"),
        pytest.param(Case(steps=28, delay=20, batch=2, hidden=3), id="line MNIST's blocks, of several segments"),
        pytest.param(Case(steps=12, delay=1, ascs=0, constants=BIASED, hidden=15), id="ordinary recurrence"),
        pytest.param(Case(steps=1, delay=1, ascs=3, initial=True, history=True, mask="dropout"), id="one step"),
        pytest.param(Case(steps=9, delay=4, replicas=2, shared_input=True, mask="neurons"), id="one input"),
        pytest.param(Case(steps=9, delay=8, batch=11, hidden=13, mask="dropout"), id="three programs"),
        pytest.param(Case(steps=13, delay=13, ascs=7, initial=True, constants=BIASED), id="seven currents"),
    ],
)
def test_agrees_with_the_loop_at_the_edges(case: Case) -> None:
    agree(case, seed=5)


PUBLISHED = [
    "delay_longer_than_input",
    "line_mnist_shape_delay20",
    "silenced_three_ascs_delay2",
    "steep_biased_delay3",
    "tiny_no_ascs_delay1",
    "tiny_two_ascs_delay4",
]
FILES = [pytest.param(path, id=path.stem) for path in sorted((ROOT / "tests" / "golden").glob("glifr_*.npz"))]
FILES += [
    pytest.param(SHARED / "reference" / "golden" / f"{name}.npz", id=f"published-{name}", marks=pytest.mark.shared)
    for name in PUBLISHED
]


@pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")  # numpy's, in the interpreter
@pytest.mark.parametrize("path", FILES)
def test_golden_vectors(path: Path) -> None:
    """The limits are those of the other backends in float32."""
    golden = Golden.read(path)
    network = golden.network("triton", torch.float32)
    found = compute(network, golden.tensor("x", torch.float32), torch.tensor(golden.arrays["y"]))
    names = {name for name in golden.arrays if name == "out" or name.startswith(("grad_", "loss"))}
    assert {"out", "loss", "grad_weight_lat", "grad_x"} <= names
    for name in names:
        wanted = golden.tensor(name)
        assert (found[name].double() - wanted).norm() <= 5e-5 * wanted.norm(), name


@pytest.mark.parametrize("mask", ["none", "dropout"])
def test_only_the_last_step_is_read(mask: str) -> None:
    """Then no gradient reaches firing from outside, and none is materialised."""

    def gradients(run: Any, dtype: torch.dtype) -> list[Tensor]:
        case = Case(steps=11, delay=4, mask=mask, replicas=2, constants=BIASED)
        sequence, leaves = make(case, 3, dtype)
        run(sequence).final.firing.square().sum().backward()
        assert all(leaf.grad is not None for leaf in leaves)
        return [leaf.grad for leaf in leaves if leaf.grad is not None]

    exact = gradients(reference.run, torch.float64)
    loop = error(gradients(reference.run, torch.float32), exact)
    assert error(gradients(cuda.run, torch.float32), exact) <= max(3 * loop, 2e-6)


def test_several_forwards_before_one_backward_and_one_backward_twice() -> None:
    cases = [Case(steps=9), Case(steps=6, mask="dropout")]
    wanted = [outputs_and_gradients(cuda.run, case, seed, torch.float32) for seed, case in enumerate(cases)]
    made = [make(case, seed, torch.float32) for seed, case in enumerate(cases)]
    results = [cuda.run(sequence) for sequence, _ in made]
    for seed, ((_, leaves), result, right) in enumerate(zip(made, results, wanted, strict=True)):
        generator = torch.Generator().manual_seed(seed + 1)
        outputs = [result.firing, *result.final]
        drawn = [torch.randn(o.shape, generator=generator, dtype=torch.float64).float() for o in outputs]
        loss = torch.stack([(w * o).sum() for w, o in zip(drawn, outputs, strict=True)]).sum()
        for _ in range(2):
            found = torch.autograd.grad(loss, leaves, retain_graph=True)
            assert same([*(o.detach() for o in outputs), *found], right)


def test_two_runs_give_the_same_bits() -> None:
    case = Case(steps=8, delay=5, batch=3, mask="dropout", hidden=33)
    first, second = (outputs_and_gradients(cuda.run, case, dtype=torch.float32) for _ in range(2))
    assert same(first, second)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # numpy's, in the interpreter
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_diverged_replica_shows_and_leaves_the_others_alone(value: float) -> None:
    case = Case(steps=9, delay=4, replicas=2, hidden=5)
    (healthy, leaves), (sick, broken) = make(case, dtype=torch.float32), make(case, dtype=torch.float32)
    with torch.no_grad():
        broken[2][1, 3, 3] = value  # a lateral weight of the second replica
    wanted, found = cuda.run(healthy).firing, cuda.run(sick).firing
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
    sequence, leaves = make(Case(), dtype=torch.float32)
    fixed = GLIFRParameters(*sequence.parameters[:2], *(t.detach() for t in sequence.parameters[2:]))
    cuda.run(sequence._replace(parameters=fixed, x=sequence.x.detach())).firing.square().sum().backward()
    wanted, others = make(Case(), dtype=torch.float32)
    reference.run(wanted).firing.square().sum().backward()
    for found, right in zip(leaves[1:3], others[1:3], strict=True):
        torch.testing.assert_close(found.grad, right.grad, rtol=1e-4, atol=1e-6)
    assert all(leaf.grad is None for leaf in [leaves[0], *leaves[3:]])


class Scans:
    """The scans of one sequence, called as `blocked.py` calls them."""

    def __init__(self, case: Case, keep: bool = True) -> None:
        from glifr.kernels.scan_triton_launch import ForwardScan

        with torch.no_grad():
            sequence, _ = make(case._replace(initial=True), dtype=torch.float32)
            assert sequence.initial is not None
            shape = (case.replicas, case.steps, case.batch, case.hidden)
            self.start = GLIFRState(*(t.detach() for t in sequence.initial))
            self.sequence, self.given = sequence, torch.ones(shape)
            self.voltage, self.firing = self.given.clone(), torch.empty(shape)
            self.forward = ForwardScan(*sequence[1:3], self.start, None, (self.voltage, self.firing), case.delay, keep)
            for begin in range(0, case.steps, case.delay):
                self.forward.advance(begin, min(begin + case.delay, case.steps), None)


def test_currents_are_kept_once_a_segment_and_only_where_a_backward_follows() -> None:
    from glifr.kernels.scan_triton_launch import segment_steps

    assert segment_steps(20, 28, 2) == 7
    (kept,) = Scans(Case(steps=28, delay=20, ascs=2)).forward.kept
    assert kept.shape[0] == 3 + 2
    assert kept.isfinite().all()
    assert Scans(Case(steps=28, delay=20, ascs=0)).forward.kept == ()
    assert Scans(Case(steps=28, delay=20, ascs=2), keep=False).forward.kept == ()


@pytest.mark.parametrize("delay", range(1, 40))
@pytest.mark.parametrize("ascs", [0, 1, 2, 3, 5, 30])
def test_segments_are_short_and_even(delay: int, ascs: int) -> None:
    from glifr.kernels.scan_triton_launch import segment_steps

    segment = segment_steps(delay, 1000, ascs)
    assert 1 <= segment <= min(delay, 8)
    assert segment == 1 or segment * ascs <= 24
    assert math.ceil(delay / segment) * segment - delay < segment
    assert segment_steps(delay, 3, ascs) <= 3


def test_the_final_state_is_its_own_memory_and_the_start_is_left_alone() -> None:
    scans = Scans(Case(steps=5, delay=2))
    before = [t.clone() for t in scans.start]
    final = scans.forward.final
    assert torch.equal(final.firing, scans.firing[:, -1])
    scans.firing.zero_()
    assert final.firing.count_nonzero()
    assert same([*scans.start], before)


def test_memory_that_is_written_must_be_whole() -> None:
    from glifr.kernels.scan_triton_launch import BackwardScan, ForwardScan

    case = Case(steps=4, delay=2)
    scans = Scans(case)
    parameters, constants = scans.sequence[1:3]
    torn = torch.empty(1, case.batch, case.steps, case.hidden).transpose(1, 2)
    with pytest.raises(ValueError, match="firing must be contiguous float32"):
        ForwardScan(parameters, constants, scans.start, None, (scans.voltage, torn), 2, False)
    with pytest.raises(ValueError, match=r"voltage must be contiguous float32, not torch\.float64"):
        ForwardScan(parameters, constants, scans.start, None, (scans.voltage.double(), scans.firing), 2, False)
    saved = Saved(scans.start, scans.firing, scans.voltage, scans.forward.kept, None, 2)
    with pytest.raises(ValueError, match="synaptic must be contiguous"):
        BackwardScan(parameters, constants, saved, torn, None, (None, None, None), False)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 7, 1), (1, 3, 1, 4), (2, 3, 7, 4)])
def test_a_mask_of_any_shape_and_type_is_taken(shape: tuple[int, ...]) -> None:
    sequence, _ = make(Case(replicas=2), dtype=torch.float32)
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(2)) > 0.4
    wanted = reference.run(sequence._replace(mask=mask.float())).firing
    torch.testing.assert_close(cuda.run(sequence._replace(mask=mask)).firing, wanted)


def test_a_network_takes_it_when_asked() -> None:
    network = BNNFC(3, 5, 2, delay=0.1, backend="triton", generator=torch.Generator().manual_seed(0))
    x = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(1))
    found = network(x)
    network.backend = "reference"
    torch.testing.assert_close(found, network(x))


def test_where_it_cannot_run_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_backend("triton", "cpu") == choose_backend("triton", "cuda") == "triton"
    with pytest.raises(InputError, match="float32; for others the backend torch or reference"):
        choose_backend("triton", "cuda", torch.float64)
    with pytest.raises(InputError, match="triton runs on cpu, cuda"):
        choose_backend("triton", "meta")
    with kernels_interpreted(False):
        assert choose_backend("triton", "cuda") == "triton"
        with pytest.raises(InputError, match="on cpu: reference, torch, cpu; triton runs on cuda") as refused:
            choose_backend("triton", "cpu")
        assert "TRITON_INTERPRET=1" in str(refused.value)
    monkeypatch.setattr(cuda, "available", lambda: False)
    with pytest.raises(InputError, match="needs triton, which is not installed"):
        choose_backend("triton", "cuda")


def test_auto_takes_it_for_float32_on_cuda_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_backend("auto", "cuda") == "triton"
    assert choose_backend("auto", "cuda", torch.float64) == "torch"
    assert choose_backend("auto", "cpu") == "cpu"
    monkeypatch.setattr(cuda, "available", lambda: False)
    assert choose_backend("auto", "cuda") == "torch"
