"""How many seeds would be enough: a number with its range, and none from few pairs."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from records_factory import Synthetic, write_study

from analysis import Assessment, assess, figures, load
from analysis import tables as sheets
from analysis.judgement.sample_size import more_seeds
from analysis.statistics.power import FEWEST, PairsNeeded, need, sd_interval, seeds_needed
from analysis.text import NOTHING

TWO = Synthetic(conditions=("Hom", "LHetA"), trials=0, silencing=False, epochs=2, levels={"Hom": 0.94, "LHetA": 0.94})


def judged(tmp_path: Path, seeds: int) -> Assessment:
    """Two conditions alike, and an effect of interest so small that no verdict is near."""
    results = load(write_study(tmp_path / "s", TWO.with_(seeds=seeds)))
    declared = replace(results.info.declaration, smallest_effect=0.001)
    return assess(replace(results, info=replace(results.info, declaration=declared)))


def test_the_interval_of_a_spread_covers_its_level() -> None:
    draws = np.random.default_rng(1).normal(0, 2, (40_000, 10)).std(axis=1, ddof=1)
    low, high = sd_interval(1.0, 10)
    assert sd_interval(3.0, 10) == pytest.approx((3 * low, 3 * high))
    assert np.mean((draws * low <= 2) & (draws * high >= 2)) == pytest.approx(0.95, abs=0.005)


def test_a_need_has_the_range_of_its_spread() -> None:
    """18 needed, as ten pairs have it: 11 to some 50. As three have it, it would be 9 to over 500."""
    sd, alpha = 0.00485, 0.05 / 12

    def enough(spread: float) -> int | None:
        return seeds_needed(0.005, spread, alpha)

    found = need(enough, sd, 10)
    assert found is not None
    assert (found.seen, found.low, found.high) == (18, 11, 48)
    assert enough(sd_interval(sd, 3)[1]) > 500  # type: ignore[operator]
    assert need(enough, sd, FEWEST - 1) is None
    assert need(enough, 0.0, 20) is None
    assert need(enough, 1.0, 20) == PairsNeeded(None, None, None)


@pytest.mark.parametrize("seeds", [3, 9])
def test_no_number_is_made_of_a_few_pairs(tmp_path: Path, seeds: int) -> None:
    a = judged(tmp_path, seeds)
    (reach,) = a.reaches
    assert (reach.pairs, reach.needed, reach.needed_for_equivalence) == (seeds, None, None)
    assert math.isnan(reach.power)
    assert math.isnan(reach.detectable)
    (row,) = sheets.power_sheet(a).rows
    assert [cell.text for cell in row[3:]] == [NOTHING] * 4
    assert isinstance(figures.FIGURES["power"](a), figures.MissingFigure)
    advice = more_seeds(a)
    assert f"known from {seeds} pairs at most" in advice.text
    assert advice.command.endswith("--set final.seeds=20")
    assert not re.search(r"\b(?!10\b|20\b)\d\d+", advice.text), "a number of seeds was told"


def test_from_ten_pairs_on_a_number_comes_with_its_range(tmp_path: Path) -> None:
    a = judged(tmp_path, 10)
    (reach,) = a.reaches
    assert reach.needed is not None
    assert reach.needed.low < reach.needed.seen < reach.needed.high  # type: ignore[operator]
    (row,) = sheets.power_sheet(a).rows
    assert (row[5].text, row[5].note) == (str(reach.needed.seen), f"{reach.needed.low} to {reach.needed.high}")
    figure = figures.FIGURES["power"](a)
    assert isinstance(figure, figures.Drawing)
    assert (figure.data["power_low"] <= figure.data["power"]).all()
    assert (figure.data["power"] <= figure.data["power_high"]).all()
    assert "from 0.69 to 1.83 times it" in figure.caption


@pytest.mark.parametrize("repeats", [4, 10])
def test_where_the_search_is_repeated_repeats_are_counted(tmp_path: Path, repeats: int) -> None:
    """20 seeds in 4 or 10 repeats: each new repeat takes as many final seeds as those before."""
    results = load(write_study(tmp_path / "s", TWO.with_(seeds=20, trials=4, confirm=1, repeats=repeats)))
    declared = replace(results.info.declaration, smallest_effect=0.001)
    advice = more_seeds(assess(replace(results, info=replace(results.info, declaration=declared))))
    asked = re.search(r" --set search\.repeats=(\d+) --set final\.seeds=(\d+)$", advice.command)
    assert asked is not None, advice
    assert int(asked.group(1)) > repeats
    assert int(asked.group(2)) == int(asked.group(1)) * 20 // repeats
    assert ("known from 4 pairs" in advice.text) == (repeats == 4)
    assert "repeats" in advice.text


def test_a_contrast_that_no_number_decides_hides_no_other(tmp_path: Path) -> None:
    study = TWO.with_(conditions=("RNN", "Hom", "LHetA"), seeds=12, levels={n: 0.94 for n in ("RNN", "Hom", "LHetA")})
    results = load(write_study(tmp_path / "s", study))
    seeds = results.tables["seeds"]
    apart = seeds["test_accuracy"] + (seeds["seed"] % 2 - 0.5) * 0.2
    wild = seeds["test_accuracy"].where(seeds["condition"] != "RNN", apart)
    tables = {**results.tables, "seeds": seeds.assign(test_accuracy=wild)}
    declared = replace(
        results.info.declaration, smallest_effect=0.001, contrasts=results.info.declaration.contrasts[:2]
    )
    a = assess(replace(results, tables=tables, info=replace(results.info, declaration=declared)))
    assert [r.needed.seen is None for r in a.reaches if r.needed] == [True, False]
    advice = more_seeds(a)
    assert "Inconclusive for want of seeds: Hom − LHetA. With" in advice.text
    assert "RNN − LHetA: more than 10,000 seeds" in advice.text
    assert re.search(r"final\.seeds=\d+$", advice.command)
