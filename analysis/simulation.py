"""Studies with planted effects: do intervals cover, and tests err, as often as they say? See `make simulate`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analysis import cluster_simulation
from analysis.contrasts import judge
from analysis.factorial import factorial
from analysis.intervals import iqm_interval, t_interval
from glifr.conditions import CONDITIONS
from glifr.records import default_contrasts

SEED = 20_240_229
SPREAD = 0.004  # between networks of a condition, as on the published line MNIST
_SHARED = 0.5  # of the variance is the seed's, the same in every condition
_WORST = 0.1
_CENTRE = 0.94
_SMALLEST = 0.005


def study(
    rng: np.random.Generator, seeds: int, effects: dict[str, float] | None = None, lost: float = 0.0
) -> pd.DataFrame:
    """A row a seed, a column a condition: normal about 0.94 plus the planted effects; a share `lost` diverged."""
    shared = rng.normal(0, SPREAD * np.sqrt(_SHARED), seeds)
    columns = {}
    for name in CONDITIONS:
        own = rng.normal(0, SPREAD * np.sqrt(1 - _SHARED), seeds)
        values = _CENTRE + (effects or {}).get(name, 0.0) + shared + own
        columns[name] = np.where(rng.random(seeds) < lost, _WORST, values)
    return pd.DataFrame(columns, index=range(1, seeds + 1))


def t_coverage(seeds: int, studies: int, seed: int = SEED) -> float:
    """The share of t intervals of the mean that hold the true mean."""
    rng = np.random.default_rng([seed, seeds])
    draws = rng.normal(_CENTRE, SPREAD, (studies, seeds))
    found = (t_interval(x) for x in draws)
    return float(np.mean([t.low <= _CENTRE <= t.high for t in found]))


def iqm_coverage(seeds: int, studies: int, lost: float = 0.0, seed: int = SEED) -> float:
    """The share of bootstrap intervals of the interquartile mean that hold its true value."""
    rng = np.random.default_rng([seed, seeds, 1])

    def draw(*shape: int) -> np.ndarray:
        values = rng.normal(_CENTRE, SPREAD, shape)
        return np.where(rng.random(shape) < lost, _WORST, values)

    true = float(stats.trim_mean(draw(2_000_000), 0.25))
    found = (iqm_interval(x) for x in draw(studies, seeds))
    return float(np.mean([i.low <= true <= i.high for i in found]))


def contrast_errors(seeds: int, studies: int, seed: int = SEED) -> tuple[float, float]:
    """Without any effect: the share of studies in which a planned contrast is called better or worse.

    And, with every true difference exactly the smallest effect of interest: in which one is called equivalent.
    """
    contrasts = default_contrasts(list(CONDITIONS), "LHetA")
    rng = np.random.default_rng([seed, seeds, 2])
    wrong = {"different": 0, "equivalent": 0}
    for _ in range(studies):
        verdicts = {j.verdict.word for j in judge(study(rng, seeds), contrasts, smallest_effect=_SMALLEST)}
        wrong["different"] += bool(verdicts & {"better", "worse"})
        apart = study(rng, seeds, {"LHetA": -_SMALLEST})
        against = [j for j in judge(apart, contrasts, smallest_effect=_SMALLEST) if j.contrast.minus == ("LHetA",)]
        wrong["equivalent"] += any(j.verdict.word == "equivalent" for j in against)
    return wrong["different"] / studies, wrong["equivalent"] / studies


def factorial_errors(seeds: int, studies: int, seed: int = SEED) -> float:
    """Without any effect: the share of studies in which one of the seven effects is called better or worse."""
    rng = np.random.default_rng([seed, seeds, 3])
    found = (factorial(study(rng, seeds), smallest_effect=_SMALLEST) for _ in range(studies))
    return float(np.mean([any(e.verdict.different for e in f.effects) for f in found]))


def factorial_power(seeds: int, effect: float, studies: int, seed: int = SEED) -> float:
    """The share of studies that find a planted effect of after-spike currents."""
    rng = np.random.default_rng([seed, seeds, 4])
    effects = {name: effect for name, c in CONDITIONS.items() if c.num_ascs}
    found = (factorial(study(rng, seeds, effects), smallest_effect=SPREAD / 20).effects[0] for _ in range(studies))
    return float(np.mean([e.verdict.word == "better" for e in found]))


def _lines(studies: int) -> Iterator[str]:
    for n in (3, 5, 10, 20):
        yield f"t interval of the mean, {n} seeds: covers {t_coverage(n, studies):.3f}"
    for n in (10, 20):
        yield f"bootstrap of the IQM, {n} seeds: covers {iqm_coverage(n, studies):.3f}"
    yield f"bootstrap of the IQM, 10 seeds, 10 % diverged: covers {iqm_coverage(10, studies, 0.1):.3f}"
    for n in (10, 20):
        different, equivalent = contrast_errors(n, studies if n == 10 else max(50, studies // 10))
        yield f"planned contrasts, {n} seeds: false findings {different:.3f}, false equivalence {equivalent:.3f}"
        yield f"factorial, {n} seeds: false findings {factorial_errors(n, studies):.3f}"
    yield f"factorial, 10 seeds, d = 0.63: finds it {factorial_power(10, 0.63 * SPREAD, studies):.3f}"
    yield from cluster_simulation.lines(max(8, studies // 10), SEED)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m analysis.simulation [STUDIES]`."""
    parser = argparse.ArgumentParser(prog="python -m analysis.simulation", description=__doc__)
    parser.add_argument("studies", nargs="?", type=int, default=1000, help="simulated studies (1000)")
    for line in _lines(parser.parse_args(arguments).studies):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
