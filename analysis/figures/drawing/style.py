"""How every figure looks: one colour and marker a condition, quiet axes, the same bytes from the same data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.colors import to_rgb
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, SymmetricalLogLocator

INK, MUTED, FAINT, GRID = "#1f2328", "#59636e", "#c9d1d9", "#e6e9ec"
WIDTH = 10.8  # inches: the report's column
BAND = 0.22  # opacity of a band
_WIDE = 50.0

_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "glifr",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def house_style() -> Iterator[None]:
    """The settings above on top of matplotlib's own defaults, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def edge(color: str) -> tuple[float, float, float]:
    """A darker shade of `color`, so that pale markers stand out from the paper."""
    red, green, blue = to_rgb(color)
    return 0.7 * red, 0.7 * green, 0.7 * blue


def quiet_y(axes: Axes) -> None:
    """A frame for rows of conditions: grid along x, no line on the left."""
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=9, labelcolor=INK)


def both_ways_log(axes: Axes, largest: float) -> bool:
    """Makes the vertical axis logarithmic both ways, linear between -1 and 1, if numbers go beyond 50; says whether."""
    if largest <= _WIDE:
        return False
    axes.set_yscale("symlog", linthresh=1.0)
    locator = SymmetricalLogLocator(base=10.0, linthresh=1.0)
    locator.set_params(numticks=7)
    axes.yaxis.set_major_locator(locator)
    return True


def log_axis(axis: XAxis | YAxis, *, decades: bool = False) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5, or at powers of ten alone (`decades`, or a wide range)."""
    axes = axis.axes
    low, high = axis.get_data_interval()
    (axes.set_xscale if isinstance(axis, XAxis) else axes.set_yscale)("log")
    wide = decades or (0 < low < high < math.inf and high / low > 200)
    axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
