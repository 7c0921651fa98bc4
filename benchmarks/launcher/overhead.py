"""Measures the overhead of the launcher: many trials that train nothing, through Ray, Optuna and the ledger.

    python -m benchmarks.launcher.overhead --trials 1000 --out docs/launcher        (make overhead)

Prints the overhead of a trial and the driver's memory; with --out it writes a row to overhead.csv, and the memory as
the study went on to memory.csv.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.launcher.rows import add_row
from benchmarks.launcher.simulation import NeverStops, plan_of
from launch.executors.nothing import do_nothing
from launch.executors.ray_tune import RayExecutor
from launch.failures import Failure
from launch.jobs import Job, Scheduler, Step
from launch.ledger.folder import write_study
from launch.ledger.units import Ledger
from launch.planning.placement import Resources
from launch.planning.seed_batches import SeedBatches
from launch.scheduling.condition_run import RunOptions
from launch.scheduling.study_scheduler import StudyScheduler
from launch.scheduling.utilisation import Meter, Utilisation

Sample = tuple[int, float, float]  # jobs ended, seconds, MB of the driver

_CONDITIONS = 10
_POINTS = 20  # memory samples over a run


class MonitoredScheduler:
    """A `Scheduler` that passes everything on and notes the driver's memory and the time as jobs end."""

    def __init__(self, decider: Scheduler, jobs: int) -> None:
        self._decider, self._every, self._ended = decider, max(1, jobs // _POINTS), 0
        self.samples: list[Sample] = []

    @property
    def finished(self) -> bool:
        return self._decider.finished

    def next_job(self) -> Job | None:
        return self._decider.next_job()

    def step(self, key: str, step: Step) -> bool:
        return self._decider.step(key, step)

    def ended(self, key: str, step: Step | None, lost: Failure | None = None) -> None:
        self._decider.ended(key, step, lost)
        self._ended += 1
        if self._ended % self._every == 0:
            self.samples.append((self._ended, time.perf_counter(), resident_mb()))

    def halt(self, reason: str) -> None:
        self._decider.halt(reason)


def resident_mb() -> float:
    """Memory of this process, MB."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000, help="over all ten conditions")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--sampler", choices=("random", "tpe"), default="tpe")
    parser.add_argument("--out", type=Path, help="a folder for overhead.csv and memory.csv")
    given = parser.parse_args()
    plan = plan_of(given.trials // _CONDITIONS, 1, given.sampler, "final.seeds=1", "confirm.top=1", "confirm.seeds=1")
    with tempfile.TemporaryDirectory(prefix="glifr-overhead-") as folder:
        root = Path(folder)
        write_study(Ledger(root).layout, plan)
        conductor = StudyScheduler(plan, Ledger(root), RunOptions(SeedBatches(1), 0, "overhead"), lambda: None)
        with RayExecutor(root, "disabled", Resources(1, 0, given.slots), None, work=do_nothing) as executor:
            watched = MonitoredScheduler(conductor, given.trials)
            meter = Meter(watched, executor.slots)
            executor.run(meter, NeverStops())
    row = row_of(meter.utilisation, watched.samples, given.sampler, conductor.complete)
    _report(given.out, row, watched.samples)


def row_of(used: Utilisation, samples: Sequence[Sample], sampler: str, complete: bool) -> dict[str, object]:
    """What is kept of a run. Time is the median over the stretches between samples, from when all workers are up."""
    stretches = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(samples)]
    return {
        "trials": used.jobs,
        "sampler": sampler,
        "slots": used.slots,
        "complete": complete,
        "seconds": round(used.seconds, 1),
        "slot_seconds_per_trial": round(used.slots * statistics.median(stretches), 3),
        "best_stretch": round(used.slots * min(stretches), 3),
        "seconds_in_trials": round(used.computing / used.jobs, 4),
        "driver_mb_begin": round(samples[0][2]),
        "driver_mb_end": round(samples[-1][2]),
        "kb_per_trial": round(1024 * (samples[-1][2] - samples[0][2]) / (samples[-1][0] - samples[0][0]), 1),
    }


def _report(out: Path | None, row: dict[str, object], samples: Sequence[Sample]) -> None:
    for name, value in row.items():
        print(f"{name:24} {value}")
    if out is None:
        return
    add_row(out / "overhead.csv", row)
    (out / "memory.csv").unlink(missing_ok=True)  # of the latest run
    for n, at, mb in samples:
        at_seconds = round(at - samples[0][1], 1)
        add_row(out / "memory.csv", {"trials": n, "seconds": at_seconds, "driver_mb": round(mb, 1)})


if __name__ == "__main__":
    main()
