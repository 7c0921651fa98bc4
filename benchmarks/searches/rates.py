"""Rates of the simulated studies: errors, coverage, power, and the quality of the settings found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.simulation.families import PLANNED, Judgements, effects, judgements
from analysis.simulation.nulls import NAMES
from analysis.simulation.rate import Share
from benchmarks.searches.cases import Case
from benchmarks.searches.play import StudyOutcome
from glifr.conditions import CONDITIONS

CURRENTS = 0.005  # of accuracy: the planted effect of after-spike currents
OWN = 0.01  # of accuracy: by how much the planted reference is better


@dataclass(frozen=True)
class SearchRate(Share):
    """A share of studies.

    Attributes:
        test: Sign-flip, or t on the same units.
    """

    case: Case
    what: str
    test: str
    count: int
    total: int


@dataclass(frozen=True)
class SettingsQuality:
    """How good the settings were. regret: accuracy missed, mean over conditions and studies.

    luck: its standard deviation over the conditions of a study; noise: that of the networks that share their settings,
    NaN where each has its own.
    """

    case: Case
    studies: int
    regret: float
    luck: float
    noise: float


def units(studies: Sequence[StudyOutcome]) -> np.ndarray:
    """What the tests take [studies, units, conditions]: means over each repeat's networks; of one search, networks.

    With one search there is no independent unit: its networks are taken for such.
    """
    accuracy = np.array([played.accuracy for played in studies])
    return accuracy[:, 0] if accuracy.shape[1] == 1 else accuracy.mean(axis=2)


def found_of(case: Case, studies: Sequence[StudyOutcome]) -> SettingsQuality:
    """Of the settings that the searches of a case found."""
    regret = np.array([played.regret for played in studies])
    accuracy = np.array([played.accuracy for played in studies])
    noise = float(accuracy.std(axis=2, ddof=1).mean()) if accuracy.shape[2] > 1 else float("nan")
    return SettingsQuality(case, len(studies), float(regret.mean()), float(regret.std(axis=2, ddof=1).mean()), noise)


def rates_of(case: Case, studies: Sequence[StudyOutcome]) -> Iterator[SearchRate]:
    """Errors and coverage where no difference is true, then power where some are planted.

    A planted difference is the same at all settings, so no search would have gone another way.
    """
    values = units(studies)
    for family, contrasts in (("planned", PLANNED), ("factorial", effects())):
        found = judgements(values, contrasts)
        yield from _both(case, f"fwer {family}", found, slice(None))
        covered = found.coverage()
        yield SearchRate(case, f"covers least {family}", "t", *covered[0])
        yield SearchRate(case, f"covers most {family}", "t", *covered[-1])
    has = np.array([CONDITIONS[name].num_ascs > 0 for name in NAMES])
    yield from _both(case, "finds currents", judgements(values + CURRENTS * has, effects()), slice(0, 1))
    better = values + OWN * (np.array(NAMES) == "LHetA")
    named = [i for i, contrast in enumerate(PLANNED) if contrast.of == ("RHetA",)]
    yield from _both(case, "finds RHetA - LHetA", judgements(better, PLANNED), slice(named[0], named[0] + 1))


def _both(case: Case, what: str, found: Judgements, of: slice) -> Iterator[SearchRate]:
    for test, by_t in (("sign-flip", False), ("t", True)):
        different = np.asarray(found.different(by_t)[:, of].any(axis=1))
        yield SearchRate(case, what, test, int(different.sum()), len(different))
