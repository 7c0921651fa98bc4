"""`python -m chaos [PART ...]` in the folder `tests`: disturbs studies and fills docs/reliability/*.csv.

Stopped at any time, the same command goes on.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from chaos.campaign import Campaign
from chaos.rows import FOLDER, Record

WORK = Path(__file__).resolve().parents[2] / "build" / "chaos"
PARTS = ("writes", "drivers", "trials", "nodes", "bare", "damages", "mishaps")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--short", action="store_true", help="a few of each, as in CI")
    parser.add_argument("--rows", type=Path, default=FOLDER, metavar="DIR", help="where the CSV files go")
    parser.add_argument("--work", type=Path, default=WORK, metavar="DIR", help="where the studies lie")
    options = parser.parse_args()
    campaign = Campaign(options.work, Record(options.rows))
    if options.short:
        campaign = replace(campaign, kills=2, kills_a_study=2, corruptions=40, points=4)
    for name in options.parts:
        print(f"chaos: {name}", flush=True)
        getattr(campaign, name)()


if __name__ == "__main__":
    main()
