"""Boundaries of looks: published ones, their error in simulation, and the p of all looks together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.sequential.futility import chance_of_verdict, last_look
from analysis.sequential.spending import boundaries, pocock

# Jennison and Turnbull, Group Sequential Methods (2000), and any program for such designs: Lan-DeMets boundaries of
# Pocock's kind for five equally spaced looks, two-sided alpha .05
FIVE_LOOKS = (2.438, 2.427, 2.410, 2.397, 2.386)
SIZES = (10, 15, 20, 25, 30, 35, 40)


def test_boundaries_are_the_published_ones() -> None:
    found = stats.norm.isf(boundaries((8, 16, 24, 32, 40)).at(0.05) / 2)
    assert found == pytest.approx(FIVE_LOOKS, abs=2e-3)


def test_one_look_spends_all_and_the_first_spends_its_share() -> None:
    assert boundaries((20,)).at(0.05) == pytest.approx([0.05], rel=1e-3)
    assert boundaries(SIZES).at(0.01)[0] == pytest.approx(0.01 * pocock(0.25), rel=1e-3)


@pytest.mark.parametrize("sizes", [SIZES, (12, 16, 36, 40), (5, 40)])
def test_the_error_over_all_looks_is_the_level(sizes: tuple[int, ...]) -> None:
    """Also at levels between those of the table, and of the p of all looks so far."""
    rng, steps = np.random.default_rng(1), np.sqrt(np.diff(sizes, prepend=0))
    z = np.cumsum(rng.normal(size=(400_000, len(sizes))) * steps, axis=1) / np.sqrt(sizes)
    p, levels = 2 * stats.norm.sf(np.abs(z)), boundaries(sizes)
    total = np.min([levels.total(p[:, k], k) for k in range(len(sizes))], axis=0)
    for level in (0.2, 0.05, 0.0042):
        crossed = (p <= levels.at(level)).any(axis=1)
        assert crossed.mean() == pytest.approx(level, rel=0.08)
        assert np.mean((total <= level) != crossed) < 1e-4


def test_the_total_is_monotone_and_keeps_what_is_missing() -> None:
    levels = boundaries(SIZES)
    p = np.array([0.0, 1e-12, 1e-4, 0.01, 0.5, 1.0, np.nan])
    for look in range(len(SIZES)):
        total = levels.total(p, look)
        assert np.isnan(total[-1])
        assert (np.diff(total[:-1]) >= 0).all()
        assert (total[:-1] >= p[:-1]).all(), "many looks cost something"
        assert total[-2] == 1.0


def test_the_chance_of_a_verdict_is_that_of_going_on() -> None:
    """Against drawing the mean at the last look, with the true mean drawn about the one that is seen."""
    rng, n, most, margin = np.random.default_rng(2), 10, 40, 1.2
    last = last_look(most, 0.001, 0.002, 0.0146)
    for mean, sd in ((0.0, 1.0), (0.4, 1.0), (0.9, 2.0), (3.0, 1.0)):
        true = rng.normal(mean, sd / np.sqrt(n), size=200_000)
        rest = rng.normal(true, sd / np.sqrt(most - n))
        end, error = (n * mean + (most - n) * rest) / most, sd / np.sqrt(most)
        different = np.mean(np.abs(end) >= last.different * error)
        equivalent = np.mean(np.abs(end) < margin - last.equivalent * error)
        found = chance_of_verdict(np.array(mean), np.array(sd), n, margin, last)
        assert float(found) == pytest.approx(max(different, equivalent), abs=5e-3)
    assert np.isnan(chance_of_verdict(np.array(0.0), np.array(0.0), n, margin, last))
