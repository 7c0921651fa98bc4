"""docs/performance.md, from the tables of the last runs alone: `python -m benchmarks --write-docs`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.machine_words import machine_words
from benchmarks.report import summary
from benchmarks.report.figure import NAME
from benchmarks.results import Results
from benchmarks.speed.cases import LOOP
from benchmarks.words import amount, markdown_table, span
from glifr.errors import InputError, Problem

DEVICES = {"cpu": "CPU", "cuda": "GPU"}
_HEAD = """# Performance

Made by `python -m benchmarks --write-docs` from the tables of the last run; nothing here is typed by hand.

One training step is forward, loss, backward and Adam, the same optimiser call on all sides. Before anything is timed,
every backend is checked against the plain loop in float64. All candidates are warmed up and take turns in short
samples; a ratio compares the two samples of one round, and is given as the median over rounds with its least and
greatest value. `reference` is the plain loop over time steps in eager PyTorch; the other lower-case names are backends
that compute the same network. `prepared` is what training takes on a CPU: where a step is short, the jobs of backend
`cpu` are made once and autograd is left out; the numbers are the same. RNNFC and LSTMFC are this project's other
networks; nn.RNN, nn.LSTM and other libraries' layers have the same B, T, H, readout, loss and optimiser, but their own
equations and no delay. Letters: B batch, T steps, H neurons, D delay in steps, R seeds."""


def write_document(out: Path, docs: Path) -> Path:
    """Writes performance.md and its pictures into `docs`; out: the folder of all runs. InputError if there is none."""
    runs = {device: Results(out / device) for device in DEVICES}
    if not any(measured(results) for results in runs.values()):
        todo = "run python -m benchmarks first, or name its folder with --out"
        raise InputError(Problem("there are no tables of a run here", "--out", str(out), todo=todo))
    docs.mkdir(parents=True, exist_ok=True)
    path = docs / f"{NAME}.md"
    path.write_text(document(runs, _copy_pictures(runs, docs)) + "\n", encoding="utf-8")
    return path


def document(runs: dict[str, Results], pictures: dict[str, str]) -> str:
    """The text. pictures: device -> file name, where there is a picture."""
    parts = [_HEAD, *_goals(runs)]
    for device, title in DEVICES.items():
        parts += [f"## {title}", *_of_device(device, runs[device], pictures.get(device))]
    return "\n\n".join(parts)


def _copy_pictures(runs: dict[str, Results], docs: Path) -> dict[str, str]:
    found = {}
    for device, results in runs.items():
        source, name = results.folder / f"{NAME}.svg", f"{NAME}-{device}.svg"
        if measured(results) and source.is_file():
            shutil.copyfile(source, docs / name)
            found[device] = name
        else:
            (docs / name).unlink(missing_ok=True)
    return found


def measured(results: Results) -> bool:
    return len(results.read("gate")) > 0


def _goals(runs: dict[str, Results]) -> list[str]:
    rows = []
    for device, results in runs.items():
        for reached in summary.goals(results, device):
            goal, value = reached.goal, reached.value
            bound = "at most " if goal.unit == "GB" else ""
            stretch = "" if goal.stretch is None else _with_unit(goal.stretch, goal.unit)
            shown = "" if value is None else _with_unit(value, goal.unit)
            aim = bound + _with_unit(goal.goal, goal.unit)
            rows.append([DEVICES[device], goal.title, aim, stretch, shown, reached.verdict])
    return ["## Goals", markdown_table(["", "what", "goal", "stretch", "measured", ""], rows)]


def _with_unit(value: float, unit: str) -> str:
    return f"{amount(value)} GB" if unit == "GB" else f"{amount(value)}×"


def _of_device(device: str, results: Results, picture: str | None) -> list[str]:
    if not measured(results):
        return [f"Not measured: no {DEVICES[device]} was at hand."]
    gate = results.read("gate")
    parts = [machine_words(gate.iloc[0])]
    if picture:
        parts.append(f"![Ratios to the plain loop, by shape]({picture})")
    sections = (_steps, _floors, _epochs, _seeds, _memory, _growth, _ceilings)
    for section in sections:
        parts += section(results)
    return [*parts, *_gate(gate), *_notes(results)]


def _steps(results: Results) -> list[str]:
    found = summary.ratios(results.read("steps"))
    parts = ["### One training step"]
    for title, own in found.groupby("title", sort=False):
        first = own.iloc[0]
        rows = [
            [
                *(row["candidate"], f"{row['D']:.0f}", amount(row["ms"]), span(row["ms_least"], row["ms_most"])),
                *(_ratio(row["ratio"]), span(row["ratio_least"], row["ratio_most"])),
            ]
            for _, row in own.iterrows()
        ]
        head = f"**{title}** - B {first['B']}, T {first['T']}, H {first['H']}; rounds: {own['rounds'].min()}"
        columns = ["", "D", "median ms", "least to most", "times the loop's speed", "least to most"]
        parts += [head, markdown_table(columns, rows)]
    return parts if len(found) else []


def _floors(results: Results) -> list[str]:
    table = results.read("floors")
    if not len(table):
        return []
    steps = summary.ratios(results.read("steps"))
    loops: dict[str, float] = dict(steps.loc[steps["candidate"] == LOOP, ["shape", "ms"]].itertuples(index=False))
    rows = []
    for _, row in table.iterrows():
        floor = 1000 * row["operations"] / row["operations_per_second"]
        bound = _ratio(loops[row["shape"]] / floor) if row["shape"] in loops else ""
        rows.append([row["title"], amount(row["operations"] / 1e9), amount(floor), bound])
    rate = amount(table["operations_per_second"].iloc[0] / 1e9)
    words = (
        f"The matrix products of a step alone, at the {rate} GFLOP/s that this device reached in this run with nothing "
        "else to do: no way to compute the step is faster than this bound."
    )
    columns = ["", "GFLOP a step", "ms at least", "the loop's median against it"]
    return ["### The floor", words, markdown_table(columns, rows)]


def _ratio(value: float) -> str:
    return f"{amount(value)}×" if pd.notna(value) else ""


def _epochs(results: Results) -> list[str]:
    table = results.read("epochs")
    if not len(table):
        return []
    rows = [
        [
            *(row["way"], amount(row["seconds"]), span(row["least"], row["most"]), _ratio(row["ratio"])),
            f"{100 * row['images_timed'] / row['images']:.0f} %",
        ]
        for _, row in summary.epochs(table).iterrows()
    ]
    columns = ["", "median s", "least to most", "times our time", "timed part, scaled"]
    words = f"{table['images'].iloc[0]} images ({table['data'].iloc[0]})."
    return ["### A line-MNIST epoch with its data", words, markdown_table(columns, rows)]


def _seeds(results: Results) -> list[str]:
    table = results.read("seeds")
    if not len(table):
        return []
    rows = [
        [
            row["title"] + (", CUDA graph" if row["graph"] else ""),
            *(str(row["R"]), amount(row["ms"]), amount(row["seed_steps"]), _ratio(row["gain"])),
        ]
        for _, row in summary.seeds(table).iterrows()
    ]
    columns = ["", "R", "median ms per step", "seeds' steps per second", "against one seed alone"]
    return ["### Several seeds at once", markdown_table(columns, rows)]


def _memory(results: Results) -> list[str]:
    table = results.read("memory")
    if not len(table):
        return []
    rows = [
        [row["title"], row["candidate"], f"{row['D']:.0f}", amount(row["bytes"] / 1e6)] for _, row in table.iterrows()
    ]
    words = "Peak of a network, its batch and one step above what the process had before, each in a process of its own."
    return ["### Memory", words, markdown_table(["", "", "D", "MB"], rows)]


def _growth(results: Results) -> list[str]:
    table = results.read("growth")
    if not len(table):
        return []
    found = summary.growth(table)
    rows = []
    for axis, own in found.groupby("axis", sort=False):
        power = f"{summary.exponent(own):.2f}"
        for _, row in own.iterrows():
            sizes = [str(row[name]) for name in ("B", "T", "R")]
            rows.append([str(axis), *sizes, amount(row["ms"]), _ratio(row["times"]), power])
            power = ""
    columns = ["doubled", "B", "T", "R", "median ms", "times the one before", "time grows with the power"]
    return ["### Growth", "Power 1 is linear.", markdown_table(columns, rows)]


def _ceilings(results: Results) -> list[str]:
    table = results.read("ceilings")
    if not len(table):
        return []
    rows = [
        [row["what"], row["unit"], amount(row["achieved"]), amount(row["ceiling"]), _share(row)]
        for _, row in table.iterrows()
    ]
    words = "Ceilings are a large copy and a large float32 matrix product on the same chip."
    return ["### Against the chip's ceilings", words, markdown_table(["", "", "achieved", "ceiling", ""], rows)]


def _share(row: pd.Series) -> str:
    return f"{100 * row['achieved'] / row['ceiling']:.0f} %"


def _gate(gate: pd.DataFrame) -> list[str]:
    worst = gate.assign(share=gate["error"] / gate["allowed"]).sort_values("share", ascending=False)
    worst = worst.drop_duplicates(["network", "backend", "dtype"]).sort_values(["network", "backend", "dtype"])
    rows = [
        [row["network"], row["backend"], row["dtype"], f"{row['error']:.1e}", f"{row['allowed']:.1e}", row["case"]]
        for _, row in worst.iterrows()
    ]
    words = (
        "Relative error, by norm, of the worst of outputs and gradients against the plain loop in float64, in the case "
        "that comes closest to what is allowed. On x86 processors backend `cpu` treats numbers below 1.2e-38 as zeros."
    )
    return ["### Correctness", words, markdown_table(["", "backend", "", "error", "allowed", "case"], rows)]


def _notes(results: Results) -> list[str]:
    notes = results.read("notes")
    lines: Sequence[str] = [f"- {row['what']}: {row['why']}" for _, row in notes.iterrows()]
    return ["### Not measured", "\n".join(lines)] if lines else []
