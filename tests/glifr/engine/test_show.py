"""`python -m glifr.engine show NEURON` says what the engines make of a neuron."""

from __future__ import annotations

from pathlib import Path

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


def test_an_own_neuron_is_shown_with_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own_neuron.py").write_text("from glifr.neurons import tanh\n\nmine = tanh()\n")
    assert main(["show", f"{tmp_path}/own_neuron.py:mine", "--code"]) == 0
    out = capsys.readouterr().out
    assert f"digest {PUBLISHED['tanh']}" in out
    assert "def forward_kernel" in out


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tan", "did you mean 'tanh'?"),
        ("nowhere:neuron", "cannot be imported"),
        ("glifr.neurons:tahn", "did you mean 'tanh'?"),
        ("glifr.neurons:tanh", "this is not what stands here: a NeuronModel"),
    ],
)
def test_an_unknown_neuron_is_refused(name: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", name]) == 2
    assert expected in capsys.readouterr().err
