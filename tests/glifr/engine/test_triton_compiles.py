"""Every generated kernel compiles to machine code of several GPUs, which needs no such device, and spills nothing.

The interpreter runs kernels as Python and so lets pass what Triton's compiler refuses. The whole matrix, some minutes
of a core, is `make kernels`: with GLIFR_ALL_KERNELS set.
"""

from __future__ import annotations

import importlib.util
import os
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_cases import MODELS, EngineCase, make
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks import kernels
from glifr.engine import cuda
from glifr.engine.layout import layout_of

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
ALL = bool(os.environ.get("GLIFR_ALL_KERNELS"))
# of the hand-written kernels that these replaced, on sm_90 with line MNIST's blocks: forward and backward scan
HAND_WRITTEN = {"glifr 0": (56, 63), "glifr 2": (64, 128)}
MOST = 168  # registers with which three programs of 128 threads share a multiprocessor


@pytest.fixture(autouse=True)
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    import triton
    from triton.backends import backends

    if triton.knobs.runtime.interpret:
        pytest.skip("the environment asks for Triton's interpreter")
    if "nvidia" not in backends:
        pytest.skip("this Triton compiles for no NVIDIA device")


def line(
    model: str, masked: bool, capability: int, learned: bool = True, size: str = "line", small: bool = False
) -> dict[str, Any]:
    return kernels.row(MODELS[model], masked, learned, *kernels.SIZES[size], capability, small)


@pytest.mark.parametrize("model", MODELS)
def test_each_model_compiles_without_spills(model: str) -> None:
    found = line(model, False, 90)
    assert set(found) == {"coefficients_kernel", "forward_kernel", "backward_kernel"}
    for used in found.values():
        assert used.spilled == 0
        assert 8 < used.registers <= MOST
    if model in HAND_WRITTEN:
        ours = found["forward_kernel"].registers, found["backward_kernel"].registers
        assert all(a <= b for a, b in zip(ours, HAND_WRITTEN[model], strict=True)), ours


@pytest.mark.parametrize("capability", [80, 100])
def test_other_architectures_take_them_too(capability: int) -> None:
    for used in line("glifr 2", True, capability).values():
        assert (used.spilled, used.registers <= MOST) == (0, True)


def test_what_keeps_nothing_and_learns_nothing_compiles() -> None:
    found = line("lstm", True, 90, learned=False, size="line-d1")
    assert len(found) == 4
    assert all(used.spilled == 0 for used in found.values())


@pytest.mark.skipif(not ALL, reason="some minutes of a core; GLIFR_ALL_KERNELS=1 runs it")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("model", MODELS)
def test_the_whole_matrix(model: str) -> None:
    """Where programs are small, a thread has more registers than it uses, so one size shows it."""
    matrix = product((False, True), (False, True), kernels.SIZES, kernels.ARCHITECTURES, (False, True))
    found = {
        (masked, learned, size, capability, small, kernel): used
        for masked, learned, size, capability, small in matrix
        if size == "line" or not small
        for kernel, used in line(model, masked, capability, learned, size, small).items()
    }
    wrong = {where: used for where, used in found.items() if used.spilled or used.registers > MOST}
    assert not wrong
    assert len(found) == 2 * 4 * 3 * (3 + 4)


def test_bytes_and_operations_are_those_of_the_equations() -> None:
    """GLIFR with J = 0 reads s and writes v and f; back it reads f, v and the gradient of f, and writes that of s."""
    work = kernels.work(layout_of(MODELS["glifr 0"], False, True, True), 7)
    assert (work["forward"].bytes, work["backward"].bytes) == (12, 16)
    with_mask = kernels.work(layout_of(MODELS["lstm"], True, True, True), 4)
    # four gates, their slots, h, a mask; one number in four steps is kept of c
    assert (with_mask["forward"].bytes, with_mask["backward"].bytes) == (4 * (4 + 4 + 1 + 1.25), 4 * (4 + 1 + 4 + 1.25))
    assert kernels.work(layout_of(MODELS["tanh"], False, True, True), 7)["forward"].operations == 2


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_left_on_another_device(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole pass on a pretend device, whose tensors torch refuses to mix with those of the CPU."""
    from glifr.engine.cuda import launch

    launched = list[str]()

    def launch_nothing(scans: Any, name: str, grid: Any, **arguments: Any) -> None:
        launched.append(name)
        kernel = launch.kernels(scans._layout)[name]
        assert {*arguments, "BLOCK"} == set(kernel.arg_names)
        for key, value in arguments.items():
            if isinstance(value, torch.Tensor):
                assert (value.device.type, value.dtype) == ("meta", torch.float32), (name, key)

    def moved(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.to("meta")
        return type(value)(*(moved(each) for each in value)) if hasattr(value, "_fields") else value

    monkeypatch.setattr(launch.Scans, "_launch", launch_nothing)
    full = EngineCase(model, steps=9, delay=4, replicas=2, initial=True, history=True, mask="dropout")
    with FakeTensorMode():
        for case in (full, EngineCase(model, steps=9, delay=1, stored=True, shared_input=True, replicas=2)):
            sequence, leaves = make(case, dtype=torch.float32)
            result = cuda.run(moved(sequence))
            loss = result.sent.square().sum() + torch.stack([state.sum() for state in result.final]).sum()
            for leaf, gradient in zip(leaves, torch.autograd.grad(loss, leaves), strict=True):
                assert gradient.shape == leaf.shape
    assert launched.count("forward_kernel") == launched.count("backward_kernel") == 3 + 9
