"""Checks that every backend is right, then times it beside the plain loop and other libraries.

python -m benchmarks [--device cpu|cuda] [--only SHAPE ...] [--threads N] [--repeats N] [--quick] [--data DIR]
                     [--out DIR]
python -m benchmarks --write-docs [--out DIR] [--docs DIR]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.report.document import write_document
from benchmarks.run import QUICK_ROUNDS, ROUNDS, Options, WrongBackendError, run, table
from benchmarks.speed.shapes import SHAPES
from glifr.errors import InputError, Problem


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Correctness first, then speed and size.")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    parser.add_argument("--only", nargs="+", default=[], choices=list(SHAPES), metavar="SHAPE", help=", ".join(SHAPES))
    parser.add_argument("--threads", type=_count, help="of torch and the compiled scans (default: torch's own choice)")
    parser.add_argument(
        "--repeats", type=_count, help=f"samples of each candidate (default: {ROUNDS}, quick {QUICK_ROUNDS})"
    )
    parser.add_argument("--quick", action="store_true", help="three shapes and few samples, under a minute")
    parser.add_argument("--data", type=Path, help="folder of MNIST's files (default: $GLIFR_DATA, else noise)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"), help="tables go to DIR/cpu or DIR/cuda")
    parser.add_argument("--write-docs", action="store_true", help="measure nothing: performance.md from the tables")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where performance.md is written")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """0 measured, 1 a backend is wrong, 2 refused, 130 interrupted."""
    given = _parser().parse_args(arguments)
    try:
        if given.write_docs:
            print(f"written: {write_document(given.out, given.docs)}")
            return 0
        if given.threads:
            torch.set_num_threads(given.threads)
        options = Options(_device(given.device), tuple(given.only), given.repeats, given.quick, given.out, given.data)
        results = run(options)
    except WrongBackendError as wrong:
        print("nothing was timed, as these results are wrong:", wrong, sep="\n", file=sys.stderr)
        return 1
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(table(results))
    print(f"written: {results.folder}; python -m benchmarks --write-docs makes docs/performance.md of it")
    return 0


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not >= 1")
    return value


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise InputError(Problem("no such device", "--device", name, "cpu, cuda or cuda:N"))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(Problem("there is no CUDA device here", "--device", name, "cpu", "run it on a GPU node"))
    return device


if __name__ == "__main__":
    sys.exit(main())
