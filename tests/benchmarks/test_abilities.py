"""The table of abilities: what is said follows from what a layer does, and a library that is absent is not judged."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from paths import ROOT
from torch import Tensor

from benchmarks.abilities import __main__ as command
from benchmarks.abilities.layers import LAYERS, Layer
from benchmarks.abilities.probes import PROBES, in_parts, padded, tried

OURS = LAYERS["GLIFR"]
SLOW = ("`torch.compile`", "`torch.export`")  # tests/glifr/networks/test_with_torch.py


@pytest.mark.filterwarnings("ignore:.*portable engine")
@pytest.mark.parametrize("ability", [name for name in PROBES if not name.startswith(SLOW)])
def test_our_layer_can_do_it(ability: str) -> None:
    assert tried(PROBES[ability], OURS).split(",")[0] in ("yes", "once a sequence", "runs")


def test_a_layer_that_forgets_its_state_is_seen() -> None:
    def forgets(module: Any, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        return OURS.run(module, x, None)

    assert tried(in_parts, OURS._replace(run=forgets)).startswith("no: differs by")

    def cuts(module: Any, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        sent, after = OURS.run(module, x, state)
        return sent, after.detach()

    assert tried(in_parts, OURS._replace(run=cuts)).startswith("no: the gradient differs by")


def test_what_raises_and_what_is_silent_is_said() -> None:
    def raises(module: Any, x: Tensor, lengths: Any) -> Tensor:
        raise LookupError

    assert tried(padded, OURS._replace(padded=raises)) == "no (LookupError)"
    assert tried(padded, OURS._replace(padded=None)) == "not offered"
    silent = OURS._replace(run=lambda module, x, state: (0 * OURS.run(module, x, state)[0], state))
    assert tried(in_parts, silent) == "no: nothing but zeros to compare"


def test_an_absent_library_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Layer("a_library_that_is_not_there", lambda: pytest.fail("tried"), OURS.run)
    monkeypatch.setattr(command, "LAYERS", {"nn.LSTM": LAYERS["nn.LSTM"], "Gone": gone})
    monkeypatch.setattr(command, "PROBES", {"parts": in_parts})
    text = command.document()
    assert "| parts | yes, to the bit | not tried |" in text
    assert "Gone was not tried: a_library_that_is_not_there is not installed." in text
    assert f"With torch {torch.__version__.split('+')[0]}, on a CPU" in text


def test_the_page_has_a_row_of_each_ability() -> None:
    text = (ROOT / "docs" / "abilities.md").read_text()
    for ability in PROBES:
        assert f"| {ability} | " in text
