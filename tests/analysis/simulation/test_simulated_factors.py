"""Simulated factors with more than two levels: judged as a study is, they keep their level, and find what is there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.simulation import factors
from analysis.simulation.nulls import NAMES, NULLS
from analysis.statistics.factorial import factorial

BY_NAME = {null.name: null for null in NULLS}


@pytest.mark.parametrize("kind", ["levels", "trend"])
@pytest.mark.parametrize("name", ["independent", "copies", "sine", "failing-some"])
def test_many_studies_at_once_are_judged_as_each_alone(kind: str, name: str) -> None:
    values = BY_NAME[name].draw(np.random.default_rng(4), 3, 10)
    values[0, :, NAMES.index("RHet")] += 4 * values.std()
    p, different = factors.judged(values, factors.design(kind))
    for study, own, found in zip(values, p, different, strict=True):
        frame = pd.DataFrame(study, columns=list(NAMES))
        alone = factorial(frame, factors=factors.design(kind).declared, smallest_effect=1e-12).effects
        assert own == pytest.approx([e.p for e in alone], nan_ok=True)
        assert found.tolist() == [e.verdict.different for e in alone]


@pytest.mark.parametrize("name", list(BY_NAME))
def test_factors_keep_their_level(name: str) -> None:
    """400 studies: with a true rate of 5 %, beyond 9 % in one of a thousand."""
    found = {rate.what: rate.share for rate in factors.rates(BY_NAME[name], 10, 400)}
    assert max(found["fwer levels"], found["fwer trend"], found["levels alone"]) < 0.09


def test_the_test_of_repeated_measures_would_not_at_the_covariance_of_a_real_study() -> None:
    found = {rate.what: rate.share for rate in factors.rates(BY_NAME["sine"], 10, 400)}
    assert found["levels by F"] > 0.06 > found["levels alone"]


def test_what_is_there_is_found() -> None:
    found = {rate.what: rate.share for rate in factors.power_rates(10, 200)}
    assert found["finds levels"] > 0.5
    assert found["finds trend"] > 0.5
