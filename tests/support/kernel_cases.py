"""Sequences of awkward sizes, with their outputs and all gradients, for the tests of every backend."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor

from glifr.equations import Constants, GLIFRParameters, GLIFRState
from glifr.kernels import SequenceInput

PLAIN, BIASED = Constants(), Constants(reset_rate=0.4, sigma_v=0.3, R=0.5, I0=0.7, v_reset=-0.3)


class Case(NamedTuple):
    """Sizes and features of one sequence."""

    steps: int = 7
    delay: int = 3
    ascs: int = 2
    replicas: int = 1
    batch: int = 3
    constants: Constants = PLAIN
    mask: str = "none"
    initial: bool = False
    history: bool = False
    shared_input: bool = False
    inputs: int = 2
    hidden: int = 4


def make(case: Case, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[SequenceInput, list[Tensor]]:
    """The sequence, and the leaves whose gradients are compared."""
    generator = torch.Generator().manual_seed(seed)
    R, B, T, I, H, J = case.replicas, case.batch, case.steps, case.inputs, case.hidden, case.ascs  # noqa: E741

    def draw(*shape: int, low: float = -1.0, high: float = 1.0) -> Tensor:
        unit = torch.rand(shape, generator=generator, dtype=torch.float64)
        return (low + (high - low) * unit).to(dtype).requires_grad_()

    parameters = GLIFRParameters(
        draw(R, I, H),
        draw(R, H, H),
        draw(R, 1, H),
        draw(R, 1, H, low=0.1, high=0.9),
        draw(J, R, 1, H, low=0.1, high=0.9),
        draw(J, R, 1, H),
        draw(J, R, 1, H),
    )
    x = draw(1 if case.shared_input else R, B, T, I)
    initial = GLIFRState(draw(R, B, H, low=0.0), draw(R, B, H), draw(J, R, B, H)) if case.initial else None
    history = draw(R, B, case.delay, H, low=0.0) if case.history else None
    mask = None
    if case.mask == "neurons":
        mask = (torch.rand(R, 1, 1, H, generator=generator) > 0.4).to(dtype)
    elif case.mask == "dropout":
        mask = (torch.rand(R, B, T, H, generator=generator) > 0.4).to(dtype) / 0.6
    leaves = [x, *parameters, *(initial or ()), *([history] if history is not None else [])]
    return SequenceInput(x, parameters, case.constants, case.delay, mask, initial, history), leaves


def outputs_and_gradients(run: Any, case: Case, seed: int = 0, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    sequence, leaves = make(case, seed, dtype)
    result = run(sequence)
    outputs = [result.firing, *result.final]
    generator = torch.Generator().manual_seed(seed + 1)
    weights = [torch.randn(o.shape, generator=generator, dtype=torch.float64).to(dtype) for o in outputs]
    loss = torch.stack([(w * o).sum() for w, o in zip(weights, outputs, strict=True)]).sum()
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    return [*(o.detach() for o in outputs), *gradients]


CASES = st.builds(
    Case,
    steps=st.integers(1, 13),
    delay=st.integers(1, 15),
    ascs=st.integers(0, 3),
    replicas=st.integers(1, 3),
    batch=st.integers(1, 4),
    constants=st.sampled_from([PLAIN, BIASED]),
    mask=st.sampled_from(["none", "neurons", "dropout"]),
    initial=st.booleans(),
    history=st.booleans(),
    shared_input=st.booleans(),
    inputs=st.integers(1, 3),
    hidden=st.integers(1, 5),
)
