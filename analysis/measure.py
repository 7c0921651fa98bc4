"""The measure that networks are compared by, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.text import significant


@dataclass(frozen=True)
class Measure:
    """What networks are compared by.

    Attributes:
        column: Its column in the seeds and silencing tables.
        scale: What a recorded number is multiplied by to be shown.
        unit: Unit of the shown number.
        difference_unit: Unit of a difference of shown numbers.
        chance: Recorded value of a network that learned nothing.
    """

    column: str
    label: str
    scale: float
    unit: str
    difference_unit: str
    decimals: int
    higher_is_better: bool
    chance: float | None

    @property
    def axis(self) -> str:
        """The label of an axis of this measure."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def chance_words(self) -> str:
        """'10 %'; '' where chance is not known."""
        return "" if self.chance is None else f"{significant(self.chance * self.scale)} {self.unit}".strip()

    @property
    def direction(self) -> str:
        return "higher is better" if self.higher_is_better else "lower is better"
