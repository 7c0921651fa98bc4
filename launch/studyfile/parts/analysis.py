"""What a study file declares of the analysis."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
)

from glifr.records import (
    Primary,
)
from glifr.records.declaration import ALPHA
from launch.studyfile import values as v
from launch.studyfile.sections import Section


class ContrastSpec(Section):
    """The mean of some conditions minus the mean of others, within each seed.

    Attributes:
        of: The conditions that count positively.
        minus: Those that count negatively.
    """

    of: v.ConditionNames
    minus: v.ConditionNames


class Analysis(Section):
    """What is declared before results exist; null takes the default of `glifr.records.declaration`.

    Attributes:
        primary: The measure on test data.
        smallest_effect: The smallest difference that matters, a share of 1 for accuracy.
        alpha: Level of the tests.
        contrasts: The planned family, by name.
    """

    primary: Annotated[Primary, Field(description="accuracy, loss, or a metric of the task's own")] | None = None
    smallest_effect: v.Positive | None = None
    alpha: v.Alpha = ALPHA
    contrasts: (
        Annotated[dict[v.ContrastName, ContrastSpec], Field(description="contrasts, each with `of` and `minus`")] | None
    ) = None
