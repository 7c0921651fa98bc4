"""Conditions that behave alike: numerically one network, so no findings about each other.

Two sources: what the launcher saw at the start (study.json, `alike`), and the results of each seed. A condition is
defined by what it has; whether that changes what the network does is another question, and here it does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.measure import Measure
from analysis.results.load import Results
from glifr.records import Contrast

if TYPE_CHECKING:
    from analysis.judgement.assessment import Assessment

SHARE = 0.1  # of what two seeds of a condition differ by: within it, networks of one seed are one network
FEWEST = 3  # seeds
_ROUNDING = 5e-4  # of an accuracy: 5 images of 10,000
_MUCH_LARGER = 4.0  # times the rounding: what two seeds differ by, else all networks are close to each other


@dataclass(frozen=True)
class AlikeConditions:
    """Two conditions that seem to be the same, in the study's order.

    Attributes:
        at_start: Whether the launcher saw it before the start.
        in_results: Whether both have the same result for each shared seed.
        seeds: How many seeds they share.
        largest: The largest difference within a seed, in the primary measure as recorded; NaN without a shared seed.
    """

    pair: tuple[str, str]
    at_start: bool
    in_results: bool
    seeds: int
    largest: float


def alike_pairs(assessment: Assessment) -> tuple[tuple[str, str], ...]:
    """The pairs of conditions that are numerically one network: no finding may be about the difference of such two."""
    return tuple(found.pair for found in assessment.alike)


def find_alike(results: Results) -> tuple[AlikeConditions, ...]:
    """Every pair of conditions that behave alike, at the start or in the results, in the study's order."""
    info = results.info
    recorded = {frozenset(pair) for pair in info.alike}
    column = info.measure.column
    by_measure = {m.column: m for m in (info.task.measure("accuracy"), info.task.measure("loss"))}
    wide = {name: _wide(results, name) for name in by_measure if name in results.finals}
    smallest_step = 1 / max(1, info.task.splits.get("test", 0) or info.task.splits["train"])
    found = []
    for a, b in combinations(info.names, 2):
        same = [_same(frame[a], frame[b], by_measure[name], smallest_step) for name, frame in wide.items()]
        told = [x for x in same if x is not None]
        in_results, at_start = bool(told) and all(told), frozenset((a, b)) in recorded
        if at_start or in_results:
            differences = (wide[column][b] - wide[column][a]).dropna().abs()
            found.append(AlikeConditions((a, b), at_start, in_results, len(differences), float(differences.max())))
    return tuple(found)


def _wide(results: Results, column: str) -> pd.DataFrame:
    """One row per seed, one column per condition; NaN for diverged networks, which are equal for another reason."""
    finals = results.finals
    kept = finals[~finals["diverged"].fillna(False).astype(bool)]
    wide = kept.pivot(index="seed", columns="condition", values=column)
    return wide.reindex(columns=results.info.names).astype("float64")


def _same(a: pd.Series[float], b: pd.Series[float], measure: Measure, smallest_step: float) -> bool | None:
    """True if each seed has the same value of a measure in both, to rounding; None where the measure is not recorded.

    The difference within every seed is at most a tenth of what two seeds differ by on average; an accuracy may differ
    by 5 images of 10,000, or by one image, where two seeds differ by four times that.
    """
    x, y = a.dropna().to_numpy(dtype=np.float64), b.dropna().to_numpy(dtype=np.float64)
    if not len(x) and not len(y):
        return None
    difference = (a - b).dropna().abs().to_numpy(dtype=np.float64)
    if len(difference) < FEWEST:
        return False
    between = float(np.sqrt(2) * min(x.std(ddof=1), y.std(ddof=1)))
    rounding = max(_ROUNDING, smallest_step) * (1 + 1e-9) if measure.higher_is_better else 0.0
    allowed = rounding if between > _MUCH_LARGER * rounding else 0.0
    return bool(between > 0 and difference.max() <= max(SHARE * between, allowed))


def representatives(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Condition -> the one that stands for all that are alike with it; conditions without such are absent."""
    found: dict[str, str] = {}
    for a, b in pairs:
        first, second = found.get(a, a), found.get(b, b)
        found |= {a: first, b: first}
        found |= {name: first for name, other in found.items() if other == second}
    return found


def no_finding(contrast: Contrast, pairs: Sequence[tuple[str, str]]) -> bool:
    """True if both sides of a contrast are the same networks, alike conditions counted as one."""
    of, minus = _sides(contrast, representatives(pairs))
    return of == minus


def repeated(contrasts: Sequence[Contrast], pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Contrast -> an earlier one that compares the same networks: the two are one finding."""
    by_name = representatives(pairs)
    seen: dict[tuple[tuple[tuple[str, float], ...], ...], str] = {}
    found: dict[str, str] = {}
    for contrast in contrasts:
        key = tuple(tuple(sorted(side.items())) for side in _sides(contrast, by_name))
        if not no_finding(contrast, pairs):
            first = seen.setdefault(key, contrast.name)
            found |= {contrast.name: first} if first != contrast.name else {}
    return found


def _sides(contrast: Contrast, by_name: Mapping[str, str]) -> tuple[dict[str, float], dict[str, float]]:
    """The weight of each distinct network on both sides."""
    first, second = (
        {n: k / len(side) for n, k in Counter(by_name.get(name, name) for name in side).items()}
        for side in (contrast.of, contrast.minus)
    )
    return first, second


def averaging(signs: Mapping[str, int], pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Lists the pairs whose two conditions cancel in an effect of a factorial, whatever the effect is.

    Args:
        signs: From the condition to its sign in the effect, +1 or -1; conditions outside the factorial are absent.
        pairs: Pairs of conditions.

    Returns:
        Those pairs.
    """
    return tuple((a, b) for a, b in pairs if a in signs and b in signs and signs[a] == -signs[b])
