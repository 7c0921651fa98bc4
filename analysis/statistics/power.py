"""Power of a paired comparison: the detectable difference, and the number of seeds that would be enough.

Power is that of the paired t test, which the permutation test follows closely; from the spread of the differences seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from analysis.statistics.comparisons import smallest_p
from analysis.statistics.intervals import LEVEL

WANTED = 0.8
FEWEST = 10  # pairs; the spread of fewer says next to nothing of how many would be enough
MOST = 10_000


@dataclass(frozen=True)
class PairsNeeded:
    """How many pairs would be enough: with the spread seen, and with the ends of its 95 % interval.

    None means more than `MOST`.
    """

    seen: int | None
    low: int | None
    high: int | None


def need(enough: Callable[[float], int | None], sd: float, n: int) -> PairsNeeded | None:
    """The need of pairs as `enough` has it of a spread; None where fewer than `FEWEST` pairs tell the spread `sd`."""
    if n < FEWEST or not sd > 0:
        return None
    low, high = sd_interval(sd, n)
    return PairsNeeded(enough(sd), enough(low), enough(high))


def sd_interval(sd: float, n: int) -> tuple[float, float]:
    """The 95 % chi-square interval of a standard deviation that n > 1 independent normal values gave."""
    largest, smallest = (float(stats.chi2.ppf((1 + side * LEVEL) / 2, n - 1)) for side in (1, -1))
    return sd * math.sqrt((n - 1) / largest), sd * math.sqrt((n - 1) / smallest)


def power(n: int, effect: float, sd: float, alpha: float) -> float:
    """The chance that a true mean difference `effect` is found with n pairs whose differences spread by `sd`."""
    if n < 2 or not sd > 0:
        return math.nan
    critical = stats.t.ppf(1 - alpha / 2, n - 1)
    shift = abs(effect) / sd * math.sqrt(n)
    right, left = stats.nct.sf(critical, n - 1, shift), stats.nct.cdf(-critical, n - 1, shift)
    # scipy gives NaN far in the tails: nothing is missed on the right, nothing is found on the left
    return min(1.0, float(np.nan_to_num(right, nan=1.0) + np.nan_to_num(left, nan=0.0)))


def equivalence_power(n: int, margin: float, sd: float, alpha: float) -> float:
    """Computes the chance that TOST calls two conditions equivalent whose true difference is zero.

    The estimate must lie within margin - t s / sqrt(n), so the chance is averaged over the spread s that is seen.

    Args:
        n: Pairs.
        margin: Margin of equivalence.
        sd: True standard deviation of the differences.
        alpha: Level of the test.

    Returns:
        The chance.
    """
    if n < 2 or not sd > 0:
        return math.nan
    df = n - 1
    critical = float(stats.t.ppf(1 - alpha, df))
    quantiles = stats.chi2.ppf((np.arange(200) + 0.5) / 200, df)
    seen = sd * np.sqrt(quantiles / df)
    room = np.maximum(0.0, margin - critical * seen / math.sqrt(n))
    return float(np.mean(2 * stats.norm.cdf(room * math.sqrt(n) / sd) - 1))


def detectable(n: int, sd: float, alpha: float) -> float:
    """The smallest true difference that n pairs find with 80 % power; NaN where there is no spread."""
    if n < 2 or not sd > 0:
        return math.nan
    high = 0.1
    while power(n, high, 1.0, alpha) < WANTED:
        high *= 2
    return sd * float(optimize.brentq(lambda d: power(n, d, 1.0, alpha) - WANTED, high / 2, high, xtol=1e-14))


def seeds_needed(effect: float, sd: float, alpha: float) -> int | None:
    """The smallest number of pairs with 80 % power for `effect` and a p of `alpha` in reach; None above 10,000."""
    if not sd > 0 or not effect > 0:
        return None
    low = next(n for n in range(2, 64) if smallest_p(n) <= alpha)
    return _first(low, lambda n: power(n, effect, sd, alpha) >= WANTED)


def seeds_for_equivalence(margin: float, sd: float, alpha: float) -> int | None:
    """The smallest number of pairs that would call two equal conditions equivalent in 80 % of studies."""
    if not sd > 0 or not margin > 0:
        return None
    return _first(2, lambda n: equivalence_power(n, margin, sd, alpha) >= WANTED)


def _first(low: int, enough: Callable[[int], bool]) -> int | None:
    """The first n from `low` on that is enough, for a rule that holds from some n on."""
    if enough(low):
        return low
    high = low
    while not enough(high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
