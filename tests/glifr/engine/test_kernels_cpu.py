"""The numba backend against the plain loop, and what it promises beside: bits, memory, non-finite numbers."""

from __future__ import annotations

import mmap
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import BIASED, CASES, Case, make, outputs_and_gradients
from paths import SUPPORT
from torch import Tensor

from glifr.equations import Constants, GLIFRParameters
from glifr.errors import InputError
from glifr.engine.cpu import memory
from glifr.kernels import choose_backend, cpu, jobs, reference, vectors
from glifr.networks import BNNFC, forward_replicas

pytestmark = pytest.mark.usefixtures("unwritten_memory_is_nan")


def error(found: list[Tensor], exact: list[Tensor]) -> float:
    """The worst relative error, by norm, of tensors that are not zero."""
    pairs = [(f.double(), e.double()) for f, e in zip(found, exact, strict=True)]
    assert all(f.isfinite().all() for f, _ in pairs)
    return max(float((f - e).norm() / max(float(e.norm()), 1e-3)) for f, e in pairs)


def agree(case: Case, seed: int = 0) -> None:
    exact = outputs_and_gradients(reference.run, case, seed)
    loop = outputs_and_gradients(reference.run, case, seed, torch.float32)
    found = outputs_and_gradients(cpu.run, case, seed, torch.float32)
    # norms mix the errors of few numbers, so the limit is that of the worst tensor of the loop
    assert error(found, exact) <= max(6 * error(loop, exact), 4e-6)


def same(found: list[Tensor], wanted: list[Tensor]) -> bool:
    return all(torch.equal(f, w) for f, w in zip(found, wanted, strict=True))


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(CASES, st.integers(1, 70), st.sampled_from([0, 2]))  # others below: each number of currents is compiled anew
def test_agrees_with_the_loop_at_any_size(case: Case, hidden: int, ascs: int) -> None:
    agree(case._replace(hidden=hidden, ascs=ascs))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(steps=63, delay=500, hidden=20), id="delay far longer than the sequence"),
        pytest.param(Case(steps=63, delay=20, history=True, hidden=63, batch=33), id="ragged everything"),
        pytest.param(Case(steps=64, delay=16, hidden=64, batch=16), id="all full"),
        pytest.param(Case(steps=17, delay=17, hidden=129, batch=17, mask="dropout"), id="all one too many"),
        pytest.param(Case(steps=40, delay=1, ascs=0, constants=BIASED, hidden=15), id="ordinary recurrence"),
        pytest.param(Case(steps=1, delay=1, ascs=3, initial=True, history=True, mask="dropout"), id="one step"),
        pytest.param(Case(steps=9, delay=4, replicas=3, shared_input=True, mask="neurons", batch=70), id="two tiles"),
        pytest.param(Case(steps=300, delay=100, batch=17, hidden=9, ascs=1), id="long"),
        pytest.param(Case(steps=7, delay=5, inputs=70, hidden=260, batch=64), id="wide"),
    ],
)
def test_agrees_with_the_loop_at_the_edges(case: Case) -> None:
    agree(case, seed=5)


def test_padded_neurons_stay_finite_where_resets_are_steep() -> None:
    """Beyond dt / tau = 2 a reset overshoots; were it to grow without bound, zero weights would not stop it."""
    steep = Constants(reset_rate=9.0, v_reset=-0.7, sigma_v=30.0, I0=0.4, R=0.5)
    sequence, _ = make(Case(steps=300, delay=5, hidden=3, constants=steep), dtype=torch.float32)
    quiet = torch.full_like(sequence.parameters.thresh, 1e5)
    result = cpu.run(sequence._replace(parameters=sequence.parameters._replace(thresh=quiet)))
    assert result.firing.max() < 1e-30
    assert result.final.voltage.isfinite().all()


def far_below_threshold() -> list[Tensor]:
    """Gradients where all neurons fire at 1e-38: below float32's full precision, and so slow on many processors."""
    sequence, leaves = make(Case(steps=40, delay=5, batch=70, hidden=20), dtype=torch.float32)
    silent = sequence.parameters._replace(thresh=torch.full_like(sequence.parameters.thresh, 1e3))
    result = cpu.run(sequence._replace(parameters=silent))
    assert 0 < result.firing.max() < 1e-37
    return list(torch.autograd.grad((1e-3 * result.firing).sum(), leaves, allow_unused=True, materialize_grads=True))


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="where x86's MXCSR is")
def test_numbers_below_full_precision_are_zero_within_it_and_nowhere_else(threads: None) -> None:
    torch.set_num_threads(2)
    small = torch.full((2**20,), 1e-38)
    for gradient in far_below_threshold():
        assert (gradient == 0).all()
    assert (small * 0.1 > 0).all()  # on both threads


def evaluated(function: Any, x: np.ndarray) -> np.ndarray:
    """A compiled function of a vector, of as many numbers as fill whole vectors."""

    @numba.njit(**vectors.OPTIONS)  # type: ignore[untyped-decorator]
    def every(source: int, target: int, count: int) -> None:
        for k in range(0, 4 * count, vectors.BYTES):
            vectors.store(target + k, function(vectors.load(source + k)))

    found = np.full_like(x, 7)
    every(x.ctypes.data, found.ctypes.data, len(x))
    return found


def test_exp_is_right_to_the_last_places() -> None:
    x = np.linspace(-87, 87, 2**20, dtype=np.float32)
    wanted = np.exp(x.astype(np.float64))
    found = evaluated(vectors.exp, x)
    assert np.max(np.abs(found - wanted) / np.spacing(wanted.astype(np.float32))) <= 2


def test_exp_and_sigmoid_far_out() -> None:
    far = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, *range(11)], dtype=np.float32)
    found = evaluated(vectors.exp, far)
    assert np.isnan(found[0])
    assert found[1] == found[3] == pytest.approx(np.exp(87), rel=1e-6)
    assert found[2] == found[4] == pytest.approx(np.exp(-87), rel=1e-6)
    np.testing.assert_allclose(found[5:], np.exp(np.arange(11.0)), rtol=2e-7)
    found = evaluated(vectors.sigmoid, far)
    assert np.isnan(found[0])
    assert found[1] == found[3] == 1
    assert 0 <= found[2] == found[4] < 1e-37


def test_numbers_and_vectors_mix() -> None:
    two = np.float32(2)

    @vectors.inlined
    def mixed(x: Any) -> Any:
        return (two - x * two) / (x + two) - two / x

    x = np.arange(1, 33, dtype=np.float32)
    np.testing.assert_allclose(evaluated(mixed, x), (2 - x * 2) / (x + 2) - 2 / x, rtol=1e-6)


CASE = Case(steps=23, delay=5, batch=70, replicas=2, mask="dropout", hidden=133, initial=True, history=True)


def test_threads_do_not_change_a_bit(threads: None) -> None:
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(outputs_and_gradients(cpu.run, CASE, dtype=torch.float32))
    assert same(found[1], found[0])
    assert same(found[2], found[0])


def test_without_the_thread_pool_the_bits_are_the_same(threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = outputs_and_gradients(cpu.run, CASE, dtype=torch.float32)
    torch.set_num_threads(2)
    monkeypatch.setattr(jobs, "pool", lambda: None)
    assert same(outputs_and_gradients(cpu.run, CASE, dtype=torch.float32), wanted)


@pytest.mark.parametrize("sizes", [(28, 36, 65), (5, 252, 70)])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_replica_has_the_bits_it_has_alone(sizes: tuple[int, int, int], dropout: float) -> None:
    inputs, hidden, batch = sizes
    networks = [
        BNNFC(inputs, hidden, 10, hetinit=True, delay=0.3, dropout_prob=dropout, backend="cpu", generator=stream(seed))
        for seed in range(3)
    ]
    x = torch.randn(3, batch, 28, inputs, generator=stream(9))
    y = torch.randint(10, (3, batch), generator=stream(8))

    def step(chosen: list[int]) -> list[list[Tensor]]:
        for r in chosen:
            networks[r].zero_grad()
            networks[r].dropout_generator = stream(100 + r)
        outputs = forward_replicas([networks[r] for r in chosen], x[chosen], readout="last")
        losses = [torch.nn.functional.cross_entropy(o, y[r]) for o, r in zip(outputs, chosen, strict=True)]
        torch.stack(losses).sum().backward()
        return [
            [outputs[i].detach(), *(p.grad for p in networks[r].parameters() if p.grad is not None)]
            for i, r in enumerate(chosen)
        ]

    for r, together in enumerate(step([0, 1, 2])):
        assert same(step([r])[0], together)


def stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_diverged_replica_shows_and_leaves_the_others_alone(value: float) -> None:
    case = Case(steps=9, delay=4, replicas=2, hidden=20)
    (healthy, leaves), (sick, broken) = make(case, dtype=torch.float32), make(case, dtype=torch.float32)
    with torch.no_grad():
        broken[2][1, 3, 3] = value  # a lateral weight of the second replica
    wanted, found = cpu.run(healthy).firing, cpu.run(sick).firing
    wanted.sum().backward()
    found.sum().backward()
    assert torch.equal(found[0], wanted[0])
    assert found[1].isnan().any()
    for mine, theirs in zip(broken[1:4], leaves[1:4], strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert torch.equal(mine.grad[0], theirs.grad[0])
        assert not mine.grad[1].isfinite().all()


def test_several_forwards_before_one_backward_and_one_backward_twice() -> None:
    """Sizes at which buffers are used again; what is free is overwritten in between."""
    case = Case(steps=30, delay=10, batch=64, hidden=64)
    wanted = [outputs_and_gradients(cpu.run, case, seed, torch.float32) for seed in (1, 2)]
    made = [make(case, seed, torch.float32) for seed in (1, 2)]
    results = [cpu.run(sequence) for sequence, _ in made]
    for seed, (_, leaves), result, right in zip((1, 2), made, results, wanted, strict=True):
        weights = stream(seed + 1)
        outputs = [result.firing, *result.final]
        drawn = [torch.randn(o.shape, generator=weights, dtype=torch.float64).float() for o in outputs]
        loss = torch.stack([(w * o).sum() for w, o in zip(drawn, outputs, strict=True)]).sum()
        for _ in range(2):
            for buffers in memory._free.values():
                for buffer in buffers:
                    buffer.fill(np.nan)
            found = torch.autograd.grad(loss, leaves, retain_graph=True)
            assert same([*(o.detach() for o in outputs), *found], right)


def test_a_buffer_comes_back_only_when_nothing_refers_to_it() -> None:
    memory._free.clear()
    like = torch.zeros(1)
    first = memory.empty((1, 2**17), like)
    view = first[0, :5]
    del first
    assert not memory._free[2**17]
    address = view.data_ptr()
    del view
    assert len(memory._free[2**17]) == 1
    assert memory.empty((2**17,), like).data_ptr() == address


def test_large_buffers_begin_at_a_huge_page_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    like, shape = torch.zeros(1), (3, 2**18)

    def fresh() -> Tensor:
        memory._free.clear()
        return memory.empty(shape, like).fill_(2.0)

    if hasattr(mmap, "MADV_HUGEPAGE"):
        assert fresh().data_ptr() % 2**21 == 0
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 12345, raising=False)  # a kernel that does not know the advice
    assert fresh().sum() == 2 * 3 * 2**18
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE")
    assert fresh().sum() == 2 * 3 * 2**18


@pytest.mark.parametrize("count", [2**16, 2**16 + 16, 2**17, 2**20])
def test_buffers_begin_at_a_line_of_the_cache(count: int) -> None:
    memory._free.clear()
    assert all(memory.empty((count,), torch.zeros(1)).data_ptr() % 64 == 0 for _ in range(5))


def test_no_gradient_for_what_needs_none() -> None:
    sequence, leaves = make(Case(hidden=20), dtype=torch.float32)
    fixed = GLIFRParameters(*sequence.parameters[:2], *(t.detach() for t in sequence.parameters[2:]))
    cpu.run(sequence._replace(parameters=fixed, x=sequence.x.detach())).final.firing.sum().backward()
    wanted, others = make(Case(hidden=20), dtype=torch.float32)
    reference.run(wanted).final.firing.sum().backward()
    for found, right in zip(leaves[1:3], others[1:3], strict=True):
        torch.testing.assert_close(found.grad, right.grad, rtol=1e-4, atol=1e-6)
    assert all(leaf.grad is None for leaf in [leaves[0], *leaves[3:]])
    with torch.no_grad():
        assert not cpu.run(sequence).firing.requires_grad


def test_without_a_folder_for_the_cache_it_compiles_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    original = numba.cfunc

    def cfunc(signature: Any, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return original(signature, **options)

    def build() -> Any:
        def nothing(address: int) -> None:
            pass

        return nothing

    monkeypatch.setattr(numba, "cfunc", cfunc)
    assert jobs.compiled(build).address


def test_where_it_cannot_run_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="float32; for others the backend torch or reference"):
        choose_backend("cpu", "cpu", torch.float64)
    with pytest.raises(InputError, match="cpu runs on cpu"):
        choose_backend("cpu", "cuda")
    with pytest.raises(InputError, match="float32"):
        BNNFC(3, 5, 2, backend="cpu").double()(torch.zeros(2, 4, 3, dtype=torch.float64))
    monkeypatch.setattr(cpu, "available", lambda: False)
    assert choose_backend("auto") == "torch"
    with pytest.raises(InputError, match="needs numba"):
        choose_backend("cpu")


def test_auto_takes_it_for_float32_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.Runner, "run", lambda *_: pytest.fail("numba ran"))
    BNNFC(3, 5, 2).double()(torch.zeros(2, 4, 3, dtype=torch.float64))
    with pytest.raises(pytest.fail.Exception, match="numba ran"):
        BNNFC(3, 5, 2)(torch.zeros(2, 4, 3))


@pytest.mark.parametrize("where", ["end", "begin"])
def test_nothing_beside_an_array_is_touched(where: str) -> None:
    done = python(SUPPORT / "guard_pages.py", where)
    assert done.returncode == 0, done.stderr  # a touch is a segmentation fault
    assert done.stdout == "as before\n"


def test_compiled_code_in_the_cache_is_of_these_sources(tmp_path: Path) -> None:
    """Numba looks whether the compiled function's own file has changed, not at those it takes functions from."""
    package = Path(cpu.__file__).parents[1]
    shutil.copytree(package, tmp_path / "glifr", ignore=shutil.ignore_patterns("__pycache__"))
    program = tmp_path / "program.py"
    program.write_text(
        "import torch\n"
        "from glifr.networks import RNNFC\n"
        "network = RNNFC(2, 3, 1, backend='cpu', generator=torch.Generator().manual_seed(0))\n"
        "print(float(network(torch.ones(1, 4, 2)).detach().sum()))\n"
    )
    first = python(program).stdout
    assert python(program).stdout == first
    vectors_file = tmp_path / "glifr" / "kernels" / "vectors.py"
    text = vectors_file.read_text()
    changed = text.replace("    return _where_below(z, _NEAR * _NEAR, near, far)", "    return x")  # tanh(x)
    assert changed != text
    vectors_file.write_text(changed)
    assert python(program).stdout != first


def python(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(program), *arguments], capture_output=True, text=True, check=False)
