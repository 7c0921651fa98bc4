"""The page on recovered parameters: what counts as recovered, and that it says what was measured."""

from __future__ import annotations

import pytest
import torch

from benchmarks import recovery
from glifr.tasks.realizable import identifiable_target


def test_currents_are_matched_and_five_percent_is_the_bound() -> None:
    true, found = identifiable_target(3), identifiable_target(3)
    layer = found.neuron_layer
    with torch.no_grad():
        for tensor in (layer.trans_k_j, layer.trans_r_j, layer.a_j):
            tensor.copy_(tensor.flip(0).clone())  # the numbering means nothing
        layer.thresh.mul_(1.049)
    assert all(recovery.recovered(found, true).values())
    with torch.no_grad():
        layer.thresh.copy_(1.051 * true.neuron_layer.thresh)
        layer.a_j[0] *= 1.06
    assert [name for name, ok in recovery.recovered(found, true).items() if not ok] == ["thresh", "a_j"]


@pytest.mark.filterwarnings("ignore:.*portable engine")
def test_the_page_tells_both_kinds_of_targets_apart() -> None:
    text = recovery.document(1, 1, 1)
    cells = [cell.strip() for cell in next(line for line in text.splitlines() if "`a_j`" in line).split("|")]
    assert float(cells[2]) < 1e-15 < 1e-11 < float(cells[3])
    assert cells[4] == "0 of 1"
