"""`python -m analysis RESULTS_FOLDER`: makes tables, figures and report.html again.

Exit codes: 0 the study is complete, 1 the report is of an incomplete study, 2 refused.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.load import load
from analysis.report import write_report
from analysis.summary import as_text, summarise
from glifr.records import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis", description="Makes the tables, figures and report of a study's results folder."
    )
    parser.add_argument("folder", type=Path, metavar="RESULTS_FOLDER", help="as results/<study>/<profile>")
    root = parser.parse_args(arguments).folder
    try:
        results = load(root)
        made = write_report(results)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(as_text(summarise(results)))
    print()
    for path in (*made.tables, *made.figures):
        print(root / path)
    print(made.report)
    if not made.complete:
        print("the study is not complete: the report says what is missing")
    return 0 if made.complete else 1


if __name__ == "__main__":
    sys.exit(main())
