"""Pixel MNIST: an image of a digit is read one pixel a step, line by line, 784 steps; the class is read after the last.

Source: Winston et al., Neural Computation 35(4), 2023 (sequential MNIST, pixel by pixel, dt 0.05 ms).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glifr.tasks.digits import digits_task, normalised

if TYPE_CHECKING:
    from torch import Tensor


def decode(pixels: Tensor) -> Tensor:
    """uint8 images [B,28,28] -> normalised pixels [B,T=784,I=1], float32."""
    return normalised(pixels).flatten(1).unsqueeze(2)


PIXEL_MNIST = digits_task("pixel_mnist", "pixel-by-pixel MNIST", inputs=1, steps=784, decode=decode)
