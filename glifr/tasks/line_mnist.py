"""Line MNIST: an image of a digit is read one line per step, 28 steps of 28 pixels; the class is read after the last.

Source: Winston et al., Neural Computation 35(4), 2023 (sequential MNIST, line by line, dt 0.05 ms).
"""

from __future__ import annotations

from glifr.tasks.digits import digits_task, normalised

LINE_MNIST = digits_task("line_mnist", "line-by-line MNIST", inputs=28, steps=28, decode=normalised)
