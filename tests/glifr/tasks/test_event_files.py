"""Event files and their bins, byte by byte and bin by bin."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glifr.errors import InputError
from glifr.tasks import aer, event_bins

# x 3, y 5, ON at 0x010203 = 66,051 us; x 33, y 0, OFF at 1,000 us; x 0, y 33, ON at 0x7fffff = 8,388,607 us
BYTES = bytes.fromhex("03 05 81 02 03  21 00 00 03 e8  00 21 ff ff ff")


def events(*rows: tuple[int, int, bool, int]) -> aer.Events:
    x, y, on, microseconds = zip(*rows, strict=True)
    times = np.array(microseconds, np.int64)
    return aer.Events(np.array(x, np.uint8), np.array(y, np.uint8), np.array(on, np.bool_), times)


# --- the file format ---


def test_hand_written_bytes_are_these_events() -> None:
    found = aer.decode(BYTES, "a file")
    assert found.x.tolist() == [3, 33, 0]
    assert found.y.tolist() == [5, 0, 33]
    assert found.on.tolist() == [True, False, True]
    assert found.microseconds.tolist() == [0x010203, 1000, 0x7FFFFF]
    assert aer.encode(found) == BYTES


def test_a_row_of_240_is_the_clock_and_no_event() -> None:
    clock = bytes.fromhex("00 f0 00 00 05")
    event = bytes.fromhex("01 02 00 00 07")
    found = aer.decode(event + clock + event + clock + event, "a file")
    assert found.microseconds.tolist() == [7, 7 + 8192, 7 + 2 * 8192]
    assert found.x.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (BYTES[:-1], ["cut short", "14 bytes", "multiple of 5"]),
        (b"", ["empty", "0 bytes"]),
        (BYTES + bytes([34, 0, 0, 0, 0]), ["outside the sensor", "event 3: x 34, y 0", "0 to 33"]),
        (BYTES[:5] + bytes([0, 99, 0, 0, 0]) + BYTES, ["outside the sensor", "event 1: x 0, y 99"]),
        (bytes([0, 240, 0, 0, 0]), ["no event"]),
    ],
)
def test_a_damaged_file_is_refused_with_its_name(raw: bytes, said: list[str]) -> None:
    with pytest.raises(InputError) as refused:
        aer.decode(raw, "Train/3/00017.bin")
    for words in ["Train/3/00017.bin", "fetch", *said]:
        assert words in str(refused.value)


@pytest.mark.parametrize("row", [(34, 0, True, 0), (0, 34, True, 0), (0, 0, True, -1), (0, 0, True, 1 << 23)])
def test_what_the_format_cannot_hold_is_not_written(row: tuple[int, int, bool, int]) -> None:
    with pytest.raises(ValueError, match="outside"):
        aer.encode(events(row))


def test_any_events_come_back_as_they_were_written() -> None:
    random = np.random.default_rng(0)
    x, y = random.integers(34, size=(2, 5000)).astype(np.uint8)
    written = aer.Events(x, y, random.random(5000) < 0.5, random.integers(1 << 23, size=5000))
    read = aer.decode(aer.encode(written), "a file")
    for name in ("x", "y", "on", "microseconds"):
        assert np.array_equal(getattr(read, name), getattr(written, name))


# --- bins ---


def test_bins_worked_out_by_hand() -> None:
    """Input number: 1156 for ON, plus 34 y, plus x. A second event in a bin adds nothing; at 15 ms it is too late."""
    packed = event_bins.pack(
        events(
            (3, 5, True, 0),
            (3, 5, True, 999),
            (3, 5, False, 999),
            (33, 33, True, 1000),
            (0, 0, False, 14_999),
            (1, 1, True, 15_000),
            (2, 2, True, 300_000),
        )
    )
    inputs = event_bins.decode(torch.from_numpy(packed[None]))
    assert inputs.shape == (1, 15, 2312)
    assert inputs.dtype == torch.float32
    assert torch.nonzero(inputs[0]).tolist() == [[0, 173], [0, 1156 + 173], [1, 2311], [14, 0]]
    assert inputs.max() == 1


def test_decoding_against_a_plain_loop() -> None:
    packed = torch.from_numpy(np.random.default_rng(1).integers(256, size=(3, 4335), dtype=np.uint8))
    inputs = event_bins.decode(packed)
    flat = inputs.reshape(3, -1).tolist()
    for row, stored in zip(flat, packed.tolist(), strict=True):
        assert row == [float(stored[bit // 8] >> bit % 8 & 1) for bit in range(34_680)]
    rows = torch.tensor([2, 0])
    assert torch.equal(event_bins.decode(packed[rows]), inputs[rows]), "each row by itself"
