"""`python -m glifr.engine show NEURON` says what the engines make of a neuron."""

from __future__ import annotations

import pytest

from glifr.engine.__main__ import main
from glifr.neurons.published import PUBLISHED


@pytest.mark.parametrize(
    ("arguments", "digest", "recomputed"),
    [
        (["glifr", "--ascs", "0"], "glifr 0", []),
        (["glifr", "--ascs", "3"], "glifr 3", ["ascurrents[0]", "ascurrents[1]", "ascurrents[2]"]),
        (["tanh"], "tanh", []),
        (["lstm"], "lstm", ["cell[0]"]),
    ],
)
def test_a_neuron_is_shown(
    arguments: list[str], digest: str, recomputed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", *arguments]) == 0
    out = capsys.readouterr().out
    assert f"digest {PUBLISHED[digest]}" in out
    again = out.split("\nrecomputed:")[1].split("\nderivative")[0]
    assert [line.split(":")[0].strip() for line in again.splitlines() if ": %" in line] == recomputed
    assert "tanh(" in out or "sigmoid(" in out
    assert "synaptic 0[0]: %" in out.split("\nderivative")[1]


def test_an_unknown_neuron_is_refused() -> None:
    with pytest.raises(SystemExit) as refused:
        main(["show", "nothing"])
    assert refused.value.code == 2
