"""From events to what the network reads, and how that is stored: one bit for each step, polarity and pixel.

Step t = 0..14 is the millisecond from t to t + 1 of the recording, and an input is 1 where its pixel had at least one
event of its polarity in it, else 0. Input number p * 34 * 34 + y * 34 + x, with p = 0 for OFF and 1 for ON.

So the network sees the first 15 ms of a recording of some 300 ms. That is what the published runs did (15 steps, each
of 1 ms of the recording, each pixel 0 or 1), and why their test accuracy is near 88 %, far below what the whole
recording allows. Steps of 1 ms are then also the network's own time step, so neurons live in the recording's time.

Stored: the 15 * 2312 = 34,680 bits of a recording packed in 4,335 bytes, bit i in byte i // 8 at place i % 8. So all
70,000 recordings are 303 MB; as bytes they would be 2.4 GB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glifr.tasks.aer import SENSOR, Events

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 15
INPUTS = 2 * SENSOR * SENSOR
STORED = STEPS * INPUTS // 8  # bytes a recording
MICROSECONDS = 1000  # a step
VERSION = 1  # of all this, for what is kept on disk: raise it when a recording's bits change


def pack(events: Events) -> NDArray[np.uint8]:
    """Events of one recording -> its bits [4335]."""
    seen = events.microseconds < STEPS * MICROSECONDS
    step = events.microseconds[seen] // MICROSECONDS
    pixel = events.y[seen].astype(np.int64) * SENSOR + events.x[seen]
    bits = np.zeros(STEPS * INPUTS, np.uint8)
    bits[step * INPUTS + events.on[seen] * (SENSOR * SENSOR) + pixel] = 1
    return np.packbits(bits, bitorder="little")


def decode(packed: Tensor) -> Tensor:
    """Bits [B,4335] uint8 -> inputs [B,T=15,I=2312] float32, 0 or 1, on the device of the bits."""
    import torch

    places = torch.arange(8, dtype=torch.uint8, device=packed.device)
    bits = (packed.unsqueeze(2) >> places).bitwise_and_(1)
    return bits.to(torch.float32).view(len(packed), STEPS, INPUTS)
