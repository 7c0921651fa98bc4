"""`python -m analysis.simulation [STUDIES] [--out FOLDER]`: errors and coverage of studies without a search."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from analysis.simulation import clusters, factors
from analysis.simulation.nulls import NULLS, SEED
from analysis.simulation.rate import Rate
from analysis.simulation.rates import UNITS, null_rates, other_rates
from analysis.statistics.comparisons import EXACT_UP_TO


def rates(studies: int) -> Iterator[Rate]:
    """All of them; those of factors over fewer studies, as their tests draw more, the clusters' over few networks."""
    for null in NULLS:
        for units in UNITS:
            yield from null_rates(null, units, studies)
            yield from factors.rates(null, units, _of_factors(studies, units))
    yield from other_rates(studies)
    for units in UNITS:
        yield from factors.power_rates(units, _of_factors(studies, units))
    yield from clusters.rates(max(8, studies // 100), SEED)


def _of_factors(studies: int, units: int) -> int:
    return max(1, studies // (2 if units <= EXACT_UP_TO else 8))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each rate; with --out, also as nulls.csv in that folder."""
    parser = argparse.ArgumentParser(prog="python -m analysis.simulation", description=__doc__)
    parser.add_argument("studies", nargs="?", type=int, default=4000, help="simulated studies of each kind (4000)")
    parser.add_argument("--out", type=Path, help="a folder for nulls.csv")
    given = parser.parse_args(arguments)
    rows = []
    for rate in rates(given.studies):
        low, high = rate.limits
        print(f"{rate.null}, n = {rate.units}, {rate.what}: {rate.share:.4f} ({low:.4f} to {high:.4f})", flush=True)
        rows.append([rate.null, rate.units, rate.what, rate.count, rate.total])
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        with (given.out / "nulls.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerows([["null", "units", "what", "count", "total"], *rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())
