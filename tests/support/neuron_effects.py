"""Prints, as JSON, what the neurons of the copy of the project that is first on the path do: see test_edited_step."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import nn

from glifr.characterise.single import current_curves
from glifr.networks import BNNFC
from launch.planning.plan import make_plan
from launch.studyfile import load_study

BACKENDS = ("reference", "torch", "cpu")
STEPS = 3


def network(backend: str) -> BNNFC:
    return BNNFC(3, 6, 2, dt=0.5, backend=backend, generator=torch.Generator().manual_seed(1))


def losses(backend: str) -> list[float]:
    """The loss of each of a few training steps."""
    own = network(backend)
    optimizer = torch.optim.Adam(own.parameters(), lr=0.05)
    x = torch.randn(4, 12, 3, generator=torch.Generator().manual_seed(2))
    found = []
    for _ in range(STEPS):
        loss = nn.functional.mse_loss(own(x), torch.ones(4, 12, 2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def main(study: Path) -> None:
    plan = make_plan(load_study(study), fingerprint="")
    identities = {}
    for name in plan.conditions:
        values = {"learning_rate": 0.001, "weight_spread": 1.0}
        identities[name] = plan.identity("final", name, values, (1,))
    found = {
        "losses": {backend: losses(backend) for backend in BACKENDS},
        "curves": current_curves(network("reference").isolated()).firing.tolist(),
        "identities": identities,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
