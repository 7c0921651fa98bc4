"""Pairs of conditions that are numerically one network in a plan, and how they are named to the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STEPS = 5  # of training, after which the outputs of a pair are still equal


@dataclass(frozen=True)
class AlikePair:
    """Two conditions that are numerically one network.

    Attributes:
        conditions: Their names, in the study's order.
        parts: The features in which they differ, which change nothing here.
    """

    conditions: tuple[str, str]
    parts: tuple[str, ...]


def alike_words(pairs: Sequence[AlikePair], searched: bool) -> list[str]:
    """A line for each pair, for the terminal."""
    why = "a difference between them is that of their two searches" if searched else "their difference is no finding"
    return [
        f"{' and '.join(pair.conditions)} are numerically one network here (equal outputs at the start and after "
        f"{STEPS} training steps): {why}; effects that average over them: {', '.join(pair.parts)}"
        for pair in pairs
    ]
