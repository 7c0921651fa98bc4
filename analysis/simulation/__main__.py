"""`python -m analysis.simulation [STUDIES] [--out FOLDER]`: errors and coverage of studies without a search."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from analysis.simulation import clusters
from analysis.simulation.nulls import NULLS, SEED
from analysis.simulation.rates import UNITS, Rate, null_rates, other_rates


def rates(studies: int) -> Iterator[Rate]:
    """All of them; the clusters' are counted over far fewer networks."""
    for null in NULLS:
        for units in UNITS:
            yield from null_rates(null, units, studies)
    yield from other_rates(studies)
    yield from clusters.rates(max(8, studies // 100), SEED)


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
