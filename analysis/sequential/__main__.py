"""`python -m analysis.sequential FOLDER`: judges the look that is due and prints its record as JSON.

The launcher calls it in a process of its own and publishes what it prints: nothing else of a study that runs reads
test results.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.results.load import load_folder
from analysis.sequential.judge import judge_next
from glifr.records import InputError, Layout, read_sealed


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the record; 2 with the reason on stderr where there is none."""
    parser = argparse.ArgumentParser(prog="python -m analysis.sequential", description=__doc__)
    parser.add_argument("folder", type=Path, help="a results folder whose look is due")
    folder = parser.parse_args(arguments).folder
    try:
        look = judge_next(load_folder(folder), read_sealed(Layout(folder).study))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(look.to_json(), allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
