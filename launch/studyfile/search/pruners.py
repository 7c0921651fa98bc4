"""The pruners of Optuna that a study may name, each with its own settings. A pruner stops trials of one search early.

A step is an epoch, of `wilcoxon` a seed. Each compares a trial with trials of the same search alone.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from launch.studyfile import values as v
from launch.studyfile.search.samplers import Named, WithFormer

_FromTwo = Annotated[int, Field(ge=2, le=v.MAX_COUNT, description="a whole number from 2")]


class Stopping(Named):
    """How a pruner stops trials.

    Attributes:
        stops: Whether it may stop a trial at all.
        per_seed: Whether a step is a seed instead of an epoch.
    """

    stops: ClassVar[bool] = True
    per_seed: ClassVar[bool] = False

    @property
    def compares(self) -> bool:
        """True if what it stops hangs on other trials, and so on the order in which they come."""
        return self.stops

    def first_stop(self) -> int:
        """The first step after which it may stop a trial."""
        return 1


class _Compared(Stopping):
    startup_trials: v.CountFromZero = 5
    warmup_epochs: v.CountFromZero = 0
    min_trials: v.Count = 1
    interval_epochs: v.Count = 1

    later = frozenset({"interval_epochs"})

    def first_stop(self) -> int:
        return self.warmup_epochs + 1


class MedianPruner(_Compared):
    """Stops a trial whose best epoch so far is worse than the median of its search's trials at the same epoch.

    Attributes:
        startup_trials: Trials that must have ended.
        warmup_epochs: Epochs of each trial before it may be stopped.
        min_trials: Trials that must have reached the same epoch.
        interval_epochs: How often it looks.
    """

    name: Annotated[Literal["median"], Field(description="median")]


class PercentilePruner(_Compared):
    """As median, at another percentile: 25 keeps the best quarter.

    Attributes:
        percentile: Of the trials at that epoch, the share that may go on, in percent.
        startup_trials: As for median.
        warmup_epochs: As for median.
        min_trials: As for median.
        interval_epochs: As for median.
    """

    name: Annotated[Literal["percentile"], Field(description="percentile")]
    percentile: Annotated[float, Field(gt=0, lt=100, description="a number above 0, below 100")] = 25.0


class NonePruner(WithFormer, Stopping):
    """Every trial trains to its last epoch."""

    former = MedianPruner
    stops = False

    name: Annotated[Literal["none"], Field(description="none")]


class SuccessiveHalvingPruner(Stopping):
    """Asynchronous successive halving: at epochs min_epochs x factor^k the best 1 / factor go on.

    Attributes:
        min_epochs: Epochs before the first comparison.
        reduction_factor: Of so many trials one goes on.
        min_early_stopping_rate: Rungs left out at first.
        bootstrap_trials: Trials that a rung must hold before one goes on.
    """

    name: Annotated[Literal["successive_halving"], Field(description="successive_halving")]
    min_epochs: v.Count = 1
    reduction_factor: _FromTwo = 4
    min_early_stopping_rate: v.CountFromZero = 0
    bootstrap_trials: v.CountFromZero = 0

    def first_stop(self) -> int:
        return int(min(self.min_epochs * self.reduction_factor ** min(self.min_early_stopping_rate, 64), v.MAX_COUNT))


class HyperbandPruner(Stopping):
    """Successive halving in several brackets, some of which let trials train longer before the first comparison.

    Attributes:
        min_epochs: As for successive_halving.
        reduction_factor: As for successive_halving.
        bootstrap_trials: As for successive_halving.
    """

    name: Annotated[Literal["hyperband"], Field(description="hyperband")]
    min_epochs: v.Count = 1
    reduction_factor: _FromTwo = 3
    bootstrap_trials: v.CountFromZero = 0

    def first_stop(self) -> int:
        return self.min_epochs


class WilcoxonPruner(Stopping):
    """Trains a trial's seeds one after another, and stops it once it is worse than the best trial on the same seeds.

    Attributes:
        p_threshold: Level of a one-sided signed-rank test.
        startup_seeds: Seeds before the first test.
    """

    needs = ("scipy",)
    per_seed = True

    name: Annotated[Literal["wilcoxon"], Field(description="wilcoxon")]
    p_threshold: Annotated[float, Field(gt=0, lt=1, description="a number above 0, below 1")] = 0.1
    startup_seeds: _FromTwo = 2

    def first_stop(self) -> int:
        """n pairs reach no p below 2^-n, and it must be below the threshold."""
        return max(self.startup_seeds, math.floor(-math.log2(self.p_threshold)) + 1)


class PatientPruner(Stopping):
    """Lets a trial go on until it has not improved for `patience` epochs; then `pruner` decides, or it stops.

    Attributes:
        patience: Epochs without improvement.
        pruner: Decides then; with none the trial stops.
        min_delta: An improvement by less than this does not count.
    """

    name: Annotated[Literal["patient"], Field(description="patient")]
    patience: v.Count
    min_delta: v.FromZero = 0.0
    pruner: Annotated[
        NonePruner | MedianPruner | PercentilePruner,
        Field(discriminator="name", description="none, median or percentile"),
    ] = NonePruner(name="none")

    @property
    def compares(self) -> bool:
        return self.pruner.compares

    def first_stop(self) -> int:
        inner = self.pruner.first_stop() if self.pruner.stops else 1
        return max(self.patience + 2, inner)


Pruner = (
    NonePruner
    | MedianPruner
    | PercentilePruner
    | SuccessiveHalvingPruner
    | HyperbandPruner
    | PatientPruner
    | WilcoxonPruner
)
PRUNERS: tuple[type[Stopping], ...] = (
    NonePruner,
    MedianPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    HyperbandPruner,
    PatientPruner,
    WilcoxonPruner,
)
