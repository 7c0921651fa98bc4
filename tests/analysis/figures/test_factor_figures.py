"""What stands on the axes and beside the lines of the figures of factors."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.text import Text
from small_study import conduct, small_plan

from analysis import assess, load
from analysis.figures.drawing.drawing import Drawing
from analysis.figures.factors import factor_curves, factor_effects, factorial_interaction, with_unit
from analysis.judgement.assessment import Assessment
from glifr.records import Factor, Level

STUDY = """
name: small
reference: delay1-two
exploratory: true
conditions: {}
factors:
  delay: [0.5, 1.0, 2.0]
  currents: {none: {num_ascs: 0}, two: {num_ascs: 2}}
crossing: {base: LHetA, values: {hidden_size: 3, fixed: {learning_rate: 1.0e-3}}}
task: {name: sine}
training: {epochs: 1, batch_size: 6}
final: {seeds: 2}
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    folder = tmp_path_factory.mktemp("factors")
    assert conduct(small_plan(folder, text=STUDY), folder / "results").complete
    return assess(load(folder / "results"))


def test_an_ordered_factor_has_its_unit_on_the_axis(judged: Assessment) -> None:
    for figure in (factor_curves, factorial_interaction):
        drawn = figure(judged)
        assert isinstance(drawn, Drawing)
        assert drawn.figure.axes[0].get_xlabel() == "delay (ms)"
    effects = factor_effects(judged)
    assert isinstance(effects, Drawing)
    assert [axes.get_title(loc="left") for axes in effects.figure.axes] == ["delay (ms)", "currents"]


def test_what_has_no_unit_or_is_called_alike_has_none() -> None:
    numbers = tuple(Level(str(x), (), float(x)) for x in (1, 2, 3))
    assert with_unit(Factor("hidden_size", numbers)) == "hidden_size"
    named = (Level("short", ("a",), None), Level("long", ("b",), None))
    assert with_unit(Factor("delay", named)) == "delay"


def test_the_names_of_lines_touch_neither_dots_nor_bars_nor_each_other(judged: Assessment, tmp_path: Path) -> None:
    drawn = factorial_interaction(judged)
    assert isinstance(drawn, Drawing)
    figure = drawn.figure
    figure.savefig(tmp_path / "drawn.png")
    (axes,) = figure.axes
    boxes = [text.get_window_extent() for text in axes.texts if isinstance(text, Text) and text.get_text()]
    assert {text.get_text() for text in axes.texts} == {"none", "two"}
    marks = [axes.transData.transform(point) for line in axes.lines for point in line.get_xydata()]
    assert not [box for box in boxes for mark in marks if box.contains(*mark)]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))
    assert all(box.x1 <= axes.get_window_extent().x1 for box in boxes)
