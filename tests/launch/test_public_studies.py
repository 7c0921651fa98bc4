"""Studies as public projects run them, each by the real command to a complete report, at the smallest size."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import Results, assess, load
from launch import cli

pytestmark = pytest.mark.program

HEAD = """
name: public
reference: {reference}
exploratory: true
task: {{name: sine}}
training: {{epochs: 1, batch_size: 6}}
tracking: {{wandb: {{mode: disabled}}}}
"""
RATES_DROPOUT_BATCHES = (
    HEAD.format(reference="learning_rate0p001-dropout0-batch_size3")
    + """
conditions: {}
factors:
  fixed.learning_rate: [1.0e-3, 1.0e-2]
  training.dropout: [0.0, 0.4]
  training.batch_size: [3, 6]
crossing: {base: LHetA, values: {hidden_size: 6}}
vary: [training.batch_size]
final: {seeds: 2}
"""
)
ARCHITECTURES_WIDTHS = (
    HEAD.format(reference="tanh-hidden_size4")
    + """
code: [my_lab]
conditions:
  gru: {network: "my_lab:GRU", hidden_size: 5, fixed: {learning_rate: 1.0e-3}}
factors:
  network:
    LSTM: {base: LSTM, fixed: {learning_rate: 1.0e-3}}
    GRU: {base: gru}
    tanh: {base: RNN, fixed: {learning_rate: 1.0e-3}}
  hidden_size: [2, 4, 6, 8]
crossing: {}
final: {seeds: [11, 12, 13, 14, 15]}
"""
)
GRU = """
from torch import nn


class GRU(nn.Module):
    def __init__(self, in_size, hidden_size, out_size):
        super().__init__()
        self.cell = nn.GRU(in_size, hidden_size, batch_first=True)
        self.readout = nn.Linear(hidden_size, out_size)

    def forward(self, inputs):
        return self.readout(self.cell(inputs)[0])
"""


def ran(folder: Path, study: str, capsys: pytest.CaptureFixture[str]) -> Results:
    (folder / "my_lab.py").write_text(GRU)
    (folder / "public.yaml").write_text(study)
    assert cli.main([str(folder / "public.yaml"), "--results", str(folder / "results")]) == 0, capsys.readouterr()
    found = load(folder / "results" / "public" / "full")
    assert found.complete
    return found


def test_learning_rate_times_dropout_times_batch_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ran(tmp_path, RATES_DROPOUT_BATCHES, capsys)
    assert len(found.info.conditions) == 8
    assert len(found.finals) == 16
    assert found.finals["test_loss"].nunique() == 16  # no two of them trained alike
    effects = {effect.term.name for effect in assess(found).factorial.effects}
    assert {"fixed.learning_rate", "training.dropout", "training.batch_size"} <= effects
    assert any("\N{MULTIPLICATION SIGN}" in name for name in effects)


def test_architecture_times_width_with_given_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ran(tmp_path, ARCHITECTURES_WIDTHS, capsys)
    crossed = [name for name in found.info.names if name != "gru"]
    assert len(crossed) == 12
    finals = found.finals[found.finals["condition"].isin(crossed)]
    assert sorted(finals["seed"].unique()) == [11, 12, 13, 14, 15]
    assert len(finals) == 60
    sizes = finals.groupby("condition")["hidden_size"].unique().map(list)
    assert sizes["GRU-hidden_size8"] == [8]
    assert sizes["LSTM-hidden_size2"] == [2]
    assert {"network", "hidden_size"} <= {effect.term.name for effect in assess(found).factorial.effects}
