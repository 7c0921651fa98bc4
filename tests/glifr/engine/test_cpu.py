"""What the compiled engine promises beside agreement: bits, memory, tiny numbers, its cache, where it runs."""

from __future__ import annotations

import math
import mmap
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest
import torch
from engine_cases import EngineCase, make, outputs_and_gradients, same
from numba import types
from paths import SUPPORT
from torch import Tensor

import glifr
from glifr.engine import backends
from glifr.engine.backends import RUN, choose_backend
from glifr.engine.cpu import jobs, memory
from glifr.engine.cpu.code_cache import compile_cached
from glifr.engine.cpu.intrinsics import OPTIONS, intrinsic
from glifr.engine.cpu.llvm import BYTES, Address, Arithmetic, integer, loop
from glifr.errors import InputError
from glifr.networks import BNNFC, LSTMFC, RNNFC, Network, forward_replicas

pytestmark = pytest.mark.usefixtures("unwritten_memory_is_nan")
CASE = EngineCase("glifr 2", 23, 5, 2, 70, "dropout", hidden=133, initial=True, history=True, stored=True)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(case: EngineCase) -> list[Tensor]:
    return outputs_and_gradients(RUN["cpu"], case, dtype=torch.float32)


def stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_the_thread_pool_the_bits_are_the_same(threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = run(CASE)
    torch.set_num_threads(2)
    monkeypatch.setattr(jobs, "pool", lambda: None)
    assert same(run(CASE), wanted)


NETWORKS = {
    "glifr": lambda **s: BNNFC(5, s.pop("hidden"), 3, hetinit=True, delay=0.35, **s),
    "rnn": lambda **s: RNNFC(5, s.pop("hidden"), 3, delay=0.35, **s),
    "lstm": lambda **s: LSTMFC(5, s.pop("hidden"), 3, **s),
}


def step(networks: list[Network], x: Tensor, y: Tensor, chosen: list[int], readout: Any) -> list[list[Tensor]]:
    """Outputs and gradients of each chosen network."""
    for r in chosen:
        networks[r].zero_grad()
        networks[r].dropout_generator = stream(100 + r)
    x = x[chosen].requires_grad_()
    outputs = forward_replicas([networks[r] for r in chosen], x, readout=readout)
    last = outputs if readout == "last" else outputs[:, :, -1] + outputs.mean(2)
    losses = [torch.nn.functional.cross_entropy(o, y[r]) for o, r in zip(last, chosen, strict=True)]
    torch.stack(losses).sum().backward()
    assert x.grad is not None
    return [
        [outputs[i].detach(), x.grad[i], *(p.grad for p in networks[r].parameters() if p.grad is not None)]
        for i, r in enumerate(chosen)
    ]


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("sizes", [(65, 37), (70, 140), (6, 124)])
@pytest.mark.parametrize(("readout", "dropout"), [("last", 0.0), ("all", 0.3)])
def test_a_network_has_the_bits_it_has_alone_on_any_number_of_threads(
    kind: str, dropout: float, sizes: tuple[int, int], readout: str, threads: None
) -> None:
    batch, hidden = sizes
    facts = {"dropout_prob": dropout, "backend": "cpu", "hidden": hidden}
    networks = [NETWORKS[kind](generator=stream(seed), **facts) for seed in range(3)]
    x, y = torch.randn(3, batch, 9, 5, generator=stream(9)), torch.randint(3, (3, batch), generator=stream(8))
    torch.set_num_threads(1)
    together = step(networks, x, y, [0, 1, 2], readout)
    for r in range(3):
        assert same(step(networks, x, y, [r], readout)[0], together[r])
    for count in (2, 4):
        torch.set_num_threads(count)
        assert same(step(networks, x, y, [1], readout)[0], together[1])
        assert all(same(a, b) for a, b in zip(step(networks, x, y, [0, 1, 2], readout), together, strict=True))


def test_padded_neurons_stay_finite_where_resets_are_steep() -> None:
    """Beyond dt / tau = 2 a reset overshoots; were it to grow without bound, zero weights would not stop it."""
    sequence, _ = make(EngineCase(steps=300, delay=5, hidden=3, stored=True), dtype=torch.float32)
    steep = sequence.model.Constants(reset_rate=9.0, sigma_v=30.0, R=0.5, I0=0.4, v_reset=-0.7)
    quiet = sequence.parameters._replace(thresh=torch.full_like(sequence.parameters.thresh, 1e5))
    result = RUN["cpu"](sequence._replace(constants=steep, parameters=quiet))
    assert result.sent.max() < 1e-30
    assert result.final.voltage.isfinite().all()


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="where x86's MXCSR is")
def test_numbers_below_full_precision_are_zero_within_it_and_nowhere_else(threads: None) -> None:
    torch.set_num_threads(2)
    small = torch.full((2**20,), 1e-38)
    sequence, leaves = make(EngineCase(steps=40, delay=5, batch=70, hidden=20, biased=False), dtype=torch.float32)
    silent = sequence.parameters._replace(thresh=torch.full_like(sequence.parameters.thresh, 1e3))
    result = RUN["cpu"](sequence._replace(parameters=silent))
    assert 0 < result.sent.max() < 1e-37
    found = torch.autograd.grad((1e-3 * result.sent).sum(), leaves, allow_unused=True, materialize_grads=True)
    assert all((gradient == 0).all() for gradient in found)
    assert (small * 0.1 > 0).all()  # on both threads


def evaluated(name: str, x: np.ndarray) -> np.ndarray:
    """An operation of the table on as many numbers as fill whole vectors."""

    def typed(context: Any, source: Any, target: Any, count: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source, target, count = arguments

            def body(_: Any, source: Address, target: Address) -> list[Any]:
                target.store(Arithmetic(builder).table[name](source.load()))
                return [source + BYTES, target + BYTES]

            vectors = builder.udiv(count, integer(BYTES // 4))
            loop(builder, vectors, [Address(builder, source), Address(builder, target)], body)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 3), build

    def every(source: int, target: int, count: int) -> None:
        emitted(source, target, count)  # type: ignore[name-defined] # noqa: F821

    function = FunctionType(every.__code__, {"emitted": intrinsic(typed)}, "every")
    function.__module__, function.__qualname__ = __name__, f"every.{name}"
    found = np.full_like(x, 7)
    compile_cached(function, types.void(*[types.int64] * 3), OPTIONS).ctypes(x.ctypes.data, found.ctypes.data, len(x))
    return found


def test_exp_sigmoid_and_tanh_are_right_to_the_last_places() -> None:
    x = np.linspace(-87, 87, 2**20, dtype=np.float32)
    for name, exact in (
        ("exp", np.exp(x.astype(np.float64))),
        ("sigmoid", 1 / (1 + np.exp(-x.astype(np.float64)))),
        ("tanh", np.tanh(x.astype(np.float64))),
    ):
        np.testing.assert_allclose(evaluated(name, x), exact, rtol=3e-7)


def test_exp_sigmoid_and_tanh_far_out() -> None:
    x = np.array([*[-np.inf, -200, -0.0, 0.0, 200, np.inf, np.nan, 1e-20], *[0.0] * 8], dtype=np.float32)
    sigmoid, tanh = evaluated("sigmoid", x), evaluated("tanh", x)
    np.testing.assert_array_less(sigmoid[:2], 1e-37)
    np.testing.assert_array_equal(sigmoid[2:6], np.array([0.5, 0.5, 1, 1], dtype=np.float32))
    np.testing.assert_array_equal(tanh[[0, 1, 4, 5]], np.array([-1, -1, 1, 1], dtype=np.float32))
    assert math.isnan(sigmoid[6])
    assert math.isnan(tanh[6])
    assert tanh[7] == np.float32(1e-20)


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


def test_where_it_cannot_run_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="float32; for others the backend torch or reference"):
        choose_backend("cpu", "cpu", torch.float64)
    with pytest.raises(InputError, match="cpu runs on cpu"):
        choose_backend("cpu", "cuda")
    with pytest.raises(InputError, match="float32"):
        BNNFC(3, 5, 2, backend="cpu").double()(torch.zeros(2, 4, 3, dtype=torch.float64))
    monkeypatch.setattr(backends, "available", lambda name: name != "cpu")
    assert choose_backend("auto") == "torch"
    with pytest.raises(InputError, match="needs numba"):
        choose_backend("cpu")


@pytest.mark.parametrize("name", ["", "CPU", "numba", "torhc"])
def test_an_unknown_backend_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="unknown backend"):
        choose_backend(name)
    with pytest.raises(InputError, match="unknown backend"):
        BNNFC(3, 5, 2, backend=name)


def test_auto_takes_it_for_float32_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.Runner, "run", lambda *_: pytest.fail("numba ran"))
    BNNFC(3, 5, 2).double()(torch.zeros(2, 4, 3, dtype=torch.float64))
    with pytest.raises(pytest.fail.Exception, match="numba ran"):
        BNNFC(3, 5, 2)(torch.zeros(2, 4, 3))


@pytest.mark.parametrize("network", [BNNFC, RNNFC, LSTMFC])
@pytest.mark.parametrize("backend", ["reference", "torch", "cpu"])
def test_the_backend_of_the_network_is_the_one_that_runs(
    network: Any, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    watched = {name: lambda s, name=name: ran.append(name) or RUN[name](s) for name in RUN}
    monkeypatch.setattr("glifr.engine.backends.RUN", watched)
    made = network(3, 5, 2, backend=backend)
    made(torch.randn(2, 6, 3))
    made(torch.randn(2, 6, 3), track=True)  # beside it the loop, which keeps every state
    assert ran == [backend, backend]


@pytest.mark.parametrize("where", ["end", "begin"])
def test_nothing_beside_an_array_is_touched(where: str) -> None:
    done = python(SUPPORT / "guard_pages.py", where)
    assert done.returncode == 0, done.stderr  # a touch is a segmentation fault
    assert done.stdout == "as before\n"


@pytest.mark.program
def test_compiled_code_in_the_cache_is_of_these_sources(tmp_path: Path) -> None:
    """Numba looks whether the compiled function's own file has changed, not at those it takes functions from."""
    package = Path(glifr.__file__).parent
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
    source = tmp_path / "glifr" / "engine" / "cpu" / "llvm.py"
    text = source.read_text()
    changed = text.replace(
        "        return self.choose(self.less(z, number(_NEAR * _NEAR)), near, far)", "        return x"
    )
    assert changed != text
    source.write_text(changed)
    assert python(program).stdout != first


def python(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(program), *arguments], capture_output=True, text=True, check=False)
