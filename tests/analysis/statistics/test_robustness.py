"""Silencing: areas and half losses, of what they can be computed, and what is said where they cannot."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records_factory import Synthetic, write_study

from analysis import assess, figures, load
from analysis import tables as sheets
from analysis.measure import Measure
from analysis.statistics.robustness import per_network, silenced_networks

ACCURACY = Measure("test_accuracy", "test accuracy", 100.0, "%", "points", 2, True, 0.1)
LOSS = Measure("test_loss", "test loss", 1.0, "", "", 4, False, 0.4)
SHARES = (0.0, 0.25, 0.5, 1.0)


def silenced(measure: Measure, *curves: tuple[float, ...]) -> pd.DataFrame:
    """A network, of seed 1, 2 ..., for each curve over SHARES; three masks each."""
    rows = [
        ("A", seed, share, mask, value)
        for seed, curve in enumerate(curves, 1)
        for share, value in zip(SHARES, curve, strict=True)
        for mask in range(3)
    ]
    frame = pd.DataFrame(rows, columns=["condition", "seed", "fraction", "mask", measure.column])
    return silenced_networks(frame, measure).set_index("seed")


def test_area_and_half_loss_of_a_straight_line() -> None:
    (found,) = silenced(ACCURACY, (0.9, 0.7, 0.5, 0.1)).to_dict("records")
    assert found["area"] == pytest.approx(0.5)
    assert found["half_loss"] == pytest.approx(0.5)
    assert found["reason"] == ""


def test_a_network_near_chance_has_no_share_of_anything() -> None:
    """One image more than chance, intact: its area would count in multiples of that image."""
    found = silenced(ACCURACY, (0.1, 0.1, 0.1, 0.1), (0.12, 0.1, 0.14, 0.09), (0.05, 0.1, 0.1, 0.1))
    assert found["area"].isna().all()
    assert found["half_loss"].isna().all()
    assert set(found["reason"]) == {"near chance"}


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4))
def test_the_area_of_an_accuracy_is_between_none_and_all(curve: list[float]) -> None:
    (found,) = silenced(ACCURACY, tuple(curve)).to_dict("records")
    assert math.isnan(found["area"]) == (found["reason"] != "")
    assert math.isnan(found["area"]) or 0 <= found["area"] <= 1
    assert math.isnan(found["half_loss"]) or 0 < found["half_loss"] <= 1


def test_a_loss_has_its_mean_over_the_shares() -> None:
    """Silenced networks do far worse than chance: normalised, the area would be -1.87 of 'chance 0, intact 1'."""
    curve = (0.01, 0.9, 1.6, 1.5)
    found = silenced(LOSS, curve, (0.39, 0.4, 0.5, 0.4), (0.01, 0.02, 0.02, 0.03))
    assert found.loc[1, "area"] == pytest.approx(np.trapezoid(curve, SHARES))
    assert found.loc[1, "half_loss"] == pytest.approx(0.25 * 0.195 / 0.89)
    assert found.loc[2, "area"] == pytest.approx(0.43625)
    assert (math.isnan(found.loc[2, "half_loss"]), found.loc[2, "reason"]) == (True, "near chance")
    assert (math.isnan(found.loc[3, "half_loss"]), found.loc[3, "reason"]) == (True, ""), "it never loses half"


@pytest.mark.parametrize("measure", [ACCURACY, LOSS])
def test_what_cannot_be_computed_says_why(measure: Measure) -> None:
    found = silenced(measure, (0.9, math.inf, 0.5, 0.1), (0.01, 0.5, math.nan, 0.1))
    assert set(found["reason"]) == {"a value is not finite"}
    rows = pd.DataFrame({"condition": "A", "seed": 1, "fraction": [0.5, 1.0], "mask": 0, measure.column: [0.4, 0.1]})
    assert silenced_networks(rows, measure)["reason"].tolist() == ["needs the intact network and a silenced share"]


def test_masks_are_averaged_within_their_network_first() -> None:
    """Unequal numbers of masks must not weigh a network: ten masks of one network are no ten samples."""
    rows = [("A", 1, 0.5, mask, 0.2) for mask in range(10)] + [("A", 2, 0.5, 0, 0.6)]
    frame = pd.DataFrame(rows, columns=["condition", "seed", "fraction", "mask", "test_accuracy"])
    found = per_network(frame, "test_accuracy")
    assert len(found) == 2
    assert found["value"].mean() == pytest.approx(0.4)


SMALL = Synthetic(conditions=("Hom", "LHetA"), reference="LHetA", seeds=6, trials=0, epochs=2, masks=2)


def test_table_and_figure_of_a_loss_claim_no_normalised_area(tmp_path: Path) -> None:
    a = assess(load(write_study(tmp_path / "s", SMALL.with_(accuracy=False, held_out=False))))
    sheet, figure = sheets.silencing_sheet(a, []), figures.FIGURES["silencing_area"](a)
    assert isinstance(figure, figures.Drawing)
    shown = [h.group for h in sheet.heads]
    assert "Mean test loss over the shares" in shown
    for words in (sheet.caption, figure.caption):
        assert "0.5" not in words
        assert "(lower is better)" in words
    own = a.silenced[a.silenced["condition"] == "Hom"]["area"]
    assert sheet.rows[0][1].text == f"{own.mean():.4f}"


def test_table_and_figure_count_the_networks_near_chance(tmp_path: Path) -> None:
    a = assess(load(write_study(tmp_path / "s", SMALL.with_(levels={"Hom": 0.11}))))
    hom, reference = sheets.silencing_sheet(a, []).rows
    assert (hom[1].text, hom[4].text, hom[4].note) == ("\N{EN DASH}", "0", "6 not computable: near chance")
    assert (reference[4].text, reference[4].note) == ("6", "")
    figure = figures.FIGURES["silencing_area"](a)
    assert isinstance(figure, figures.Drawing)
    assert "6 networks not computable: near chance." in figure.caption
    assert re.search(r"n = 0 to 6|n = 6", figure.caption)
    nothing = assess(load(write_study(tmp_path / "n", SMALL.with_(levels={"Hom": 0.11, "LHetA": 0.11}))))
    empty = figures.FIGURES["silencing_area"](nothing)
    assert isinstance(empty, figures.MissingFigure)
    assert "near chance" in empty.why
