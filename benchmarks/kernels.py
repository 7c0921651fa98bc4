"""What can be said of the CUDA kernels without a GPU: registers, spills, bytes, operations, and the roofline they give.

Kernels are compiled ahead of time by Triton and its ptxas. No number here was measured on a device.
`python -m benchmarks.kernels` compiles those of line MNIST for all architectures and writes docs/cuda_kernels.md.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.speed.shapes import LINE, LINE_D1, PIXEL, Shape
from benchmarks.words import markdown_table
from glifr.engine.definition import NeuronModel
from glifr.engine.graph import Node, needed
from glifr.engine.layout import Layout, layout_of
from glifr.engine.plan import is_invariant, reads
from glifr.neurons import glifr, lstm, tanh

ARCHITECTURES = {80: "A100", 90: "H100, H200", 100: "B200"}  # compute capability, without its point
MODELS = {**{f"GLIFR, J = {n}": glifr(n) for n in (0, 2, 3)}, "tanh": tanh(), "LSTM": lstm()}
SIZES = {shape.key: (shape.delay, shape.steps) for shape in (LINE, LINE_D1, PIXEL)}


class Device(NamedTuple):
    """A maker's numbers: memory [10^12 bytes/s], float32 outside tensor cores [10^12 operations/s]."""

    name: str
    memory: float
    float32: float


DEVICES = (Device("A100 80 GB", 2.04, 19.5), Device("H100 SXM", 3.35, 67.0), Device("H200", 4.8, 67.0))


class KernelResources(NamedTuple):
    """What the machine code of a kernel says. spilled: bytes of a thread's stack and local memory, where spills go."""

    registers: int
    spilled: int


class Work(NamedTuple):
    """Of one neuron, sample and step: bytes read and written, and operations, each node of the graph as one."""

    bytes: float
    operations: int


def compiled(
    layout: Layout, name: str, delay: int, steps: int, keep: bool, capability: int, small: bool = False
) -> KernelResources:
    """One kernel, compiled as it is launched with many elements, or with few (small)."""
    from triton import knobs
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from glifr.engine.cuda.launch import BLOCK, SMALL_BLOCK, kernels, options, segment

    kernel, block = kernels(layout)[name], SMALL_BLOCK if small else BLOCK
    facts = {"S": segment(layout, delay, steps), "KEEP": keep, "BLOCK": block}
    constants = {k: v for k, v in facts.items() if k in kernel.arg_names}
    kinds = {a: "constexpr" if a in constants else _kind(a) for a in kernel.arg_names}
    source = ASTSource(kernel, signature=kinds, constexprs=constants)
    target = GPUTarget("cuda", capability, 32)
    made = compile(source, target=target, options=options(layout, name, block))
    return _of_binary(made.asm["cubin"], knobs.nvidia.cuobjdump.path)


_ARRAYS = {"values", "sent", "start", "state", "kept", "coefficients", "parameters"}
_ARRAYS |= {"reaching", "gradient", "sums", "mask"}
_COUNT = re.compile(r"begin|end|steps|batch|width|reach.*|mask_.")


def _kind(argument: str) -> str:
    return "*fp32" if argument in _ARRAYS else "i32" if _COUNT.fullmatch(argument) else "fp32"


def _of_binary(cubin: bytes, tool: str) -> KernelResources:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [tool, "--dump-resource-usage", file.name]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    registers, stack, shared, local = (int(re.findall(rf"{what}:(\d+)", told)[0]) for what in _RESOURCES)
    assert shared == 0, "states stay with their thread"
    return KernelResources(registers, stack + local)


_RESOURCES = ("REG", "STACK", "SHARED", "LOCAL")


def variants(learned: bool = True) -> Iterator[tuple[str, bool]]:
    """Names of a model's kernels, each with whether something is kept for backward."""
    yield from (("coefficients_kernel", True), ("forward_kernel", True), ("backward_kernel", True))
    if not learned:
        yield "forward_kernel", False


def work(layout: Layout, segment: int) -> dict[str, Work]:
    """Of the forward and the backward scan, in steps of long blocks; what a block reads once is left out."""
    plan, back = layout.plan, [*layout.plan.recompute, *layout.backward.values()]
    kept = len(plan.followed) / segment
    in_memory = {layout.sent, *plan.kept}
    of_states = {which[1:] for which in reads(back) if which.kind in ("state", "new")} & in_memory
    ahead = _read(layout.forward_outputs) + sum(n is not None for n in plan.slots) + 1 + kept
    behind = _read(back) + len(of_states) + 1 + plan.model.gates + kept  # with what reaches it from later steps
    operations = (
        _operations(layout.forward_outputs),
        _operations(plan.recompute) + _operations([*layout.backward.values()]),
    )
    return {"forward": Work(4 * ahead, operations[0]), "backward": Work(4 * behind, operations[1])}


def _read(outputs: list[Node]) -> int:
    """Numbers that a step reads from memory beside states."""
    return sum(which.kind in ("synaptic", "slot", "mask") for which in reads(outputs))


def _operations(outputs: list[Node]) -> int:
    return sum(not is_invariant(n) and n.op not in ("const", "input") for n in needed(outputs))


def row(
    model: NeuronModel, masked: bool, learned: bool, delay: int, steps: int, capability: int, small: bool = False
) -> dict[str, KernelResources]:
    """Each kernel of a model, compiled."""
    layout = layout_of(model, masked, learned, True)
    found = {(n, k): compiled(layout, n, delay, steps, k, capability, small) for n, k in variants(learned)}
    return {f"{name}{'' if keep else ', nothing kept'}": used for (name, keep), used in found.items()}


_HEAD = """# CUDA kernels, without a GPU

Made by `python -m benchmarks.kernels`. **Nothing on this page was measured on a GPU**: registers and spills are what
the compiler says, bytes and operations are counted in the generated kernels, and the times are bounds from below.

Each neuron model's forward and backward scan is generated from its step. A scan reads and writes each number of a
step once; a block's parameters and states come on top. Operations count every node of the step's graph and of its
derivative as one."""
_BOUNDS = """## The least time that line MNIST's scans and products can take

Scans are bound by memory on all these devices: they make some 1 to 3 operations a byte, the devices 10 to 20. Products
are float32 outside tensor cores, forward and both gradients. Times of one training step in microseconds, for one
replica (B 256, T 28, H 252, D 20); launches, Adam and readout come on top: such a step is too small to fill a device,
which is why seeds are batched."""


def document() -> str:
    """The page: compiles for some minutes."""
    models = {name: {m: layout_of(model, m, True, True) for m in (False, True)} for name, model in MODELS.items()}
    registers = [_registers(name, masked, sm) for name in MODELS for masked in (False, True) for sm in ARCHITECTURES]
    counted = [_counted(name, layouts[False]) for name, layouts in models.items()]
    bounds = [_bound(name, layouts[False], device) for name, layouts in models.items() for device in DEVICES]
    parts = ["## Registers of a thread, and bytes spilled", _table(registers), "## A neuron's step", _table(counted)]
    return "\n\n".join([_HEAD, *parts, _BOUNDS, _table(bounds)]) + "\n"


def _table(rows: list[dict[str, str]]) -> str:
    return markdown_table([*rows[0]], [[*each.values()] for each in rows])


def _registers(name: str, masked: bool, capability: int) -> dict[str, str]:
    found = row(MODELS[name], masked, True, *SIZES[LINE.key], capability)
    facts = {"model": name, "masks": "yes" if masked else "", "for": f"{ARCHITECTURES[capability]} (sm_{capability})"}
    each = {kernel.removesuffix("_kernel"): str(used.registers) for kernel, used in found.items()}
    return {**facts, **each, "spilled": str(sum(used.spilled for used in found.values()))}


def _work_of(layout: Layout) -> dict[str, Work]:
    from glifr.engine.cuda.launch import segment

    return work(layout, segment(layout, *SIZES[LINE.key]))


def _counted(name: str, layout: Layout) -> dict[str, str]:
    found = _work_of(layout)
    bytes_ = {f"{way}, bytes": f"{each.bytes:.1f}" for way, each in found.items()}
    operations = {f"{way}, operations": str(each.operations) for way, each in found.items()}
    total = sum(w.operations for w in found.values()) / sum(w.bytes for w in found.values())
    return {"model": name, **bytes_, **operations, "operations a byte": f"{total:.1f}"}


def _bound(name: str, layout: Layout, device: Device) -> dict[str, str]:
    steps = LINE.batch * LINE.steps * LINE.hidden
    each = [max(w.bytes / device.memory, w.operations / device.float32) for w in _work_of(layout).values()]
    scans, products = steps * sum(each) / 1e6, _products(LINE, layout.plan.model.gates) / device.float32 / 1e6
    return {"model": name, "device": device.name, "scans": f"{scans:.0f}", "products": f"{products:.0f}"}


def _products(shape: Shape, gates: int) -> int:
    """Operations: the input's product and its weights' gradient, the lateral one and both gradients."""
    rows, lateral = shape.batch * shape.steps, shape.batch * max(shape.steps - shape.delay, 0)
    return 2 * gates * shape.hidden * (2 * rows * shape.inputs + 3 * lateral * shape.hidden)


def main() -> None:
    """Writes the page."""
    path = Path("docs") / "cuda_kernels.md"
    path.write_text(document(), encoding="utf-8")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
