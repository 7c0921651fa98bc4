"""`python -m analysis`: makes tables, figures, LaTeX and report.html of a study again.

    python -m analysis RESULTS               the same files, from the records alone; or compares two studies
    python -m analysis pack RESULTS -o FILE  puts all that these need into one small file, which can stand for RESULTS

Exit codes: 0 the study is complete, 1 the report is of an incomplete study, 2 refused.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.files import claim
from analysis.load import load
from analysis.pack.contents import NETWORKS
from analysis.pack.make import pack
from analysis.report.compare import compare, write_comparison
from analysis.report.make import Part, write_report
from analysis.report.terminal_table import as_text, summarise
from analysis.results.load import Results
from glifr.records import InputError, Problem
from glifr.records.archive import MOST_BYTES

_FORMATS: tuple[Part, ...] = ("html", "latex", "csv", "png")
_PACK = "pack"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _packed(words[1:]) if words[:1] == [_PACK] else _reported(words)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2


def _reported(words: list[str]) -> int:
    given = _parser().parse_args(words)
    results = load(given.results, given.out)
    if given.compare is not None:
        return _compared(results, given.compare)
    made = write_report(results, _parts(given.format, given.only))
    print(as_text(summarise(results)))
    print()
    for path in (*made.tables, *made.figures, *made.latex):
        print(results.layout.root / path)
    if made.report.exists():
        print(made.report)
    return _ended(made.complete, "the report says what is missing")


def _packed(words: list[str]) -> int:
    given = _pack_parser().parse_args(words)
    made = pack(given.results, given.output, given.without)
    for part, size in made.parts.items():
        print(f"{size:>10,}  {part}")
    print(f"{made.size:>10,}  {made.path}")
    return _ended(made.complete, "so is the pack")


def _ended(complete: bool, more: str) -> int:
    if not complete:
        print(f"the study is not complete: {more}")
    return 0 if complete else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis",
        description="Makes the tables, figures and report of a study, from its results folder or a pack of it.",
        epilog="`python -m analysis pack RESULTS -o FILE` makes a pack.",
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="as results/<study>/<profile>, or a pack")
    parser.add_argument("--compare", type=Path, metavar="OTHER", help="other results or a pack, to set beside these")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to; if not given RESULTS, or the pack's name without suffix",
    )
    parser.add_argument(
        "--format",
        default="html,latex,csv",
        help="any of html,latex,csv,png, the last of figures; by default all but png",
    )
    parser.add_argument("--only", choices=["figures"], help="make the figures, as PNG too, and nothing else")
    return parser


def _pack_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis pack",
        description=f"Makes one file of at most {MOST_BYTES:,} bytes that can stand for the results folder.",
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="as results/<study>/<profile>")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", required=True, help="the pack, as study.tar.xz")
    parser.add_argument(
        "--without",
        action="append",
        choices=[NETWORKS],
        default=[],
        help="leave out what shows neurons",
    )
    return parser


def _parts(formats: str, only: str | None) -> frozenset[Part]:
    """What is wanted. Figures come with the page and by themselves."""
    if only is not None:
        return frozenset({"figures", "png"})
    wanted = {word.strip() for word in formats.split(",") if word.strip()}
    unknown = sorted(wanted - set(_FORMATS))
    if unknown or not wanted:
        raise InputError(
            Problem(
                "there is no such format", "--format", formats, ", ".join(_FORMATS), "name one or several, with commas"
            )
        )
    return frozenset(part for part in _FORMATS if part in wanted)


def _compared(results: Results, other: Path) -> int:
    claim(results.layout.root, results.source)
    comparison = compare(results, load(other))
    print(as_text(comparison.texts()))
    for path in write_comparison(results.layout.root, comparison):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
