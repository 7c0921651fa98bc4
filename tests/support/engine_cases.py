"""Sequences of awkward sizes for several neuron models, with outputs and all gradients: what every engine must give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor

from glifr.engine import reference
from glifr.engine.definition import DECAY, Constant, NeuronModel, Parameter, State
from glifr.engine.sequence import SequenceInput
from glifr.neurons import glifr, lstm, tanh


def _adaptive(s: Any, states: Any, p: Any, c: Any, mask: Any) -> tuple[Tensor, ...]:
    """A threshold that rises with firing: theta' = (1 - d) theta + b f."""
    firing, voltage, theta = states
    theta = (1 - p.decay) * theta + p.rise * firing
    voltage = s + (1 - p.leak) * voltage - c.reset_rate * firing * voltage
    firing = torch.sigmoid((voltage - p.thresh - theta) / c.sigma_v)
    return firing if mask is None else mask * firing, voltage, theta


class _Spike(torch.autograd.Function):
    """1 above zero, with a smooth slope."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient / (1 + 10 * x.abs()) ** 2


def _spiking(s: Any, states: Any, p: Any, c: Any, mask: Any) -> tuple[Tensor, ...]:
    spike, voltage = states
    voltage = s + p.decay * voltage * (1 - spike)
    spike: Tensor = _Spike.apply(voltage - c.thresh)
    return spike if mask is None else mask * spike, voltage


def _two_compartments(s: Any, states: Any, p: Any, c: Any, mask: Any) -> tuple[Tensor, ...]:
    soma_input, dendrite_input = s
    rate, soma, dendrite = states
    dendrite = (1 - p.decay) * dendrite + dendrite_input + rate
    soma = p.decay * soma + soma_input + p.coupling[0] * dendrite - p.coupling[1] * soma
    rate = torch.sigmoid(soma)
    return rate if mask is None else mask * rate, soma, dendrite


def _branching(s: Any, states: Any, p: Any, c: Any, mask: Any) -> tuple[Tensor, ...]:
    """Truths of parameters alone, of states, and of both."""
    sent, voltage = states
    gain = torch.where(p.a < 0, c.gain, p.a * c.gain)
    voltage = torch.where(s > p.a, s + sent, torch.exp(-s * s) + 0.5 * voltage)
    voltage = torch.where((p.a < 0.3) & (voltage < 0.1), voltage * gain, -voltage)
    sent = torch.tanh(voltage) * gain
    return sent if mask is None else mask * sent, voltage


def _model(name: str, states: str, parameters: tuple[Parameter, ...], constants: Any, step: Any, gates: int = 1) -> Any:
    each = tuple(State(n) for n in states.split())
    return NeuronModel(name, each, parameters, tuple(Constant(*c) for c in constants), step, gates)


_LEAK = Parameter("leak", None, DECAY), Parameter("decay", None, DECAY)
_WIDTH = (("reset_rate", 1.0, "", True), ("sigma_v", 1.0, "", True))
MODELS: Mapping[str, NeuronModel] = {
    **{f"glifr {n}": glifr(n) for n in (0, 2, 3)},
    **{"tanh": tanh(), "lstm": lstm()},
    "adaptive": _model(
        "adaptive", "firing voltage theta", (Parameter("thresh"), *_LEAK, Parameter("rise")), _WIDTH, _adaptive
    ),
    "spiking": _model("spiking", "spike voltage", (_LEAK[1],), [("thresh", 0.3)], _spiking),
    "two": _model("two", "rate soma dendrite", (_LEAK[1], Parameter("coupling", 2)), (), _two_compartments, 2),
    "branching": _model("branching", "sent voltage", (Parameter("a"),), [("gain", 0.7)], _branching),
}


class EngineCase(NamedTuple):
    """Sizes and features of one sequence. biased: every constant off its default."""

    model: str = "glifr 2"
    steps: int = 7
    delay: int = 3
    replicas: int = 1
    batch: int = 3
    mask: str = "none"
    initial: bool = False
    history: bool = False
    shared_input: bool = False
    stored: bool = False
    biased: bool = True
    inputs: int = 2
    hidden: int = 4


def make(case: EngineCase, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[SequenceInput, list[Tensor]]:
    """The sequence, and the leaves whose gradients are compared."""
    generator, model = torch.Generator().manual_seed(seed), MODELS[case.model]
    R, B, T, H = case.replicas, case.batch, case.steps, case.hidden

    def draw(*shape: int, low: float = -1.0, high: float = 1.0) -> Tensor:
        unit = torch.rand(shape, generator=generator, dtype=torch.float64)
        return (low + (high - low) * unit).to(dtype).requires_grad_()

    def leading(entry: Any) -> tuple[int, ...]:
        return () if entry.count is None else (entry.count,)

    x = draw(1 if case.shared_input else R, B, T, case.inputs)
    weights = tuple(draw(R, n, model.gates * H, low=-(n**-0.5), high=n**-0.5) for n in (case.inputs, H))
    limits = [
        (-1.0, 1.0) if case.stored else (max(p.transform.low, -1) + 0.1, min(p.transform.high, 1) - 0.1)
        for p in model.parameters
    ]
    each = zip(model.parameters, limits, strict=True)
    parameters = model.Parameters(*(draw(*leading(p), R, 1, H, low=a, high=b) for p, (a, b) in each))
    initial = model.State(*(draw(*leading(s), R, B, H) for s in model.states)) if case.initial else None
    history = draw(R, B, case.delay, H) if case.history else None
    shape = {"neurons": (R, 1, 1, H), "dropout": (R, B, T, H), "none": ()}[case.mask]
    mask = ((torch.rand(shape, generator=generator) > 0.4) / 0.6).to(dtype) if shape else None
    numbers = (c.default * 0.6 + 0.1 * (n + 1) if case.biased else c.default for n, c in enumerate(model.constants))
    given = (x, *weights, parameters, model.Constants(*numbers), case.delay, mask, initial, history, case.stored)
    leaves = [x, *weights, *parameters, *(initial or ()), *([history] if history is not None else [])]
    return SequenceInput(model, *given), leaves


def outputs_and_gradients(
    run: Callable[[SequenceInput], Any], case: EngineCase, seed: int = 0, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """What was sent, the final state, and the gradients of a random sum of them."""
    sequence, leaves = make(case, seed, dtype)
    result = run(sequence)
    outputs = [result.sent, *result.final]
    generator = torch.Generator().manual_seed(seed + 1)
    weights = [torch.randn(o.shape, generator=generator, dtype=torch.float64).to(dtype) for o in outputs]
    loss = torch.stack([(w * o).sum() for w, o in zip(weights, outputs, strict=True)]).sum()
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    return [*(o.detach() for o in outputs), *gradients]


def error(found: list[Tensor], exact: list[Tensor]) -> float:
    """The worst relative error, by norm, of tensors that are not zero."""
    pairs = [(f.double(), e.double()) for f, e in zip(found, exact, strict=True)]
    assert all(f.isfinite().all() for f, _ in pairs)
    return max(float((f - e).norm() / max(float(e.norm()), 1e-3)) for f, e in pairs)


def agrees(run: Callable[[SequenceInput], Any], case: EngineCase, seed: int = 0) -> None:
    """Asserts that a float32 engine is as near the loop in float64 as the loop in float32 is, times three."""
    exact = outputs_and_gradients(reference.run, case, seed)
    loop = outputs_and_gradients(reference.run, case, seed, torch.float32)
    found = outputs_and_gradients(run, case, seed, torch.float32)
    assert error(found, exact) <= max(3 * error(loop, exact), 2e-6)


def same(found: list[Tensor], wanted: list[Tensor]) -> bool:
    """Whether two lists of tensors have the same bits."""
    return all(torch.equal(f, w) for f, w in zip(found, wanted, strict=True))


def any_case(*, steps: int, delay: int, batch: int, inputs: int, hidden: int) -> st.SearchStrategy[EngineCase]:
    """Cases of all models, of sizes up to these."""
    return st.builds(
        EngineCase,
        model=st.sampled_from([*MODELS]),
        steps=st.integers(1, steps),
        delay=st.integers(1, delay),
        replicas=st.integers(1, 3),
        batch=st.integers(1, batch),
        mask=st.sampled_from(["none", "neurons", "dropout"]),
        initial=st.booleans(),
        history=st.booleans(),
        shared_input=st.booleans(),
        stored=st.booleans(),
        biased=st.booleans(),
        inputs=st.integers(1, inputs),
        hidden=st.integers(1, hidden),
    )
