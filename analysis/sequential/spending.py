"""What of a test's level each look may spend, and the p that then stands for all looks so far.

Lan and DeMets (Biometrika 70, 1983): the share of the level that is spent by a look is a function of the share of all
units that it has. The boundary of each look follows from the joint law of the statistics of all looks, a Brownian
motion at these shares, integrated from look to look (Armitage, McPherson, Rowe, J. R. Stat. Soc. A 132, 1969).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

Spending = Callable[[float], float]
_NODES = 80  # of each integral over the region in which a test goes on
_LEVELS = np.geomspace(1e-7, 0.999, 64)  # total levels at which boundaries are computed; between them log-log linear
_FARTHEST = 16.0  # no boundary lies beyond: the motion ends with variance 1
_HALVINGS = 60


def pocock(share: float) -> float:
    """The share of the level spent by so much of all units: nearly equal nominal levels at all looks."""
    return float(np.log1p((np.e - 1) * share))


@dataclass(frozen=True)
class Boundaries:
    """The nominal levels of looks [looks] for any total level: a p at or below its look's level ends the test.

    Attributes:
        nominal: [levels, looks], at the total levels of the table.
    """

    nominal: np.ndarray

    def at(self, level: float) -> np.ndarray:
        """The nominal level of each look of a test of this total level [looks]."""
        own = np.log(self.nominal)
        return np.exp([float(np.interp(np.log(level), np.log(_LEVELS), own[:, k])) for k in range(own.shape[1])])

    def total(self, p: np.ndarray, look: int) -> np.ndarray:
        """The smallest total level at which p would end the test at this look, 0 the first; NaN stays NaN.

        The smallest over the looks so far is a p-value for them together: it is at most `level` with a probability of
        at most `level`, whenever the test ends.
        """
        own, levels = np.log(self.nominal[:, look]), np.log(_LEVELS)
        with np.errstate(divide="ignore"):
            logs = np.log(p)
        inside = np.exp(np.interp(logs, own, levels))
        # below the table in proportion, above it no level short of 1
        below = _LEVELS[0] * p / self.nominal[0, look]
        return np.where(np.isnan(p), np.nan, np.where(logs > own[-1], 1.0, np.where(logs < own[0], below, inside)))


@lru_cache(maxsize=32)
def boundaries(sizes: tuple[int, ...], spending: Spending = pocock) -> Boundaries:
    """Of a design with so many units at each look, the last of them all that there may be."""
    shares = np.array(sizes, dtype=np.float64) / sizes[-1]
    spent = np.diff([spending(float(share)) for share in shares], prepend=0.0)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    y, mass = np.zeros((len(_LEVELS), 1)), np.ones((len(_LEVELS), 1))  # where the motion is while tests go on
    nominal = np.empty((len(_LEVELS), len(sizes)))
    for k, (share, sd) in enumerate(zip(shares, np.sqrt(np.diff(shares, prepend=0.0)), strict=True)):
        end = _ends(y, mass, float(sd), _LEVELS * spent[k])
        nominal[:, k] = 2 * special.ndtr(-end / np.sqrt(share))
        x = end[:, None] * nodes
        steps = (x[:, :, None] - y[:, None, :]) / sd
        mass = np.einsum("lxy,ly->lx", np.exp(-(steps**2) / 2), mass) / (sd * np.sqrt(2 * np.pi))
        y, mass = x, mass * weights * end[:, None]
    return Boundaries(nominal)


def _ends(y: np.ndarray, mass: np.ndarray, sd: float, wanted: np.ndarray) -> np.ndarray:
    """How far out the next step must lead [levels], so that it does with the probability `wanted` [levels]."""
    low, high = np.zeros(len(wanted)), np.full(len(wanted), _FARTHEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        out = special.ndtr((y - middle[:, None]) / sd) + special.ndtr((-y - middle[:, None]) / sd)
        beyond = (out * mass).sum(axis=1) > wanted
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    return high
