"""A rate over simulated studies, with its exact limits."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

from analysis.statistics.intervals import LEVEL


@dataclass(frozen=True)
class Rate:
    """A share of studies, `count` of `total`, with its exact 95 % interval. what: short, for a file."""

    null: str
    units: int
    what: str
    count: int
    total: int

    @property
    def share(self) -> float:
        return self.count / self.total

    @property
    def limits(self) -> tuple[float, float]:
        """Clopper and Pearson's."""
        interval = stats.binomtest(self.count, self.total).proportion_ci(LEVEL, method="exact")
        return float(interval.low), float(interval.high)
