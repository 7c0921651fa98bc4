"""Factors: the effect of each, the curves of ordered ones, and how they act together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.drawing.drawing import Drawing, MissingFigure, axis_note, new_figure
from analysis.figures.drawing.rows import Row, scatter
from analysis.figures.drawing.style import BAND, INK, MUTED, WIDTH, log_axis
from analysis.judgement.assessment import Assessment
from analysis.judgement.missing_data import CONTINUE
from analysis.results.study import ConditionInfo
from analysis.statistics.factorial import Design, Term, curve_band, level_values
from analysis.statistics.intervals import SHOWN_FROM, t_interval
from analysis.text import count, listed, span
from glifr.conditions import UNITS, own_style
from glifr.records import Factor

_LINES = ("-", (0, (5, 3)), (0, (1, 1.6)), (0, (7, 2, 1, 2)))
_BESIDE, _LETTER, _NAME_HEIGHT = 0.36, 0.03, 0.075  # of names beside lines: in places of levels; a share of the height
_Drawn = tuple[object, ...]  # a row of the data of a figure
_NO_FACTORS = "Declare under 'factors' in the study file what its conditions cross; docs/own_study.md shows how."


@dataclass(frozen=True)
class _Values:
    """What the figures draw: one row per unit, as shown, without diverged networks; how many these are."""

    design: Design
    shown: pd.DataFrame
    left_out: int

    @property
    def single(self) -> list[Term]:
        """The factors that can be looked at by themselves."""
        alone = (term for term in self.design.terms if not term.interaction)
        return [term for term in alone if len(level_values(self.shown, term))]

    @property
    def words(self) -> str:
        """What a caption says of diverged networks."""
        lost = count(self.left_out, "diverged network")
        return f" {lost} left out, which the table counts." if self.left_out else ""


def _values(a: Assessment) -> _Values | tuple[str, str]:
    """The values of the factorial's cells; or why there are none, and what to do."""
    design, measure = a.factorial.design, a.results.info.measure
    if design is None or not a.factorial.effects:
        return f"No factorial: {a.factorial.reason}.", _NO_FACTORS
    names = list(design.conditions)
    shown = a.results.unit_values(without_diverged=True)[names] * measure.scale
    if not shown.notna().any().all():
        return "A condition has only diverged networks.", "See the table of effects."
    return _Values(design, shown, int(a.results.diverged_finals()[names].to_numpy().sum()))


def factor_effects(a: Assessment) -> Drawing | MissingFigure:
    """The mean of each level of each factor with its units as dots, a panel a factor."""
    info, measure = a.results.info, a.results.info.measure
    name, title = "factor_effects", "The factors one by one"
    found = _values(a)
    if isinstance(found, tuple):
        return MissingFigure(name, title, *found)
    terms = found.single
    if not terms:
        return MissingFigure(name, title, f"No {info.unit} has all cells of a factor.", CONTINUE)
    figure = new_figure(min(WIDTH, 1.2 + 3.2 * len(terms)), 3.2)
    panels = np.atleast_1d(figure.subplots(1, len(terms), sharey=True))
    rows: list[_Drawn] = []
    for panel, term in zip(panels, terms, strict=True):
        rows += _effect_panel(panel, term, level_values(found.shown, term))
    panels[0].set_ylabel(measure.axis)
    data = pd.DataFrame(rows, columns=["factor", "level", "n", "mean", "low", "high"])
    caption = (
        f"{measure.label.capitalize()} ({measure.direction}) at each level of each factor, the mean over the cells of "
        f"the others. Small dots: the {info.unit}s (n = {span(data['n'].tolist())}), a line joins the levels of one; "
        f"what varied is {info.varied}. {_bar_words(data['n'].tolist(), info.unit)} The lines of the {info.unit}s show "
        f"what the tests go by: whether they rise or fall together.{info.conditional_sentence}{found.words}"
        f"{axis_note(*panels[0].get_ylim())}"
    )
    words = f"Mean {measure.label} by level of {listed([term.name for term in terms])}"
    return Drawing(name, title, words, caption, figure, data)


def _effect_panel(axes: Axes, term: Term, values: pd.DataFrame) -> list[_Drawn]:
    (factor,) = term.factors
    color, _ = own_style(0)
    places = np.arange(len(factor.levels))
    axes.plot(places, values.to_numpy().T, color=MUTED, lw=0.6, alpha=0.45, zorder=1)
    rows: list[_Drawn] = []
    for place, level in enumerate(factor.levels):
        own = values[level.name].to_numpy(dtype=np.float64)
        low, mean, high = _bar(own)
        axes.plot(np.full(len(own), place), own, ".", color=color, ms=4, alpha=0.55, zorder=2)
        axes.plot([place + 0.14] * 2, [low, high], color=color, lw=2.4, solid_capstyle="butt", zorder=3)
        axes.plot([place + 0.14], [mean], marker="o", color=color, ms=6.5, mec="white", zorder=4)
        rows.append((factor.name, level.name, len(own), mean, low, high))
    axes.set_title(f"{with_unit(factor)}{f' ({term.at})' if term.at else ''}", loc="left", color=INK)
    axes.set_xticks(places, [level.name for level in factor.levels])
    axes.set_xlim(-0.4, len(places) - 0.4)
    axes.grid(axis="y")
    return rows


def _bar(values: np.ndarray) -> tuple[float, float, float]:
    """Low end, mean and high end of the 95 % interval; below `SHOWN_FROM` values of their range."""
    t = t_interval(values)
    if t.n >= SHOWN_FROM and np.isfinite(t.low):
        return t.low, t.mean, t.high
    return float(values.min()), t.mean, float(values.max())


def _bar_words(sizes: Sequence[int], unit: str) -> str:
    few = f"Bar: their range (below {SHOWN_FROM} {unit}s no interval is drawn)."
    return "Bar: 95 % t interval of the mean." if min(sizes, default=0) >= SHOWN_FROM else few


def factor_curves(a: Assessment) -> Drawing | MissingFigure:
    """The curve over the levels of each ordered factor, with its band and the units as dots."""
    info, measure = a.results.info, a.results.info.measure
    name, title = "factor_curves", "Curves over ordered factors"
    found = _values(a)
    if isinstance(found, tuple):
        return MissingFigure(name, title, *found)
    terms = [term for term in found.single if term.factors[0].ordered]
    if not terms:
        why = "No factor of the study has more than two numbers as its levels."
        return MissingFigure(name, title, why, "Give a factor three levels or more, as delay: [0.5, 1.0, 2.0].")
    figure = new_figure(min(WIDTH, 1.2 + 4.0 * len(terms)), 3.4)
    panels = np.atleast_1d(figure.subplots(1, len(terms), sharey=True))
    rows: list[_Drawn] = []
    for panel, term in zip(panels, terms, strict=True):
        rows += _curve(panel, term, level_values(found.shown, term))
    panels[0].set_ylabel(measure.axis)
    data = pd.DataFrame(rows, columns=["factor", "level", "value", "n", "mean", "low", "high"])
    few = int(data["n"].min()) < SHOWN_FROM
    band = (
        f"no band below {SHOWN_FROM} {info.unit}s" if few else "band: 95 %, of the whole curve (Bonferroni over levels)"
    )
    caption = (
        f"{measure.label.capitalize()} ({measure.direction}) over the numbers of each ordered factor, the mean over "
        f"the cells of the other factors; {band}. Dots: the {info.unit}s (n = {span(data['n'].tolist())}); what varied "
        f"is {info.varied}. The straight line is the trend that is tested.{info.conditional_sentence}{found.words}"
        f"{axis_note(*panels[0].get_ylim())}"
    )
    words = f"{measure.label.capitalize()} against {listed([term.name for term in terms])}"
    return Drawing(name, title, words, caption, figure, data)


def _curve(axes: Axes, term: Term, values: pd.DataFrame) -> list[_Drawn]:
    """One curve of the levels' means over their numbers, with the straight line through them."""
    (factor,) = term.factors
    color, _ = own_style(0)
    x, y = np.array(factor.numbers), values.to_numpy(dtype=np.float64)
    center = y.mean(axis=0)
    if factor.scale == "log":
        log_axis(axes.xaxis)
        axes.set_xscale("log")
    at, ends = (np.log(x), np.log(x[[0, -1]])) if factor.scale == "log" else (x, x[[0, -1]])
    slope = np.polyfit(at, center, 1)
    axes.plot(x[[0, -1]], np.polyval(slope, ends), color=MUTED, lw=1, ls=(0, (5, 3)), zorder=1)
    low, high = np.array([curve_band(level, len(x)) for level in y.T]).T
    if len(y) >= SHOWN_FROM and np.isfinite([low, high]).all():
        axes.fill_between(x, low, high, color=color, alpha=BAND, lw=0, zorder=1)
    axes.plot(x, center, color=color, marker="o", ms=6.5, mec="white", lw=1.7, zorder=4)
    for place, level in zip(x, y.T, strict=True):
        axes.plot(np.full(len(level), place), level, ".", color=color, ms=4, alpha=0.5, zorder=2)
    axes.set_xticks(x, [level.name for level in factor.levels])
    axes.minorticks_off()
    axes.set_xlabel(f"{with_unit(factor)}{f' ({term.at})' if term.at else ''}")
    axes.grid(axis="y")
    names = [level.name for level in factor.levels]
    return list(zip([factor.name] * len(x), names, x, [len(y)] * len(x), center, low, high, strict=True))


def factorial_interaction(a: Assessment) -> Drawing | MissingFigure:
    """Means of the cells against the first factor, a line a level of the second, a panel a level of the others."""
    info, measure = a.results.info, a.results.info.measure
    name, title = "factorial_interaction", "How the factors act together"
    found = _values(a)
    if isinstance(found, tuple):
        return MissingFigure(name, title, *found)
    if len(found.design.factors) < 2:
        todo = "Cross it with a second one to see how they act together."
        return MissingFigure(name, title, "The study has one factor.", todo)
    first, second, *others = found.design.factors
    ways = [way for way in product(*(f.levels for f in others)) if _cells(found.design, tuple(w.name for w in way))]
    columns = min(3, len(ways))
    width = min(WIDTH, 1.2 + 2.4 * columns * (1 + len(first.levels) / 4))
    figure = new_figure(width, 0.4 + 3.1 * -(-len(ways) // columns))
    grid = np.atleast_1d(figure.subplots(-(-len(ways) // columns), columns, sharey=True, squeeze=False)).ravel()
    for empty in grid[len(ways) :]:
        empty.remove()
    panels, rows = list(grid[: len(ways)]), []
    by_name, names = {c.name: c for c in info.conditions}, {}
    for panel, way in zip(panels, ways, strict=True):
        cells = _cells(found.design, tuple(level.name for level in way))
        ends: list[tuple[str, float]] = []
        for line in range(len(second.levels)):
            level, middle = second.levels[line].name, (len(second.levels) - 1) / 2
            own = {p[0]: by_name[c] for p, c in cells.items() if p[1] == level}
            drawn = _line(panel, first, own, found.shown, line - middle, line)
            rows += drawn
            ends += [(level, float(str(drawn[-1][3])))] if drawn else []
        panel.set_title(", ".join(f"{f.name} {x.name}" for f, x in zip(others, way, strict=True)), loc="left")
        panel.set_xticks(range(len(first.levels)), [level.name for level in first.levels])
        panel.set_xlabel(with_unit(first))
        panel.set_xlim(-0.4, len(first.levels) - 0.35)
        panel.grid(axis="y")
        names[panel] = ends
    for panel, ends in names.items():  # once all panels have their common limits
        _name_lines(panel, ends, len(first.levels) - 1)
    panels[0].set_ylabel(measure.axis)
    data = pd.DataFrame(rows, columns=["condition", first.name, "n", "mean", "low", "high"])
    lines = listed([f"{_LINE_WORDS[i % len(_LINES)]} {level.name}" for i, level in enumerate(second.levels)])
    caption = (
        f"Mean over {info.unit}s (n = {span(data['n'].tolist())} per condition). Small dots: the {info.unit}s. "
        f"{_bar_words(data['n'].tolist(), info.unit)} Lines, {second.name}: {lines}. Lines that are not parallel are "
        f"an interaction.{info.conditional_sentence}{found.words}{axis_note(*panels[0].get_ylim())}"
    )
    words = (
        f"Means of {count(len(found.design.cells), 'condition')} by {listed([f.name for f in found.design.factors])}"
    )
    return Drawing(name, title, words, caption, figure, data)


_LINE_WORDS = ("full", "dashed", "dotted", "dash-dotted")


def _cells(design: Design, way: tuple[str, ...]) -> dict[tuple[str, str], str]:
    """The conditions at these levels of the third factor and further ones, by their levels of the first two."""
    return {(place[0], place[1]): name for place, name in design.cells.items() if place[2:] == way}


def _line(
    axes: Axes, first: Factor, cells: dict[str, ConditionInfo], values: pd.DataFrame, side: float, line: int
) -> list[_Drawn]:
    """One line of means. side: of the middle, to keep the lines apart."""
    rows: list[_Drawn] = []
    ends: list[tuple[float, float]] = []
    shift = 0.07 * side
    for place, level in enumerate(first.levels):
        condition = cells.get(level.name)
        if condition is None:
            continue
        own = values[condition.name].dropna().to_numpy(dtype=np.float64)
        low, mean, high = _bar(own)
        x, away = place + shift, 0.16 if side > 0 else -0.16
        jitter = x + away + 0.06 * (((np.arange(len(own)) * 0.618034) % 1.0) - 0.5)
        axes.plot(jitter, own, ".", color=condition.style.color, ms=3.5, alpha=0.55, zorder=1)
        axes.plot([x, x], [low, high], color=condition.style.color, lw=2, zorder=2)
        scatter(axes, Row(condition.name, condition.style), np.array([x]), np.array([mean]), np.array([False]))
        rows.append((condition.name, level.name, len(own), mean, low, high))
        ends.append((x, mean))
    if ends:
        axes.plot(*zip(*ends, strict=True), color=MUTED, lw=1.1, ls=_LINES[line % len(_LINES)], zorder=1)
    return rows


def _name_lines(axes: Axes, ends: list[tuple[str, float]], last: int) -> None:
    """The lines' names beside their ends, to the right of all dots, one above the other where they would touch.

    Args:
        axes: Where they are drawn.
        ends: Name and last mean of each line.
        last: Place of the last level.
    """
    low, high = axes.get_ylim()
    gap, before = _NAME_HEIGHT * (high - low), -np.inf
    for name, mean in sorted(ends, key=lambda end: end[1]):
        before = max(mean, before + gap)
        axes.text(last + _BESIDE, before, name, va="center", fontsize=7.5, color=INK)
    longest = max((len(name) for name, _ in ends), default=0)
    axes.set_xlim(-0.4, last + _BESIDE + _LETTER * longest * (last + 1))


def with_unit(factor: Factor) -> str:
    """A factor's name for an axis: with its unit, as "delay (ms)"."""
    unit = UNITS.get(factor.name) if factor.ordered else None
    return f"{factor.name} ({unit})" if unit else factor.name
