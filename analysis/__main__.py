"""`python -m analysis RESULTS`: makes tables, figures, LaTeX and report.html again, or compares two studies.

Exit codes: 0 the study is complete, 1 the report is of an incomplete study, 2 refused.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.compare import compare, write_comparison
from analysis.load import load
from analysis.make import PARTS, Part, write_report
from analysis.summary import as_text, summarise
from glifr.records import InputError, Problem

_FORMATS: tuple[Part, ...] = ("html", "latex", "csv")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    given = _parser().parse_args(arguments)
    root: Path = given.results
    try:
        results = load(root)
        if given.compare is not None:
            return _compared(root, given.compare)
        made = write_report(results, _parts(given.format, given.only))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(as_text(summarise(results)))
    print()
    for path in (*made.tables, *made.figures, *made.latex):
        print(root / path)
    if made.report.exists():
        print(made.report)
    if not made.complete:
        print("the study is not complete: the report says what is missing")
    return 0 if made.complete else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis", description="Makes the tables, figures and report of a study's results folder."
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="as results/<study>/<profile>")
    parser.add_argument("--compare", type=Path, metavar="OTHER", help="another results folder, to set beside this one")
    parser.add_argument("--format", default="html,latex,csv", help="any of html,latex,csv; all of them if not given")
    parser.add_argument("--only", choices=["figures"], help="make the figures and nothing else")
    return parser


def _parts(formats: str, only: str | None) -> frozenset[Part]:
    """What is wanted. Figures come with the page and by themselves."""
    if only is not None:
        return frozenset({"figures"})
    wanted = {word.strip() for word in formats.split(",") if word.strip()}
    unknown = sorted(wanted - set(_FORMATS))
    if unknown or not wanted:
        raise InputError(Problem("there is no such format", "--format", formats, allowed=", ".join(_FORMATS)))
    return frozenset(part for part in PARTS if part in wanted)


def _compared(root: Path, other: Path) -> int:
    comparison = compare(load(root), load(other))
    print(as_text(comparison.texts()))
    for path in write_comparison(root, comparison):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
