"""The event files of N-MNIST: a recording of an event camera, five bytes an event (address-event representation).

    byte 0       x, 0..33 from the left
    byte 1       y, 0..33 from the top
    bytes 2-4    big-endian: bit 23 polarity (1 = ON, brighter), bits 22..0 time in microseconds

A record with y = 240 is no event. It says that the clock passed 2^13 microseconds: that much is added to its own time
and to all that follow. The recordings of N-MNIST are too short to need it; the data set's own reader knows it.

Source of the format: Orchard et al., Frontiers in Neuroscience 9:437, 2015, and www.garrickorchard.com/datasets/n-mnist
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glifr.errors import InputError, Problem

SENSOR = 34  # pixels in a row and in a column
_RECORD = 5
_OVERFLOW_ROW, _OVERFLOW = 240, 1 << 13
_LATEST = (1 << 23) - 1
_AGAIN = "fetch this file again, or the whole data set"


@dataclass(frozen=True)
class Events:
    """The events of one recording, in the file's order.

    Attributes:
        x: Pixels from the left [E], 0..33.
        y: Pixels from the top [E], 0..33.
        on: Polarity [E].
        microseconds: Times [E].
    """

    x: NDArray[np.uint8]
    y: NDArray[np.uint8]
    on: NDArray[np.bool_]
    microseconds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.x)


def decode(raw: bytes, place: str) -> Events:
    """Reads the events in the bytes of a file.

    Args:
        raw: The bytes.
        place: The file, for error messages.

    Returns:
        The events.

    Raises:
        InputError: The file is empty or cut short, or an event lies outside the sensor.
    """
    if not raw or len(raw) % _RECORD:
        rule = "this event file is empty" if not raw else "this event file is cut short"
        raise InputError(Problem(rule, place, f"{len(raw)} bytes", "a multiple of 5 bytes, 5 an event", _AGAIN))
    records = np.frombuffer(raw, np.uint8).reshape(-1, _RECORD)
    wide = records[:, 2:].astype(np.int64)
    times = (wide[:, 0] & 0x7F) << 16 | wide[:, 1] << 8 | wide[:, 2]
    overflow = records[:, 1] == _OVERFLOW_ROW
    if overflow.any():
        times += _OVERFLOW * np.cumsum(overflow)
        records, times = records[~overflow], times[~overflow]
    _check_addresses(records, place)
    return Events(records[:, 0], records[:, 1], records[:, 2] >= 0x80, times)


def _check_addresses(records: NDArray[np.uint8], place: str) -> None:
    if not len(records):
        raise InputError(Problem("this event file has no event", place, todo=_AGAIN))
    if records[:, :2].max() < SENSOR:
        return
    number = int(np.flatnonzero((records[:, :2] >= SENSOR).any(1))[0])
    x, y = records[number, :2].tolist()
    found = f"event {number}: x {x}, y {y}"
    allowed = f"x and y from 0 to {SENSOR - 1}"
    raise InputError(Problem("this event file has an event outside the sensor", place, found, allowed, _AGAIN))


def encode(events: Events) -> bytes:
    """The file of these events. Raises ValueError for an address or a time that the format cannot hold."""
    if len(events) and (
        max(events.x.max(), events.y.max()) >= SENSOR
        or events.microseconds.min() < 0
        or events.microseconds.max() > _LATEST
    ):
        raise ValueError(f"events outside a sensor of {SENSOR} x {SENSOR} or times outside 0..{_LATEST} microseconds")
    records = np.empty((len(events), _RECORD), np.uint8)
    records[:, 0], records[:, 1] = events.x, events.y
    records[:, 2] = events.on.astype(np.uint8) << 7 | (events.microseconds >> 16).astype(np.uint8)
    records[:, 3] = (events.microseconds >> 8 & 0xFF).astype(np.uint8)
    records[:, 4] = (events.microseconds & 0xFF).astype(np.uint8)
    return records.tobytes()
