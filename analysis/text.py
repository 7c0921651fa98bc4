"""Numbers and lists as a reader expects them; no unit is guessed here."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"

_PATH = re.compile(r"(?<![\w/])(?:~|[A-Za-z]:)?(?:[/\\][\w.@+-]+)*[/\\](?=[\w.@+-]+)")


def number(value: float | None, decimals: int = 2, *, sign: bool = False) -> str:
    """Fixed decimals with a true minus sign; an en dash where there is no number."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:+,.{decimals}f}" if sign else f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def significant(value: float | None, digits: int = 3, *, sign: bool = False, trim: bool = True) -> str:
    """`digits` significant digits, for learning rates and losses of any size; `trim` drops zeros at the end."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:{'+' if sign else ''}{'' if trim else '#'}.{digits}g}".rstrip(".").replace("-", MINUS)


def interval(low: float, high: float, decimals: int = 2, *, sign: bool = False) -> str:
    """'low to high'; an en dash where it could not be computed."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return NOTHING
    return f"{number(low, decimals, sign=sign)} to {number(high, decimals, sign=sign)}"


def p_value(value: float | None) -> str:
    """Three decimals, '< 0.001' below; never 0."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return "< 0.001" if value < 0.0005 else f"{value:.3f}"


def duration(seconds: float | None) -> str:
    """The two largest units: '2 h 05 min', '3 min 20 s', '4.2 s'."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def count(n: int, what: str, plural: str = "") -> str:
    """'1 seed', '3 seeds', '2,000 trials'."""
    return f"{n:,} {what if n == 1 else plural or what + 's'}"


def listed(items: Sequence[object], limit: int = 12) -> str:
    """'a, b and c'; the first `limit` and how many more."""
    texts = [str(item) for item in items]
    if len(texts) > limit:
        return f"{', '.join(texts[:limit])} and {len(texts) - limit} more"
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}" if texts else ""


def span(values: Sequence[int]) -> str:
    """'10' where all are equal, else '8 to 10'."""
    low, high = min(values, default=0), max(values, default=0)
    return str(low) if low == high else f"{low} to {high}"


def without_paths(text: str) -> str:
    """`text` with each absolute path cut to its last name, so that no home or user name is shown."""
    return _PATH.sub(lambda m: "" if _absolute(m.group()) else m.group(), text)


def _absolute(prefix: str) -> bool:
    return prefix[0] in "/\\~" or prefix[1:2] == ":"
