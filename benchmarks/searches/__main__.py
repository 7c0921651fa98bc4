"""Plays studies with searches and counts errors. `make simulate`; stopped, it goes on where it was.

python -m benchmarks.searches --studies 500 --keep build/searches --out docs/statistics
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from pathlib import Path

from benchmarks.searches.cases import CASES, kept, run
from benchmarks.searches.rates import SearchRate, SettingsQuality, found_of, rates_of


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=500, help="of each case")
    parser.add_argument("--keep", type=Path, default=Path("build/searches"), help="the folder of studies that are done")
    parser.add_argument("--out", type=Path, help="a folder for searches.csv and searches_found.csv")
    given = parser.parse_args(arguments)
    for done in run(given.keep, given.studies):
        print(done, flush=True)
    summary(given.keep, given.studies, given.out)


def summary(folder: Path, studies: int, out: Path | None) -> None:
    """Prints what the first so many studies of each case gave, as far as they are done; with `out`, also as CSV."""
    rates: list[SearchRate] = []
    found: list[SettingsQuality] = []
    for case in CASES:
        if played := kept(folder, case)[:studies]:
            rates += rates_of(case, played)
            found.append(found_of(case, played))
    for f in found:
        print(f"{f.case.name}: {f.studies} studies, regret {f.regret:.5f}, luck {f.luck:.5f}, noise {f.noise:.5f}")
    for r in rates:
        low, high = r.limits
        print(f"{r.case.name}, {r.what}, {r.test}: {r.share:.3f} ({low:.3f} to {high:.3f})")
    if out is not None:
        key = ["repeats", "proposals", "null"]
        write(out / "searches.csv", [*key, "what", "test", "count", "total"], map(_flat, rates))
        write(out / "searches_found.csv", [*key, "studies", "regret", "luck", "noise"], map(_flat, found))


def _flat(row: SearchRate | SettingsQuality) -> list[object]:
    case, *rest = astuple(row)
    return [*case, *(round(x, 7) if isinstance(x, float) else x for x in rest)]


def write(path: Path, head: list[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file, made anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
