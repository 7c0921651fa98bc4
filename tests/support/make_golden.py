"""Makes tests/golden/*.npz by the float64 reference backend: `python tests/support/make_golden.py`.

It refuses to, unless the reference first agrees with the published implementation's vectors in ../shared.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from golden_support import Golden, compute, empty_network, named
from paths import TESTS

PUBLISHED = TESTS.parent.parent / "shared" / "reference" / "golden"

PLAIN = {"dt": 0.05, "tau": 0.05, "sigma_v": 1.0, "R": 0.1, "I0": 0.0, "v_reset": 0.0, "silenced": []}
BIASED = {"dt": 0.1, "tau": 0.25, "sigma_v": 0.2, "R": 0.3, "I0": 0.6, "v_reset": -0.4}
CASES: dict[str, dict[str, Any]] = {
    "glifr_line_shape_delay20": {"B": 4, "T": 28, "I": 7, "H": 6, "O": 3, "J": 2, "delay_steps": 20, **PLAIN},
    "glifr_no_ascs_delay2": {"B": 3, "T": 9, "I": 2, "H": 5, "O": 2, "J": 0, "delay_steps": 2, **PLAIN},
    "glifr_three_ascs_biased_silenced_delay3": {
        **{"B": 3, "T": 14, "I": 3, "H": 6, "O": 2, "J": 3, "delay_steps": 3, **BIASED},
        "silenced": [1, 4],
    },
    "glifr_delay_longer_than_input": {
        **{"B": 2, "T": 6, "I": 3, "H": 4, "O": 2, "J": 1, "delay_steps": 8, **PLAIN},
        "tau": 0.1,
    },
    "rnn_delay1": {"network": "RNN", "B": 3, "T": 9, "I": 3, "H": 6, "O": 2, "delay_steps": 1, **PLAIN},
    "rnn_silenced_delay4": {
        **{"network": "RNN", "B": 3, "T": 11, "I": 3, "H": 6, "O": 2, "delay_steps": 4, **PLAIN},
        "silenced": [0, 5],
    },
    "lstm_silenced": {"network": "LSTM", "B": 3, "T": 9, "I": 3, "H": 5, "O": 2, **PLAIN, "silenced": [2]},
}


def check_against_published() -> None:
    """Exits with a message unless the reference gives the published numbers to 1e-10."""
    files = sorted(PUBLISHED.glob("*.npz"))
    if not files:
        sys.exit(f"no published vectors in {PUBLISHED}: nothing is made")
    for path in files:
        golden = Golden.read(path)
        found = compute(
            golden.network("reference", torch.float64), golden.tensor("x"), torch.tensor(golden.arrays["y"])
        )
        for name, value in found.items():
            if name in golden.arrays and not torch.allclose(value, golden.tensor(name), rtol=0, atol=1e-10):
                sys.exit(f"{path.name}: {name} differs from the published implementation: nothing is made")


def make(name: str, config: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(sum(name.encode()))
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    network = empty_network(config, "reference", generator)
    torch.set_default_dtype(previous)
    network.silence(config["silenced"])
    x = torch.randn(config["B"], config["T"], config["I"], generator=generator, dtype=torch.float64)
    y = torch.randint(config["O"], (config["B"],), generator=generator)
    arrays = {"param_" + key: value.detach() for key, value in named(network).items() if value.numel()}
    found = compute(network, x, y)
    del found["tracked_out"]
    content = {key: value.numpy() for key, value in {**arrays, **found, "x": x, "y": y}.items()}
    np.savez(TESTS / "golden" / f"{name}.npz", config=np.array(repr(config)), **content)


if __name__ == "__main__":
    check_against_published()
    for case, settings in CASES.items():
        make(case, settings)
