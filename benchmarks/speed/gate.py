"""No speed without correctness: every backend against the plain loop in float64, at awkward sizes.

Compared are the outputs, the gradient of the input and of every parameter, each by norm; the worst one counts. Allowed
is LIMIT, or OWN_ERRORS times the error that the float32 loop itself has there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.speed.cases import LOOP, Kind, backends, network
from benchmarks.speed.shapes import Shape
from glifr.networks import forward_replicas

LIMIT, OWN_ERRORS, DOUBLE_LIMIT = 2e-6, 3, 1e-10


class Case(NamedTuple):
    """A network and its sizes. ascs: J. replicas: R networks as one computation. silenced: every third neuron."""

    shape: Shape
    kind: Kind = "GLIFR"
    ascs: int = 2
    replicas: int = 1
    silenced: bool = False


_RAGGED = Shape("ragged", "ragged last block", 37, 45, 5, 70, 3, 20)
_ONE_STEP = Shape("one-step", "delay of one step", 9, 12, 2, 17, 3, 1, readout="all")
_SHORT = Shape("short", "delay longer than the sequence", 3, 5, 1, 33, 2, 9, readout="all")
_WIDE = Shape("wide", "line MNIST's sizes", 65, 28, 28, 252, 10, 20)

CASES = (
    Case(_RAGGED),
    Case(_RAGGED, ascs=0),
    Case(_RAGGED, ascs=3, replicas=2, silenced=True),
    Case(_ONE_STEP),
    Case(_ONE_STEP, replicas=3),
    Case(_SHORT),
    Case(_WIDE),
    Case(_RAGGED, "RNN"),
    Case(_ONE_STEP, "RNN", replicas=2),
    Case(_SHORT, "RNN", silenced=True),
    Case(_RAGGED, "LSTM"),
    Case(_ONE_STEP, "LSTM", replicas=2, silenced=True),
)


class Verdict(NamedTuple):
    """What one backend has in one case: its worst number, that number's relative error, and what is allowed."""

    case: str
    network: str
    backend: str
    dtype: str
    worst: str
    error: float
    allowed: float

    @property
    def right(self) -> bool:
        return self.error <= self.allowed

    def __str__(self) -> str:
        place = f"{self.network}, backend {self.backend}, {self.dtype}, {self.case}"
        return f"{place}: {self.worst} is off by {self.error:.2e}, allowed {self.allowed:.2e}"


def check(device: torch.device, cases: Sequence[Case] = CASES) -> list[Verdict]:
    """Every backend that runs on `device` in every case."""
    return [verdict for case in cases for verdict in _verdicts(case, device)]


def _verdicts(case: Case, device: torch.device) -> list[Verdict]:
    exact = _numbers(case, LOOP, torch.float64, torch.device("cpu"))
    own = max(_errors(_numbers(case, LOOP, torch.float32, torch.device("cpu")), exact).values())
    able = backends(device)[0]
    runs = [
        (name, torch.float32, max(LIMIT, OWN_ERRORS * own)) for name in able if name != LOOP or device.type != "cpu"
    ]
    runs += [("torch", torch.float64, DOUBLE_LIMIT)] if "torch" in able else []
    return [_verdict(case, device, exact, *run) for run in runs]


def _verdict(
    case: Case, device: torch.device, exact: dict[str, Tensor], backend: str, dtype: torch.dtype, allowed: float
) -> Verdict:
    try:
        errors = _errors(_numbers(case, backend, dtype, device), exact)
        # a NaN compares with nothing, so it must win by hand
        worst = max(errors, key=lambda name: float("inf") if errors[name] != errors[name] else errors[name])
        error = errors[worst]
    except Exception as failure:  # whatever it raises, it is not right; the others are still told about
        worst, error = f"{type(failure).__name__}: {next(iter(str(failure).splitlines()), '')}", float("nan")
    return Verdict(_title(case), case.kind, backend, str(dtype).removeprefix("torch."), worst, error, allowed)


def _title(case: Case) -> str:
    features = [case.shape.title]
    if case.kind == "GLIFR":
        features.append(f"{case.ascs} after-spike currents")
    if case.replicas > 1:
        features.append(f"{case.replicas} seeds")
    return ", ".join([*features, *["silenced"] * case.silenced])


def _numbers(case: Case, backend: str, dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
    """Outputs and gradients by name, in float64 on the CPU."""
    shape = case.shape
    models = [network(shape, backend, case.kind, case.ascs, seed) for seed in range(case.replicas)]
    for model in models:
        model.to(device, dtype)
        if case.silenced:
            model.silence(range(0, shape.hidden, 3))
    generator = torch.Generator().manual_seed(2)

    def draw(*sizes: int) -> Tensor:
        return torch.randn(sizes, generator=generator, dtype=torch.float64).to(device, dtype)

    x = draw(case.replicas, shape.batch, shape.steps, shape.inputs).requires_grad_()
    outputs = forward_replicas(models, x, readout=shape.readout)
    (outputs * draw(*outputs.shape)).sum().backward()  # type: ignore[no-untyped-call]
    found = {"outputs": outputs.detach(), "gradient of the input": x.grad}
    for seed, model in enumerate(models):
        for name, parameter in model.named_parameters():
            found[f"gradient of {name} (seed {seed})"] = parameter.grad
    return {name: values.double().cpu() for name, values in found.items() if values is not None}


def _errors(found: dict[str, Tensor], exact: dict[str, Tensor]) -> dict[str, float]:
    """Relative errors by norm; absolute where the exact numbers are zeros."""
    errors = {}
    for name, expected in exact.items():
        size = float(expected.norm())
        difference = found[name] - expected if name in found else expected  # autograd leaves some zeros out
        errors[name] = float(difference.norm()) / (size or 1.0)
    return errors
