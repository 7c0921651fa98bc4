"""From adjusted p values to one of four verdicts. That two conditions do not differ is never one of them."""

from __future__ import annotations

import math
from typing import Literal

Verdict = Literal["better", "worse", "equivalent", "inconclusive"]
VERDICTS: tuple[Verdict, ...] = ("better", "worse", "equivalent", "inconclusive")

# what a family is tested with: named wherever a verdict is shown
RULE = (
    "equivalent: both one-sided tests at the smallest effect of interest are significant (the difference, though it "
    "may not be zero, is too small to matter); better or worse: else, the difference is significant; inconclusive: "
    "neither, so the data leave the question open"
)


def verdict(estimate: float, p: float, p_equivalence: float, alpha: float, higher_is_better: bool) -> Verdict:
    """The verdict on `estimate`; both p already adjusted for their family, NaN where not computable."""
    if not math.isnan(p_equivalence) and p_equivalence <= alpha:
        return "equivalent"
    if math.isnan(p) or p > alpha:
        return "inconclusive"
    return "better" if (estimate > 0) == higher_is_better else "worse"
