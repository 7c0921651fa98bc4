"""From a test, an interval and an equivalence test to one verdict: nothing else in this project decides one.

That two conditions do not differ is never a verdict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from analysis.text import MINUS, count, significant

Asked = Literal["difference", "interaction", "levels"]  # levels: whether any two of several differ
Word = Literal["not testable", "equivalent", "better", "worse", "present", "inconclusive", ""]
WORDS: tuple[Word, ...] = ("better", "worse", "present", "equivalent", "inconclusive", "not testable")

# what a family is judged by: named wherever a verdict is shown
RULE = (
    "the first that holds of: not testable, where no p that the test can give would pass Holm, or the test cannot be "
    "computed, or failed networks decide a contrast between a mean over more conditions and one over fewer; "
    "equivalent, where both one-sided tests at the margin are significant after Holm and the 95 % interval lies inside "
    "it (real but small, where the interval excludes 0 and p is significant after Holm too); better or worse, for an "
    "interaction or several levels at once present, where p is significant after Holm and the interval excludes 0; "
    "inconclusive, the question is open"
)


@dataclass(frozen=True)
class Verdict:
    """One verdict.

    Attributes:
        word: The verdict; '' where a profile is no evidence and none is given.
        note: What a reader must see beside it.
        sign: 1 or -1, the sign of the difference as recorded, where its interval excludes 0 (and, for equivalents, p is
            significant too); otherwise 0.
    """

    word: Word
    note: str = ""
    sign: int = 0

    @property
    def decided(self) -> bool:
        """True if it answers the question."""
        return self.word in ("better", "worse", "present", "equivalent")

    @property
    def different(self) -> bool:
        """True if it says that there is a difference, or interaction, that may matter."""
        return self.word in ("better", "worse", "present")

    def __str__(self) -> str:
        return f"{self.word} ({self.note})" if self.note else self.word


WITHHELD = Verdict("")


@dataclass(frozen=True)
class Numbers:
    """What is known of one comparison.

    Attributes:
        low: Lower end of its 95 % interval, as printed.
        high: Upper end.
        margin: Margin of equivalence.
        p: After Holm's correction; NaN where not computable.
        p_equivalence: Likewise.
        floor: The smallest p that its test can give before Holm's correction, 0 for a test without one.
        reason: Why something is not computable.
        asked: What kind of question it answers.
    """

    low: float
    high: float
    margin: float
    p: float
    p_equivalence: float
    floor: float = 0.0
    reason: str = ""
    asked: Asked = "difference"


@dataclass(frozen=True)
class Family:
    """Tests that are corrected together.

    Attributes:
        tests: How many could be computed.
        evidence: Whether verdicts are given.
    """

    tests: int
    alpha: float
    higher_is_better: bool
    evidence: bool = True


def verdict(found: Numbers, family: Family) -> Verdict:
    """The verdict on one comparison of a family."""
    if not family.evidence:
        return WITHHELD
    if math.isnan(found.p):
        return Verdict("not testable", found.reason)
    if family.tests * found.floor > family.alpha:
        least = significant(min(1.0, family.tests * found.floor), 2)
        return Verdict("not testable", f"p is at least {least} after correction for {count(family.tests, 'test')}")
    # NaN ends compare as False: without an interval there is no sign
    sign = int(found.low > 0) - int(found.high < 0)
    if found.p_equivalence <= family.alpha and -found.margin < found.low and found.high < found.margin:
        return _equivalent(sign, found.p <= family.alpha, family.tests)
    if found.p <= family.alpha:
        if sign:
            return _difference(sign, found.asked, family.higher_is_better)
        return Verdict("inconclusive", f"no interval: {found.reason}" if math.isnan(found.low) else "interval holds 0")
    note = f"not after correction for {count(family.tests, 'test')}" if sign else ""
    return Verdict("inconclusive", note, sign)


def _equivalent(sign: int, significant_too: bool, tests: int) -> Verdict:
    """Real but small takes p too: by the interval alone a third of families without any effect would have one."""
    if sign and significant_too:
        return Verdict("equivalent", f"real but small, {'+' if sign > 0 else MINUS}", sign)
    return Verdict("equivalent", f"not 0, but not after correction for {count(tests, 'test')}" if sign else "")


def _difference(sign: int, asked: Asked, higher_is_better: bool) -> Verdict:
    if asked == "levels":
        return Verdict("present", "levels differ", sign)
    if asked == "interaction":
        return Verdict("present", "+" if sign > 0 else MINUS, sign)
    return Verdict("better" if (sign > 0) == higher_is_better else "worse", "", sign)
