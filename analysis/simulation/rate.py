"""A rate over simulated studies, with its exact limits."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.statistics.intervals import share_limits


class Share:
    """A share, `count` of `total`, with its exact 95 % interval."""

    count: int
    total: int

    @property
    def share(self) -> float:
        return self.count / self.total

    @property
    def limits(self) -> tuple[float, float]:
        """Clopper and Pearson's."""
        return share_limits(self.count, self.total)


@dataclass(frozen=True)
class Rate(Share):
    """A share of studies.

    Attributes:
        what: A short name, for a file.
    """

    null: str
    units: int
    what: str
    count: int
    total: int
