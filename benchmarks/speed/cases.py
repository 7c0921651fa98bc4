"""Timed candidates, and one training step (forward, loss, backward, Adam) of each.

The plain loop and every GLIFR backend compute the same network; RNNFC and LSTMFC are this project's other networks;
peers are other libraries' recurrent layers of the same B, T, H, with the same readout, loss and optimiser call.
Shapes: R replicas, B batch, T steps, I inputs, H neurons, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.speed.graphs import recorded
from benchmarks.speed.peers import PEERS, peer, why_absent
from benchmarks.speed.shapes import Shape
from glifr.configuration import TrainingSettings
from glifr.engine.backends import BACKENDS, choose_backend
from glifr.errors import InputError
from glifr.networks import BNNFC, LSTMFC, RNNFC, Network, forward_replicas
from glifr.networks.replicas import prepare_replicas
from glifr.training.optimizer import make_optimizer

if TYPE_CHECKING:
    from glifr.engine.cpu.prepared import PreparedPass

LOOP = "reference"
Step = Callable[[], object]
Kind = Literal["GLIFR", "RNN", "LSTM"]


class Candidate(NamedTuple):
    """One way to compute a training step. name: unique. group: how it is shown.

    graph: replayed as a CUDA graph. prepared: as training does it on a CPU, prepared where that pays.
    """

    name: str
    group: Literal["loop", "backend", "network", "peer"]
    backend: str = ""
    kind: Kind = "GLIFR"
    graph: bool = False
    prepared: bool = False

    def delay(self, shape: Shape) -> int:
        """D in steps; peers and the LSTM have one step whatever the shape says."""
        return 1 if self.group == "peer" or self.kind == "LSTM" else shape.delay


class NotMeasured(NamedTuple):
    """What is not measured, and why."""

    what: str
    why: str


def backends(device: torch.device) -> tuple[list[str], list[NotMeasured]]:
    """The concrete backends that compute float32 on `device`, the loop first; and those that do not."""
    able, absent = [], []
    for name in BACKENDS:
        if name == "auto":
            continue
        try:
            choose_backend(name, device)
        except InputError as error:
            absent.append(NotMeasured(f"backend {name}", error.problems[0].rule))
            continue
        if name == "triton" and device.type == "cpu":
            absent.append(
                NotMeasured(f"backend {name}", "on this device it is interpreted, which proves it but times nothing")
            )
            continue
        able.append(name)
    return able, absent


def candidates(device: torch.device) -> tuple[list[Candidate], list[NotMeasured]]:
    """What can be timed on `device`, the loop first; and what cannot."""
    able, absent = backends(device)
    found = [Candidate(name, "loop" if name == LOOP else "backend", name) for name in able]
    if device.type == "cuda":
        auto = choose_backend("auto", device)
        found.append(Candidate(f"{auto}, CUDA graph", "backend", auto, graph=True))
    elif "cpu" in able:
        found.append(Candidate("cpu, prepared", "backend", "cpu", prepared=True))
    found += [Candidate("RNNFC", "network", "auto", "RNN"), Candidate("LSTMFC", "network", "auto", "LSTM")]
    for name in PEERS:
        why = why_absent(name)
        if why:
            absent.append(NotMeasured(name, why))
        else:
            found.append(Candidate(name, "peer"))
    return found, absent


def fastest(device: torch.device) -> str:
    """The name of the candidate that training takes on `device`."""
    auto = choose_backend("auto", device)
    return f"{auto}, CUDA graph" if device.type == "cuda" else f"{auto}, prepared" if auto == "cpu" else auto


def training_step(shape: Shape, candidate: Candidate, device: torch.device) -> Step:
    """One training step of a candidate on random data, ready to be called."""
    if candidate.group == "peer":
        model: nn.Module = _seeded(lambda: peer(candidate.name, shape)).to(device)
    else:
        model = network(shape, candidate.backend, candidate.kind).to(device)
    x, y = batch(shape, device)
    optimizer = adam(model.parameters(), device)
    if candidate.prepared and isinstance(model, Network):
        prepared = prepare_replicas([model], x.unsqueeze(0), shape.readout)
        if prepared is not None:
            return _prepared_step(shape, prepared, (x.unsqueeze(0), y), optimizer)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_of(shape, outputs_of(shape, model, x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return recorded(step) if candidate.graph else step


def _prepared_step(
    shape: Shape, prepared: PreparedPass, data: tuple[Tensor, Tensor], optimizer: torch.optim.Optimizer
) -> Step:
    x, y = data

    def step() -> None:
        prepared.learn(x, lambda outputs: loss_of(shape, outputs[0], y))
        optimizer.step()

    return step


def seeds_step(shape: Shape, seeds: int, device: torch.device, graph: bool = False) -> Step:
    """One training step of R networks as one computation, as training does it, each on data of its own."""
    models = [network(shape, "auto", seed=seed).to(device) for seed in range(seeds)]
    drawn = [batch(shape, device, seed) for seed in range(seeds)]
    x, y = torch.stack([d[0] for d in drawn]), torch.stack([d[1] for d in drawn])
    optimizer = adam((p for model in models for p in model.parameters()), device)
    prepared = prepare_replicas(models, x, shape.readout)

    def losses_of(outputs: Tensor) -> Tensor:
        return torch.stack([loss_of(shape, outputs[r], y[r]) for r in range(seeds)])

    def step() -> None:
        if prepared is not None:
            prepared.learn(x, losses_of)
        else:
            optimizer.zero_grad(set_to_none=True)
            losses_of(forward_replicas(models, x, readout=shape.readout)).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return recorded(step) if graph else step


def network(shape: Shape, backend: str, kind: Kind = "GLIFR", ascs: int = 2, seed: int = 0) -> Network:
    """The network of a shape; GLIFR with heterogeneous start, all parameters learned."""
    sizes = (shape.inputs, shape.hidden, shape.outputs, shape.dt)
    generator, delay = torch.Generator().manual_seed(seed), shape.delay * shape.dt
    if kind == "RNN":
        return RNNFC(*sizes, delay=delay, backend=backend, generator=generator)
    if kind == "LSTM":
        return LSTMFC(*sizes, backend=backend, generator=generator)
    return BNNFC(*sizes, hetinit=True, num_ascs=ascs, delay=delay, backend=backend, generator=generator)


def batch(shape: Shape, device: torch.device, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Inputs [B,T,I] and targets: classes [B] where the last step is read, else [B,T,O]."""
    generator = torch.Generator().manual_seed(1000 + seed)
    x = torch.randn(shape.batch, shape.steps, shape.inputs, generator=generator)
    if shape.readout == "last":
        return x.to(device), torch.randint(shape.outputs, (shape.batch,), generator=generator).to(device)
    return x.to(device), torch.randn(shape.batch, shape.steps, shape.outputs, generator=generator).to(device)


def outputs_of(shape: Shape, model: nn.Module, x: Tensor) -> Tensor:
    """[B,O] or [B,T,O], as the readout says."""
    if isinstance(model, Network):
        return forward_replicas([model], x, readout=shape.readout)[0]
    outputs: Tensor = model(x)
    return outputs


def loss_of(shape: Shape, outputs: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, y) if shape.readout == "last" else functional.mse_loss(outputs, y)


def adam(parameters: Iterable[nn.Parameter], device: torch.device) -> torch.optim.Optimizer:
    """The optimiser of every candidate alike: as training makes it."""
    return make_optimizer(list(parameters), 1e-3, TrainingSettings(epochs=1, batch_size=1), device)


def _seeded(build: Callable[[], nn.Module]) -> nn.Module:
    """Other libraries draw from torch's global generator."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    try:
        return build()
    finally:
        torch.set_rng_state(state)
