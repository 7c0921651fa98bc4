"""Neuromorphic MNIST: event files, what becomes of them, N-MNIST's folders, and the simulated recordings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from paths import ROOT

from glifr.errors import InputError
from glifr.tasks import TASKS, TaskSettings, aer, event_bins, mnist, nmnist, saccades
from glifr.tasks import synthetic_events as generator

TASK = TASKS["neuromorphic_mnist"]
SYNTHETIC = TaskSettings("neuromorphic_mnist", "synthetic_saccades")
REAL = TaskSettings("neuromorphic_mnist", "nmnist")
STUDY = ROOT / "studies" / "published_neuromorphic_mnist.yaml"

# x 3, y 5, ON at 0x010203 = 66,051 us; x 33, y 0, OFF at 1,000 us; x 0, y 33, ON at 0x7fffff = 8,388,607 us
BYTES = bytes.fromhex("03 05 81 02 03  21 00 00 03 e8  00 21 ff ff ff")


def events(*rows: tuple[int, int, bool, int]) -> aer.Events:
    x, y, on, microseconds = zip(*rows, strict=True)
    times = np.array(microseconds, np.int64)
    return aer.Events(np.array(x, np.uint8), np.array(y, np.uint8), np.array(on, np.bool_), times)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GLIFR_DATA", raising=False)
    nmnist._part.cache_clear()


# --- N-MNIST's folders ---


def write_folders(root: Path, train: int = 20, test: int = 10) -> Path:
    """Recordings with one event each, at x = number of the recording modulo 34, in millisecond 0; digits in turn."""
    for part, count in (("Train", train), ("Test", test)):
        for digit in range(10):
            (root / part / str(digit)).mkdir(parents=True)
        for number in range(1, count + 1):
            path = root / part / str(number * 3 % 10) / f"{number:05d}.bin"
            path.write_bytes(aer.encode(events((number % 34, 0, False, 0))))
    return root


def test_recordings_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    found = nmnist.read_part(write_folders(tmp_path / "data"), "Train", 20)
    assert found.digits.tolist() == [number * 3 % 10 for number in range(1, 21)]
    inputs = event_bins.decode(torch.from_numpy(found.bits))
    assert torch.nonzero(inputs).tolist() == [[row, 0, row + 1] for row in range(20)]


def test_bits_are_kept_and_read_again_only_when_files_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_folders(tmp_path / "data")
    first = nmnist.read_part(root, "Train", 20)
    read: list[str] = []
    true_decode = aer.decode
    monkeypatch.setattr(aer, "decode", lambda raw, place: read.append(place) or true_decode(raw, place))
    again = nmnist.read_part(root, "Train", 20)
    assert read == []
    assert np.array_equal(again.bits, first.bits)
    assert np.array_equal(again.digits, first.digits)

    changed = root / "Train" / "3" / "00001.bin"
    changed.write_bytes(aer.encode(events((9, 9, True, 0))))
    os.utime(changed, ns=(1, 1))
    assert not np.array_equal(nmnist.read_part(root, "Train", 20).bits[0], first.bits[0])
    assert len(read) == 20


@pytest.mark.parametrize("damage", [lambda raw: raw[:-30], lambda raw: b"", lambda raw: raw[:200] + b"xx" + raw[202:]])
def test_kept_bits_that_are_damaged_are_made_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    root = write_folders(tmp_path / "data")
    first = nmnist.read_part(root, "Train", 20)
    (kept,) = (tmp_path / "cache" / "glifr").glob("event-bits-*.npz")
    kept.write_bytes(damage(kept.read_bytes()))
    assert np.array_equal(nmnist.read_part(root, "Train", 20).bits, first.bits)
    assert nmnist._kept(kept, 20) is not None, "and kept again"


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(nmnist.read_part(write_folders(tmp_path / "data"), "Test", 10).digits) == 10


def _without_a_digit(root: Path) -> None:
    for file in (root / "Train" / "7").iterdir():
        file.unlink()
    (root / "Train" / "7").rmdir()


BAD_FOLDERS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "no folder of a digit": (_without_a_digit, ["no folder for a digit", "'7'", "0 to 9"]),
    "a file too few": (lambda root: (root / "Train/3/00001.bin").unlink(), ["19 event files", "20 of them"]),
    "a file too many": (
        lambda root: (root / "Train/3/00021.bin").write_bytes(BYTES),
        ["21 event files", "missing or too many"],
    ),
    "a number twice": (
        lambda root: (root / "Train/3/00001.bin").rename(root / "Train/4/00002.bin"),
        ["without a gap", "1, of 1 to 20"],
    ),
    "a name that is no number": (
        lambda root: (root / "Train/3/00001.bin").rename(root / "Train/3/one.bin"),
        ["'one.bin'", "such as 00001.bin"],
    ),
    "a file cut short": (
        lambda root: (root / "Train/3/00001.bin").write_bytes(BYTES[:7]),
        ["cut short", "00001.bin", "7 bytes"],
    ),
}


@pytest.mark.parametrize("name", BAD_FOLDERS)
def test_folders_that_are_not_whole_are_refused(tmp_path: Path, name: str) -> None:
    spoil, said = BAD_FOLDERS[name]
    root = write_folders(tmp_path / "data")
    spoil(root)
    with pytest.raises(InputError) as refused:
        nmnist.read_part(root, "Train", 20)
    for words in [str(root / "Train"), *said]:
        assert words in str(refused.value)


def test_files_of_other_kinds_do_not_matter(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "data")
    (root / "Train" / "3" / ".DS_Store").write_text("")
    (root / "Train" / "notes.txt").write_text("")
    assert len(nmnist.read_part(root, "Train", 20).digits) == 20


# --- the task ---


@pytest.fixture
def small_nmnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of 20 + 10 recordings that pass for the whole of N-MNIST; the first 15 of 20 are for training."""
    from glifr.tasks import neuromorphic_mnist

    monkeypatch.setattr(nmnist, "FILES", {"Train": 20, "Test": 10})
    sizes = {**neuromorphic_mnist.SIZES, "nmnist": {"train": 15, "validation": 5, "test": 10}}
    monkeypatch.setattr(neuromorphic_mnist, "SIZES", sizes)
    return write_folders(tmp_path / "data")


@pytest.mark.parametrize("below", ["", "N-MNIST", "NMNIST"])
@pytest.mark.parametrize("by", ["setting", "environment"])
def test_splits_of_the_files_in_a_named_folder(
    small_nmnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str, by: str
) -> None:
    root = tmp_path / "root"
    (root / below).parent.mkdir(parents=True, exist_ok=True)
    if below:
        root.mkdir(exist_ok=True)
    small_nmnist.rename(root / below)
    if by == "environment":
        monkeypatch.setenv("GLIFR_DATA", str(root))
    settings = TaskSettings("neuromorphic_mnist", "nmnist", root if by == "setting" else None)
    data, test = TASK.load(settings), TASK.load_test(settings)
    assert data.validation is not None
    assert [len(s) for s in (data.train, data.validation, test)] == [15, 5, 10]
    inputs, targets = data.validation.batch(torch.tensor([0]))  # recording 16
    assert torch.nonzero(inputs[0]).tolist() == [[0, 16]]
    assert targets.tolist() == [16 * 3 % 10]
    both = TASK.load(TaskSettings("neuromorphic_mnist", "nmnist", settings.data_root, "train+validation"))
    assert both.validation is None
    assert torch.equal(both.train.stored, torch.cat([data.train.stored, data.validation.stored]))


def test_the_fingerprint_is_of_what_is_in_the_files(small_nmnist: Path) -> None:
    settings = TaskSettings("neuromorphic_mnist", "nmnist", small_nmnist)
    first = TASK.fingerprint(settings)
    changed = small_nmnist / "Test" / "3" / "00001.bin"
    os.utime(changed, ns=(1, 1))
    nmnist._part.cache_clear()
    assert TASK.fingerprint(settings) == first
    changed.write_bytes(aer.encode(events((1, 1, False, 0))))
    nmnist._part.cache_clear()
    assert TASK.fingerprint(settings) != first


def test_a_named_folder_is_never_silently_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="N-MNIST folder does not exist"):
        TASK.load(TaskSettings("neuromorphic_mnist", "nmnist", tmp_path / "nowhere"))
    (tmp_path / "Train").mkdir()
    with pytest.raises(InputError, match="no N-MNIST folders Train and Test here"):
        TASK.load(TaskSettings("neuromorphic_mnist", "nmnist", tmp_path))
    monkeypatch.setenv("GLIFR_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match="environment variable GLIFR_DATA"):
        TASK.load(REAL)


def _tonic(monkeypatch: pytest.MonkeyPatch, made: Callable[..., object]) -> None:
    datasets = ModuleType("tonic.datasets")
    datasets.NMNIST = made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tonic", ModuleType("tonic"))
    monkeypatch.setitem(sys.modules, "tonic.datasets", datasets)


def test_no_data_and_no_way_to_get_them_names_the_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    _tonic(monkeypatch, offline)
    with pytest.raises(InputError, match="no route to host") as refused:
        TASK.load(REAL)
    for way in ("task.data_root", "GLIFR_DATA", "pip install tonic", "synthetic_saccades"):
        assert way in str(refused.value)
    monkeypatch.setitem(sys.modules, "tonic.datasets", None)  # as where it is not installed
    with pytest.raises(InputError, match="could not be downloaded"):
        TASK.load(REAL)


def test_what_tonic_downloads_is_used_and_then_found(
    small_nmnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(save_to: str, train: bool) -> None:
        asked.append(train)
        part = "Train" if train else "Test"
        (Path(save_to) / "NMNIST").mkdir(parents=True, exist_ok=True)
        (small_nmnist / part).rename(Path(save_to) / "NMNIST" / part)

    _tonic(monkeypatch, download)
    assert nmnist.folder_of(None) == tmp_path / "cache" / "glifr" / "NMNIST"
    assert len(TASK.load(REAL).train) == 15
    assert asked == [True, False], "once"


# --- simulated recordings ---


def test_the_image_moves_in_a_triangle() -> None:
    assert saccades.place(0) == (0, 0)
    assert saccades.place(52.5) == pytest.approx((1.75, 3.5))  # half a cosine: half way at half time
    assert saccades.place(105) == pytest.approx((3.5, 7))
    assert saccades.place(210) == pytest.approx((7, 0))
    assert saccades.place(315) == pytest.approx((0, 0))
    assert saccades.place(35) == pytest.approx((0.875, 1.75))  # (1 - cos 60 degrees) / 2 = 1/4


def test_an_edge_that_moves_right_and_down_makes_on_events_before_it_and_off_events_behind() -> None:
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 10:18, 10:18] = 255
    (seen,) = saccades.record(image, np.array([0]), 50)
    rightmost, leftmost = (seen.x >= 18) & (seen.x < 20), (seen.x == 10)
    middle = (seen.y >= 13) & (seen.y < 17)
    assert seen.on[rightmost & middle].mean() > 0.9
    assert seen.on[leftmost & middle].mean() < 0.1
    assert (rightmost & middle).sum() > 8


def test_the_number_of_events_of_an_edge() -> None:
    """Full on from dark: ln(1.2 / 0.2) = 1.79, and 0.4 goes into it 4 times (its threshold differs by some 3 %)."""
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, :12] = 255  # its lower edge, row 11, sweeps down over rows 12..18 in the first 105 ms
    (seen,) = saccades.record(image, np.array([0]), 105)
    swept = (seen.y == 14) & (seen.x >= 8) & (seen.x < 28)
    per_pixel = np.bincount(seen.x[swept & seen.on], minlength=34)[8:28]
    assert set(per_pixel.tolist()) <= {4, 5}, "4, and at most one of the pixel's own"
    assert np.median(per_pixel) == 4


def test_a_still_dark_image_has_noise_only() -> None:
    """0.5 events a second and pixel: 182 in 315 ms of 1,156 pixels; of 20 recordings the mean is within 5 sd of it."""
    seen = saccades.record(np.zeros((20, 28, 28), np.uint8), np.arange(20))
    mean = np.mean([len(s) for s in seen])
    assert mean == pytest.approx(182.07, abs=5 * (182.07 / 20) ** 0.5)


def test_a_short_recording_is_the_beginning_of_a_long_one_and_of_no_other() -> None:
    images = mnist.small()["train"].pixels[[0, 900, 1800]]
    numbers = np.array([5, 6, 7])
    long, short = saccades.record(images, numbers), saccades.record(images, numbers, 15)
    (alone,) = saccades.record(images[1:2], numbers[1:2])
    assert aer.encode(alone) == aer.encode(long[1])
    for all_of, some in zip(long, short, strict=True):
        assert np.array_equal(event_bins.pack(all_of), event_bins.pack(some))
        assert (np.diff(all_of.microseconds) >= 0).all()
    (other,) = saccades.record(images[1:2], np.array([8]))
    assert aer.encode(other) != aer.encode(alone)


def test_recordings_are_as_full_as_those_of_the_data_set() -> None:
    """N-MNIST has some 4,000 events in a recording."""
    images = mnist.small()["train"].pixels[::72]
    counts = [len(seen) for seen in saccades.record(images, np.arange(len(images)))]
    assert 3500 < np.mean(counts) < 5000


def test_the_synthetic_source_has_the_splits_of_its_images() -> None:
    data, test = TASK.load(SYNTHETIC), TASK.load_test(SYNTHETIC)
    assert data.validation is not None
    assert [len(s) for s in (data.train, data.validation, test)] == [3600, 700, 700]
    assert torch.equal(test.targets, torch.from_numpy(mnist.small()["test"].digits))
    assert TASK.load(TaskSettings(*SYNTHETIC_ALL)).train.stored.shape == (4300, 4335)
    assert TASK.fingerprint(SYNTHETIC) == TASK.fingerprint(SYNTHETIC)


SYNTHETIC_ALL = ("neuromorphic_mnist", "synthetic_saccades", None, "train+validation")


def test_generated_files_are_read_as_the_simulation_made_them(tmp_path: Path) -> None:
    counts = generator.write(tmp_path / "made", train=23, test=11)
    assert counts == {"Train": 23, "Test": 11}
    for part, count in counts.items():
        found = nmnist.read_part(tmp_path / "made", part, count)
        assert found.digits.tolist() == [row % 10 for row in range(count)]
    image = mnist.small()["test"]
    zero = image.pixels[image.digits == 0][:1]
    (seen,) = saccades.record(zero, np.array([4300]))
    assert (tmp_path / "made" / "Test" / "0" / "00001.bin").read_bytes() == aer.encode(seen)


def test_generated_files_do_not_pass_for_nmnist(tmp_path: Path) -> None:
    generator.write(tmp_path / "made", train=10, test=10)
    assert "not N-MNIST" in (tmp_path / "made" / "SYNTHETIC.txt").read_text()
    with pytest.raises(InputError, match="synthetic, not N-MNIST"):
        TASK.load(TaskSettings("neuromorphic_mnist", "nmnist", tmp_path / "made"))


def test_the_generators_command(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "glifr.tasks.synthetic_events", "--out", str(tmp_path / "made")]
    done = subprocess.run([*command, "--train", "3", "--test", "2"], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 + 2 synthetic recordings" in done.stdout
    assert sorted(p.name for p in (tmp_path / "made").rglob("*.bin")) == [
        "00001.bin", "00001.bin", "00002.bin", "00002.bin", "00003.bin"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--train", "0"], "--train"),
        (["--test", "701"], "1 to 700"),
        (["--train", "3", "--test", "2"], "something here already"),
    ],
)
def test_the_generator_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    (tmp_path / "keep.txt").write_text("mine")
    assert generator.main(["--out", str(tmp_path), *options]) == 2
    assert said in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["keep.txt"]
