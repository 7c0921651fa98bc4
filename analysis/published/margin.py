"""Within what a mean counts as equivalent to the published one: set by the effects that the published runs show.

The margin is the smallest difference between two conditions that the published runs of a task tell apart: the largest
with which no two of those could be called equivalent. Of losses, which spread in proportion to their size, it is a
share of the published mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.published.order import apart

LEVEL_APART = 0.05  # at which the published runs tell two conditions apart: of the margin, whatever a study declares


@dataclass(frozen=True)
class Margin:
    """The margin of equivalence of a task.

    Attributes:
        value: The margin.
        relative: Whether `value` is a share of the published mean; otherwise it is as recorded.
        between: The two conditions that it comes from.
        told_apart: Pairs that the published runs tell apart; `value` is NaN where there are none.
    """

    value: float
    relative: bool
    between: tuple[str, ...]
    told_apart: frozenset[frozenset[str]]

    def around(self, mean: float) -> float:
        """The margin about the published `mean`, as recorded."""
        return self.value * (mean if self.relative else 1.0)


def margin_of(values: Mapping[str, np.ndarray], relative: bool) -> Margin:
    """The margin of a task from its published runs [n] by condition. relative: of losses."""
    told = apart(values, LEVEL_APART)
    means = {name: float(own.mean()) for name, own in values.items()}

    def difference(a: str, b: str) -> float:
        # a share of the larger mean, so that about either mean the margin is no more than the difference
        return abs(means[a] - means[b]) / (max(means[a], means[b]) if relative else 1.0)

    names = list(values)
    pairs = sorted((difference(*pair), pair) for pair in (tuple(sorted(p, key=names.index)) for p in told))
    smallest, between = pairs[0] if pairs else (math.nan, ())
    return Margin(smallest, relative, between, frozenset(told))
