"""A whole run: the gate first, then every measurement, each part stored as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.machine import facts
from benchmarks.report.figure import save_figure
from benchmarks.report.summary import ratios
from benchmarks.results import Results
from benchmarks.speed import ceilings, epoch, floors, gate, growth, memory, seeds, steps
from benchmarks.speed.cases import LOOP, Candidate, NotMeasured, candidates, fastest
from benchmarks.speed.context import Context
from benchmarks.speed.progress import Progress
from benchmarks.speed.shapes import GROWTH, LINE, MEMORY, QUICK, SEEDS, SHAPES, Shape
from benchmarks.speed.timing import Pace
from glifr.engine.backends import choose_backend

ROUNDS, QUICK_ROUNDS = 15, 3
_SAMPLE_SECONDS, _QUICK_SAMPLE_SECONDS = 0.15, 0.05
# guesses, for two cores, that the shown time left starts from
_GATE_SECONDS, _EPOCH_SECONDS, _QUICK_EPOCH_SECONDS, _CEILING_SECONDS, _FLOOR_SECONDS = 10, 60, 5, 10, 2
_SLOW_SECONDS, _PROCESS_SECONDS, _SLOW_PROCESS_SECONDS = 60, 5, 20  # a round of a slow shape; a process


class WrongBackendError(Exception):
    """A backend failed the gate, so nothing was timed. `verdicts`: what is wrong."""

    def __init__(self, verdicts: Sequence[gate.Verdict]) -> None:
        self.verdicts = tuple(verdicts)
        super().__init__("\n".join(str(verdict) for verdict in verdicts))


@dataclass(frozen=True)
class Options:
    """What the command line says. keys: of the shapes, () for all. out: the folder of all runs."""

    device: torch.device
    keys: tuple[str, ...] = ()
    repeats: int | None = None
    quick: bool = False
    out: Path = Path("results/benchmarks")
    data: Path | None = None

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return tuple(SHAPES[key] for key in self.keys or (QUICK if self.quick else tuple(SHAPES)))

    @property
    def pace(self) -> Pace:
        if self.quick:
            return Pace(self.repeats or QUICK_ROUNDS, _QUICK_SAMPLE_SECONDS)
        return Pace(self.repeats or ROUNDS, _SAMPLE_SECONDS)


class Part(NamedTuple):
    """A part of a run, and about how many seconds it takes."""

    name: str
    seconds: float
    measure: Callable[[Context], None]


def run(options: Options) -> Results:
    """Checks, measures and stores; raises WrongBackendError before anything is timed or replaced."""
    device = options.device
    results = Results(options.out / device.type, facts(device, options.quick, fastest(device)))
    found, absent = candidates(device)
    parts = _parts(options, found)
    progress = Progress({"gate": _GATE_SECONDS, **{part.name: part.seconds for part in parts}})
    progress.begin("gate")
    verdicts = gate.check(device, gate.CASES)
    if not all(verdict.right for verdict in verdicts):
        raise WrongBackendError([verdict for verdict in verdicts if not verdict.right])
    results.clear()
    results.write("gate", [verdict._asdict() for verdict in verdicts])
    context = Context(
        device=device,
        candidates=tuple(found),
        shapes=options.shapes,
        pace=options.pace,
        results=results,
        tick=progress.tick,
        quick=options.quick,
        data=options.data,
        absent=list(absent),
    )
    for part in parts:
        progress.begin(part.name)
        part.measure(context)
    _store_notes(context, options)
    save_figure(results)
    progress.end()
    return results


def _parts(options: Options, found: Sequence[Candidate]) -> list[Part]:
    """What this run measures, in order."""
    shapes, pace = options.shapes, options.pace
    sample = pace.seconds * (pace.rounds + 2)  # of one candidate, warming included
    steps_seconds = sum(_SLOW_SECONDS * (pace.rounds / 5 + 1) if s.slow else sample * len(found) for s in shapes)
    weighed, seeded = [s for s in MEMORY if s in shapes], [s for s in SEEDS if s in shapes]
    weigh = [
        candidate for candidate in found if not options.quick or candidate.name in _weighed_quickly(options.device)
    ]
    process_seconds = len(weigh) * sum(_SLOW_PROCESS_SECONDS if s.slow else _PROCESS_SECONDS for s in weighed)
    parts = [Part("steps", steps_seconds, steps.measure), Part("floors", _FLOOR_SECONDS, floors.measure)]
    if seeded:
        parts.append(Part("seeds", 6 * sample * len(seeded), lambda context: seeds.measure(context, seeded)))
    if not options.keys:
        parts.append(Part("growth", 12 * sample, lambda context: growth.measure(context, GROWTH)))
    if LINE in shapes:
        parts.append(Part("epochs", _QUICK_EPOCH_SECONDS if options.quick else _EPOCH_SECONDS, epoch.measure))
    if weighed:
        parts.append(Part("memory", process_seconds, lambda context: memory.measure(context, weighed, weigh)))
    if options.device.type == "cuda":
        parts.append(Part("ceilings", _CEILING_SECONDS, ceilings.measure))
    return parts


def _weighed_quickly(device: torch.device) -> tuple[str, str]:
    """Whose memory a quick run measures: each takes a process."""
    return LOOP, choose_backend("auto", device) if device.type == "cuda" else fastest(device)


def _store_notes(context: Context, options: Options) -> None:
    why = "left out by --only" if options.keys else "left out of a quick run"
    for shape in SHAPES.values():
        if shape not in context.shapes:
            context.leave_out(shape.title, why)
    if options.keys:
        context.leave_out("growth", why)
    context.results.write("notes", [NotMeasured(*note)._asdict() for note in dict.fromkeys(context.absent)])


def table(results: Results) -> str:
    """The times of the steps, for a terminal."""
    found = ratios(results.read("steps"))
    columns = ["title", "candidate", "D", "ms", "ms_least", "ms_most", "ratio", "ratio_least", "ratio_most"]
    return found[columns].to_string(index=False, float_format=lambda value: f"{value:.2f}")
