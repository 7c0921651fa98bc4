"""Ways in which studies without any effect can come out: the networks of each unit and condition.

Every condition has the same true mean; all else differs from null to null. Nothing here assumes what the tests do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from glifr.conditions import CONDITIONS

NAMES = tuple(CONDITIONS)
SEED = 20_240_229
_COVARIANCE = Path(__file__).with_name("sine_covariance.csv")
_LOG_SPREAD = 0.5  # of log-normal noise: a skewness of 1.75
_FAILED, _FAILED_SOME = 0.1, 0.03  # of the networks
_CHANCE = -200.0  # standard deviations below the others, as 10 % of accuracy is on line MNIST
Draw = Callable[[np.random.Generator, int, int], np.ndarray]


@dataclass(frozen=True)
class Null:
    """Values without any effect.

    Attributes:
        draw: Draws values of many studies [studies, units, conditions].
        words: Its description in a table.
        mean: The true mean of every condition.
    """

    name: str
    words: str
    draw: Draw
    mean: float = 0.0


def _normal(rng: np.random.Generator, studies: int, units: int) -> np.ndarray:
    return rng.normal(size=(studies, units, len(NAMES)))


def _copies(rng: np.random.Generator, studies: int, units: int) -> np.ndarray:
    values = _normal(rng, studies, units)
    values[..., NAMES.index("HomA")] = values[..., NAMES.index("Hom")]
    return values


def _sine(rng: np.random.Generator, studies: int, units: int) -> np.ndarray:
    return np.asarray(_normal(rng, studies, units) @ _root("loss").T)


def _sine_log(rng: np.random.Generator, studies: int, units: int) -> np.ndarray:
    root = _root("log")
    # of a log-normal variable: the mean is exp(mean + variance / 2)
    return np.asarray(np.exp(_normal(rng, studies, units) @ root.T - (root**2).sum(axis=1) / 2))


def _skewed(rng: np.random.Generator, studies: int, units: int) -> np.ndarray:
    variance = _LOG_SPREAD**2
    mean, sd = np.exp(variance / 2), np.sqrt((np.exp(variance) - 1) * np.exp(variance))
    return np.asarray((np.exp(_LOG_SPREAD * _normal(rng, studies, units)) - mean) / sd)


def _half_skewed(rng: np.random.Generator, studies: int, units: int) -> np.ndarray:
    skewed, plain = _skewed(rng, studies, units), _normal(rng, studies, units)
    return np.where(np.arange(len(NAMES)) % 2 == 0, skewed, plain)


def _heavy(rng: np.random.Generator, studies: int, units: int) -> np.ndarray:
    return np.asarray(rng.standard_t(3, size=(studies, units, len(NAMES))) / np.sqrt(3))


def _failing(rng: np.random.Generator, studies: int, units: int, share: float = _FAILED) -> np.ndarray:
    values = _normal(rng, studies, units)
    return np.where(rng.random(values.shape) < share, _CHANCE, values)


def _failing_some(rng: np.random.Generator, studies: int, units: int) -> np.ndarray:
    return _failing(rng, studies, units, _FAILED_SOME)


@cache
def _root(scale: Literal["loss", "log"]) -> np.ndarray:
    """A matrix whose product with its transpose is the stored covariance."""
    stored = pd.read_csv(_COVARIANCE, comment="#")
    own = stored[stored["scale"] == scale].set_index("condition").loc[list(NAMES), list(NAMES)]
    sizes, directions = np.linalg.eigh(own.to_numpy(dtype=np.float64))
    return np.asarray(directions * np.sqrt(np.maximum(sizes, 0.0)))


NULLS = (
    Null("independent", "independent networks, normal", _normal),
    Null("copies", "Hom and HomA the same network", _copies),
    Null("sine", "the covariance of the stored sine study (Hom and HomA the same)", _sine),
    Null("sine-log", "the same on the log scale: skewed, spreads differ", _sine_log, mean=1.0),
    Null("skewed", "log-normal, skewness 1.75", _skewed),
    Null("half-skewed", "log-normal in every second condition", _half_skewed),
    Null("heavy", "t with 3 degrees of freedom", _heavy),
    Null("failing", "10 % of networks at chance", _failing, mean=_FAILED * _CHANCE),
    Null("failing-some", "3 % of networks at chance", _failing_some, mean=_FAILED_SOME * _CHANCE),
)
