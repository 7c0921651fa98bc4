"""The Triton kernels compile to machine code of an H100 or H200, which needs no such device.

The interpreter runs kernels as Python and so lets pass what Triton's compiler refuses.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from kernel_cases import BIASED, Case, make
from triton_modules import kernels_interpreted

from glifr.kernels import cuda

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


class Compiling:
    """Stands for a kernel: compiles it for the arguments it is launched with, each variant once, and runs nothing."""

    def __init__(self, kernel: Any) -> None:
        self.kernel, self.compiled = kernel, dict[str, Any]()

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return self.launch

    def launch(self, num_warps: int, enable_fp_fusion: bool, **arguments: Any) -> None:
        import triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        names = self.kernel.arg_names
        assert sorted(names) == sorted(arguments)
        kinds = {name: self.kind(name, arguments[name]) for name in names}
        constants = {name: arguments[name] for name in names if kinds[name] == "constexpr"}
        key = str((kinds, constants, num_warps))
        if key not in self.compiled:
            self.compiled[key] = triton.compile(
                ASTSource(self.kernel, signature=kinds, constexprs=constants),
                target=GPUTarget("cuda", 90, 32),
                options={"num_warps": num_warps, "enable_fp_fusion": enable_fp_fusion},
            )

    def kind(self, name: str, value: Any) -> str:
        parameter = self.kernel.params[self.kernel.arg_names.index(name)]
        if value is None or parameter.is_constexpr:
            return "constexpr"
        if isinstance(value, torch.Tensor):
            assert value.dtype == torch.float32
            return "*fp32"
        if isinstance(value, float):
            return "fp32"
        assert parameter.do_not_specialize  # else a 1 would be another kind, and a 16 another kernel
        return "i32"


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Compiling]]:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    import triton
    from triton.backends import backends

    if triton.knobs.runtime.interpret:
        pytest.skip("the environment asks for Triton's interpreter")
    if "nvidia" not in backends:
        pytest.skip("this Triton compiles for no NVIDIA device")
    with kernels_interpreted(False):
        from glifr.kernels import scan_triton_launch as launch

        found = {name: Compiling(getattr(launch, name)) for name in ("forward_kernel", "backward_kernel")}
        for name, kernel in found.items():
            monkeypatch.setattr(launch, name, kernel)
        yield found


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(steps=28, delay=20, ascs=2), id="line MNIST"),
        pytest.param(Case(steps=5, delay=1, ascs=0, mask="dropout", constants=BIASED), id="no currents, masks"),
    ],
)
def test_compiles_for_hopper(case: Case, kernels: dict[str, Compiling]) -> None:
    sequence, leaves = make(case, dtype=torch.float32)
    with torch.no_grad():
        cuda.run(sequence)
    result = cuda.run(sequence)
    torch.autograd.grad(result.final.firing.sum(), leaves[1:4], retain_graph=True)
    result.firing.square().sum().backward()
    assert len(kernels["forward_kernel"].compiled) == (2 if case.ascs else 1)  # with and without checkpoints
    assert len(kernels["backward_kernel"].compiled) == 2  # with and without a gradient from outside
    for kernel in kernels.values():
        for compiled in kernel.compiled.values():
            assert len(compiled.asm["cubin"]) > 1000
            assert compiled.metadata.shared == 0  # states stay with their thread
