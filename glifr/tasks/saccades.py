"""Synthetic recordings: what an event camera would see if it looked at images of digits in three saccades.

This is a simulation, not N-MNIST. As there, a sensor of 34 x 34 pixels moves in a triangle, 105 ms a side: the image
goes 3.5 pixels right and 7 down, 3.5 right and 7 up, 7 left. Each side starts and ends at rest (half a cosine), so each
has a burst of events in its middle. A pixel sees the logarithm of its brightness, ln(0.2 + pixel / 255) between pixels
of the image interpolated linearly, and makes an event each time this has moved by its threshold since its last event:
0.4, with a spread of 3 % between pixels that is the same in all recordings. Each pixel also makes events of its own,
0.5 a second of either polarity at random. Brightness is computed each millisecond; times within it are interpolated.

What it leaves out: the screen's refresh, latency, pixels that rest after an event, the motor's jitter.

The motion is that of Orchard et al., Frontiers in Neuroscience 9:437, 2015. A recording depends on its image and its
number alone; a shorter one is the beginning of a longer one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glifr.tasks.aer import SENSOR, Events

DURATION = 315  # ms
_SACCADE = 105  # ms
_CORNERS = ((0.0, 0.0), (3.5, 7.0), (7.0, 0.0), (0.0, 0.0))  # right, down, in pixels
_REACH = 8  # pixels of dark around the image: more than it is moved
_DARK, _THRESHOLD, _SPREAD = 0.2, 0.4, 0.03
_NOISE = 0.5e-3  # events a pixel and ms
_AT_ONCE = 200  # recordings: what is worked on fits a cache
_SEED = 34_000
_LEVELS = 4095  # brightness is rounded to so many: their logarithms are the same on every machine, and fast
_LOGARITHMS = np.array([math.log(_DARK + level / _LEVELS) for level in range(_LEVELS + 1)], np.float32)

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]


def place(millisecond: float) -> tuple[float, float]:
    """How far the image lies right and down of where it began, in pixels."""
    side = min(int(millisecond // _SACCADE), 2)
    share = (1 - math.cos(math.pi * min(millisecond / _SACCADE - side, 1.0))) / 2
    (x0, y0), (x1, y1) = _CORNERS[side], _CORNERS[side + 1]
    return x0 + share * (x1 - x0), y0 + share * (y1 - y0)


def record(pixels: NDArray[np.uint8], numbers: Whole, duration: int = DURATION) -> list[Events]:
    """Records images.

    Args:
        pixels: Images [N,28,28], 0..255.
        numbers: Numbers of the recordings [N]; what is random in a recording comes from its number.
        duration: Length of a recording [ms].

    Returns:
        The recordings, events in order of time.
    """
    recordings: list[Events] = []
    for begin in range(0, len(pixels), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        recordings += _record(pixels[part], numbers[part], duration)
    return recordings


class _Found(NamedTuple):
    """Events of several recordings, E in all: recording, pixel (0..1155), sign (-1 or 1) and microseconds, each [E]."""

    recording: Whole
    pixel: Whole
    sign: Whole
    microseconds: Whole


def _record(pixels: NDArray[np.uint8], numbers: Whole, duration: int) -> list[Events]:
    found = _crossings(pixels, duration) + _noise(numbers, duration)
    recording, pixel, sign, microseconds = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((pixel, microseconds, recording))
    borders = np.searchsorted(recording[order], np.arange(1, len(pixels)))
    return [
        Events(
            (pixel[own] % SENSOR).astype(np.uint8),
            (pixel[own] // SENSOR).astype(np.uint8),
            sign[own] > 0,
            microseconds[own],
        )
        for own in np.split(order, borders)
    ]


def _crossings(pixels: NDArray[np.uint8], duration: int) -> list[_Found]:
    """The events that the image's motion makes, those of each millisecond together."""
    mismatch = np.random.Generator(np.random.PCG64(_SEED)).standard_normal(SENSOR * SENSOR)
    threshold = np.tile(_THRESHOLD * (1 + _SPREAD * mismatch), (len(pixels), 1)).astype(np.float32)
    scene = np.pad(pixels.astype(np.float32) / np.float32(255), ((0, 0), (_REACH, _REACH), (_REACH, _REACH)))
    before = _brightness(scene, 0)
    reference = before.copy()
    found = []
    for millisecond in range(1, duration + 1):
        now = _brightness(scene, millisecond)
        crossed = np.trunc((now - reference) / threshold).astype(np.int64)
        recording, pixel = np.nonzero(crossed)
        count = crossed[recording, pixel]
        which = np.repeat(np.arange(len(count)), np.abs(count))
        # the first, second, ... threshold that this pixel crossed in this millisecond
        nth = np.arange(len(which)) - np.repeat(np.cumsum(np.abs(count)) - np.abs(count), np.abs(count)) + 1
        sign = np.sign(count)[which]
        at = (recording[which], pixel[which])
        level = reference[at] + sign * nth * threshold[at]
        moved = now[at] - before[at]  # 0 only where rounding has put off a crossing
        share = np.clip(np.divide(level - before[at], moved, out=np.ones_like(moved), where=moved != 0), 0, 1)
        found.append(_Found(*at, sign, (1000 * (millisecond - 1 + share)).astype(np.int64)))
        reference[recording, pixel] += count * threshold[recording, pixel]
        before = now
    return found


def _brightness(scene: Floats, millisecond: float) -> Floats:
    """Scene [N,28+2*8,28+2*8] -> logarithm of what each pixel of the sensor sees [N,1156]."""
    right, down = place(millisecond)
    column, row = int(right), int(down)
    seen = np.zeros((len(scene), SENSOR, SENSOR), np.float32)
    for rows, row_weight in ((row, 1 - (down - row)), (row + 1, down - row)):
        for columns, column_weight in ((column, 1 - (right - column)), (column + 1, right - column)):
            top, left = _REACH - rows, _REACH - columns
            seen += np.float32(row_weight * column_weight) * scene[:, top : top + SENSOR, left : left + SENSOR]
    return _LOGARITHMS[(seen * _LEVELS + 0.5).astype(np.int16)].reshape(len(scene), -1)


def _noise(numbers: Whole, duration: int) -> list[_Found]:
    """The events that pixels make of their own, recording by recording."""
    found = []
    for recording, number in enumerate(numbers.tolist()):
        generator = np.random.Generator(np.random.PCG64([_SEED, number]))
        # always of a whole recording, then cut, so that a shorter one is the beginning of it
        count = generator.poisson(_NOISE * DURATION * SENSOR * SENSOR)
        microseconds = generator.integers(1000 * DURATION, size=count)
        pixel = generator.integers(SENSOR * SENSOR, size=count)
        sign = 2 * generator.integers(2, size=count) - 1
        kept = microseconds < 1000 * duration
        found.append(_Found(np.full(kept.sum(), recording), pixel[kept], sign[kept], microseconds[kept]))
    return found
