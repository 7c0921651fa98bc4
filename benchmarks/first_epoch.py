"""`python -m benchmarks.first_epoch`: one epoch of a task too long for this machine, step by step.

Shows that the loss falls as it should and what a step costs, where the whole training is for other machines.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import torch
from matplotlib.figure import Figure

from benchmarks.machine import facts
from benchmarks.machine_words import machine_words
from glifr.conditions import CONDITIONS
from glifr.configuration import Configuration, TrainingSettings
from glifr.tasks import TASKS, TaskSettings
from glifr.training.seed_run import SeedRun
from glifr.training.steps import EagerSteps
from glifr.training.streams import stream

_WINDOW = 5  # steps of the running mean in the picture


def main() -> None:
    given = _arguments()
    torch.set_num_threads(given.threads)
    task = TASKS[given.task]
    split = task.load(TaskSettings(task.name, given.source or task.sources[0], given.data, "train+validation")).train
    configuration = Configuration(
        CONDITIONS[given.condition], given.hidden, given.delay_steps, {"learning_rate": given.learning_rate}
    )
    settings = TrainingSettings(epochs=1, batch_size=given.batch)
    run = SeedRun(given.seed, task, configuration, settings, torch.device("cpu"))
    rows: list[dict[str, float]] = []
    count = -(-len(split) // given.batch)
    for row in _steps(EagerSteps(task, split, [run]), run, len(split), given.batch):
        rows.append(row)
        left = (count - len(rows)) * sum(r["seconds"] for r in rows) / len(rows)
        print(f"step {len(rows)}/{count}  loss {row['loss']:.4f}  left about {left:.0f} s", file=sys.stderr, flush=True)
    _write(given.out, pd.DataFrame(rows), f"{task.title}, {given.condition}, batch {given.batch:,}", task.chance_loss)


def _steps(steps: EagerSteps, run: SeedRun, samples: int, batch: int) -> Iterator[dict[str, float]]:
    """Trains one epoch in the order in which a study does; step, mean loss over its samples, seconds."""
    order = torch.randperm(samples, generator=stream(run.seed, "order", 0))[None]
    run.begin_epoch(torch.device("cpu"))
    for number, begin in enumerate(range(0, samples, batch)):
        index, started = order[:, begin : begin + batch], time.perf_counter()
        steps.tally.reset()
        steps.run(index)
        loss = steps.tally.read(index.shape[1])[0].loss
        yield {"step": number + 1, "loss": loss, "seconds": time.perf_counter() - started}


def _write(folder: Path, table: pd.DataFrame, title: str, chance: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "first_epoch.csv", index=False, float_format="%.6g", lineterminator="\n")
    with mpl.rc_context({"svg.hashsalt": "glifr", "font.size": 9}):
        figure = Figure(figsize=(6.4, 3), layout="constrained")
        axes = figure.subplots()
        axes.plot(table["step"], table["loss"], color="#D55E00", lw=0.8, alpha=0.6, label="each step")
        smooth = table["loss"].rolling(_WINDOW, center=True).mean()
        axes.plot(table["step"], smooth, color="#D55E00", lw=1.8, label=f"mean of {_WINDOW} steps")
        axes.axhline(chance, color="#59636e", lw=0.8, ls="--", label="chance")
        axes.set(xlabel="training step", ylabel="training loss", title=title)
        axes.legend(frameon=False)
        figure.savefig(folder / "first_epoch.png", dpi=160)
    where = pd.Series(facts(torch.device("cpu"), False, ""))
    print(f"{title}: {table['seconds'].sum():.0f} s for {len(table)} steps. {machine_words(where)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_epoch", description=__doc__)
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("condition", choices=sorted(CONDITIONS))
    parser.add_argument("--hidden", type=int, required=True, help="neurons")
    parser.add_argument("--delay-steps", type=int, help="D; leave out for the LSTM")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--source", help="of the task; its first by default")
    parser.add_argument("--data", type=Path, help="folder of the task's files")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, required=True, help="folder for first_epoch.csv and .png")
    return parser.parse_args()


if __name__ == "__main__":
    main()
