"""Looks of a study that adds seeds until its comparisons are decided: their design, and the record of each.

A look judges the planned family on a declared number of units and says which conditions get more. Its record stands in
the ledger before any further unit is proposed, and is never made twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from glifr.records.envelope import digest

LookState = Literal["decided", "futile", "open", "undecided"]


@dataclass(frozen=True)
class LookDesign:
    """How many independent units (seeds, or repeats of the search) each look has.

    Attributes:
        first: Units of the first look.
        step: Units that each further look adds.
        most: Units of the last look.
    """

    first: int
    step: int
    most: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """The units of each look; the last look has all that there may be."""
        return (*range(self.first, self.most, self.step), self.most)

    def as_units(self, repeats: int) -> LookDesign:
        """The design in repeats, each with its share of the seeds that it counts; itself where there is one search."""
        if repeats == 1:
            return self
        share = self.first // repeats
        return LookDesign(repeats, self.step // share, self.most // share)


@dataclass(frozen=True)
class LookEntry:
    """One contrast or effect of the family as it was last judged, in the recorded unit; None where not computable.

    Attributes:
        family: Whether it is a contrast or an effect.
        name: Its name.
        look: The look that judged it; what is decided or futile is not judged again.
        units: The pairs that it had.
        mean: The difference.
        low: Lower end of its interval, which holds at all looks together.
        high: Upper end.
        p: Of the look's own test of a difference.
        p_equivalence: Of the look's own test of equivalence.
        p_total: p over all looks so far.
        p_equivalence_total: The same for equivalence.
        p_holm: p over all looks so far and the whole family.
        p_equivalence_holm: The same for equivalence.
        word: The verdict.
        note: What is said beside it.
        sign: The sign of a difference that is shown.
        state: "open" goes on; "undecided" is open after the last look.
        chance: Of an open one, the chance of a verdict by the last look.
    """

    family: Literal["contrast", "effect"]
    name: str
    look: int
    units: int
    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    p_equivalence: float | None
    p_total: float | None
    p_equivalence_total: float | None
    p_holm: float | None
    p_equivalence_holm: float | None
    word: str
    note: str
    sign: int
    state: LookState
    chance: float | None

    @property
    def key(self) -> tuple[str, str]:
        return self.family, self.name

    def value(self, name: str) -> float:
        """One of the numbers; NaN where it is not computable."""
        found = getattr(self, name)
        return math.nan if found is None else float(found)


@dataclass(frozen=True)
class Look:
    """One look.

    Attributes:
        number: Which one.
        units: Units of a condition that goes on.
        declared: Hash of what it judges by.
        data: Hash of the values that it saw.
        nominal: Level of the interval at this look; that of all looks is the declaration's alpha.
        boundary: What a p must not exceed at the first step of Holm's correction.
        failed: Networks without a result, which count as chance.
        entries: The contrasts and effects.
        asks: The units that each condition is to have from now on.
    """

    number: int
    units: int
    declared: str
    data: str
    nominal: float
    boundary: float
    failed: tuple[str, ...]
    entries: tuple[LookEntry, ...]
    asks: Mapping[str, int]

    @property
    def last(self) -> bool:
        """True if no condition gets more units."""
        return max(self.asks.values(), default=0) <= self.units

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "failed": list(self.failed), "entries": [asdict(entry) for entry in self.entries]}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        entries = tuple(LookEntry(**entry) for entry in body["entries"])
        return cls(**{**body, "failed": tuple(body["failed"]), "entries": entries, "asks": dict(body["asks"])})


def design_in(spec: Mapping[str, Any]) -> LookDesign | None:
    """The looks of a resolved study, in its independent units; None where the number of seeds is fixed."""
    seeds = (spec.get("final") or {}).get("seeds")
    if not isinstance(seeds, Mapping):
        return None
    return LookDesign(**seeds).as_units(int((spec.get("search") or {}).get("repeats") or 1))


def declared_in(study: Mapping[str, Any]) -> str:
    """The hash of all that looks judge by, of the body of study.json: the declaration, the family, the design."""
    design = design_in(study["spec"])
    family = {name: own.get("levels") for name, own in study["conditions"].items()}
    looks = None if design is None else asdict(design)
    return digest({"declaration": study.get("declaration"), "conditions": family, "looks": looks})
