"""Every backend against golden vectors: those of the published implementation, and our own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden_support import Golden, compute
from paths import ROOT, SHARED

from glifr.engine.backends import RUN
from glifr.engine.sequence import SequenceInput
from glifr.networks import BNNFC

OWN = sorted((ROOT / "tests" / "golden").glob("*.npz"))
PUBLISHED = [
    "delay_longer_than_input",
    "line_mnist_shape_delay20",
    "silenced_three_ascs_delay2",
    "steep_biased_delay3",
    "tiny_no_ascs_delay1",
    "tiny_two_ascs_delay4",
]
FILES = [pytest.param(path, id=path.stem) for path in OWN]
FILES += [
    pytest.param(SHARED / "reference" / "golden" / f"{name}.npz", id=f"published-{name}", marks=pytest.mark.shared)
    for name in PUBLISHED
]
BACKENDS = sorted(RUN.keys() - {"triton"})  # which needs CUDA or its interpreter: test_triton_scans.py
EXACT = [name for name in BACKENDS if name != "cpu"]  # those that compute in float64


def expected(golden: Golden) -> set[str]:
    """Names of the numbers a run must reproduce."""
    return {name for name in golden.arrays if not name.startswith("param_")} - {"x", "y", "firing"}


@pytest.mark.shared
def test_every_published_file_is_tested() -> None:
    assert sorted(path.stem for path in (SHARED / "reference" / "golden").glob("*.npz")) == PUBLISHED


def test_our_own_files_are_there() -> None:
    assert len(OWN) == 7


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("backend", EXACT)
def test_float64_agrees(path: Path, backend: str) -> None:
    golden = Golden.read(path)
    network = golden.network(backend, torch.float64)
    found = compute(network, golden.tensor("x"), torch.tensor(golden.arrays["y"]))
    assert expected(golden) <= found.keys()
    for name in expected(golden):
        torch.testing.assert_close(found[name], golden.tensor(name), rtol=0, atol=1e-10, msg=lambda m, n=name: n + m)
    torch.testing.assert_close(found["tracked_out"], golden.tensor("out"), rtol=0, atol=1e-10)


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_float32_agrees(path: Path, backend: str) -> None:
    golden = Golden.read(path)
    network = golden.network(backend, torch.float32)
    found = compute(network, golden.tensor("x", torch.float32), torch.tensor(golden.arrays["y"]))
    for name in expected(golden):
        wanted = golden.tensor(name)
        error = (found[name].double() - wanted).norm()
        assert error <= 5e-5 * wanted.norm(), name


@pytest.mark.parametrize("path", [p for p in FILES if not str(p.id).startswith(("rnn", "lstm"))])
@pytest.mark.parametrize("backend", BACKENDS)
def test_state_after_every_step_agrees(path: Path, backend: str) -> None:
    """The final state of the sequence cut after each step is the golden state of that step."""
    golden = Golden.read(path)
    dtype, allowed = (torch.float64, 1e-10) if backend in EXACT else (torch.float32, 1e-4)
    network = golden.network(backend, dtype)
    assert isinstance(network, BNNFC)
    x, layer = golden.tensor("x", dtype).unsqueeze(0), network.neuron_layer
    weight_in, weight_lat, *stored = layer.tensors()
    parameters = layer.model.Parameters(*(p.unsqueeze(p.ndim - 2) for p in stored))
    mask = None if network.neuron_mask is None else network.neuron_mask.view(1, 1, 1, -1)
    voltage, ascurrents = golden.tensor("voltage", dtype), golden.tensor("ascurrents", dtype)
    firing = torch.sigmoid((voltage - layer.thresh.detach()) / layer.sigma_v) * (1 if mask is None else mask[0])
    if "firing" in golden.arrays:
        firing = golden.tensor("firing", dtype)
    for t in range(x.shape[2]):
        given = x[:, :, : t + 1], weight_in[None], weight_lat[None], parameters, layer.constants, network.delay_steps
        final = RUN[backend](SequenceInput(layer.model, *given, mask, stored=True)).final
        wanted = firing[None, :, t], voltage[None, :, t], ascurrents[:, None, :, t]
        for found, right in zip(final, wanted, strict=True):
            torch.testing.assert_close(found, right, rtol=0 if backend in EXACT else allowed, atol=allowed)
