"""Conditions that are numerically one network: found in the results and in study.json, named, and no findings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from published_study import with_values
from records_factory import Synthetic, study_body, write_study

from analysis import Results, assess, load, report_warnings
from analysis import tables as sheets
from analysis.judgement.alike import FEWEST, alike_pairs, averaging, no_finding, repeated, representatives
from analysis.judgement.findings import findings
from glifr.conditions import CONDITIONS
from glifr.records import Contrast, InputError, Layout, pair, published_factors, seal

PLAIN = Synthetic(conditions=("RNN", "Hom", "HomA", "LHetA"), seeds=10, trials=0, silencing=False, epochs=2)
PAIR = (("Hom", "HomA"),)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load(write_study(tmp_path_factory.mktemp("plain") / "study", PLAIN))


def of_one_network(results: Results, images: float = 3, losses: float = 2e-4, seeds: int = 10) -> Results:
    """As `published_line_mnist` came out: HomA's results are Hom's, but for some images of 10,000 and of the loss."""
    rng = np.random.default_rng(5)
    rows = results.finals[["condition", "seed", "test_accuracy", "test_loss"]]
    spread = np.array([0.3, -1.1, 1.2, -0.4, 0.9, -1.6, 0.1, 1.5, -0.7, -0.2])
    hom = pd.DataFrame({"condition": "Hom", "seed": range(1, 11), "test_accuracy": (0.935 + 0.0026 * spread).round(4)})
    hom["test_loss"] = 0.22 + 0.005 * spread + 0.001 * rng.normal(0, 1, 10)
    moved = np.resize([images, 0, -images, 0], 10) / 10_000
    noise = np.resize([losses, -losses, 0], 10)
    twin = hom.assign(condition="HomA", test_accuracy=hom.test_accuracy + moved, test_loss=hom.test_loss + noise)
    others = rows[~rows.condition.isin(["Hom", "HomA"])]
    values = pd.concat([others, hom, twin])
    study = replace(results.info, task=replace(results.info.task, splits={"train": 60_000, "test": 10_000}))
    return with_values(replace(results, info=study), values[values.seed <= seeds])


def test_different_networks_of_the_same_seeds_are_not_alike(plain: Results) -> None:
    assert alike_pairs(assess(plain)) == ()


@pytest.mark.parametrize("images", [0, 5])
def test_results_that_differ_by_a_few_images_are_of_one_network(plain: Results, images: int) -> None:
    (found,) = assess(of_one_network(plain, images)).alike
    assert (found.pair, found.at_start, found.in_results, found.seeds) == (("Hom", "HomA"), False, True, 10)
    assert found.largest == pytest.approx(images / 10_000)


@pytest.mark.parametrize(("images", "losses"), [(12, 2e-4), (3, 2e-3)], ids=["accuracy", "loss"])
def test_one_measure_that_tells_them_apart_is_enough(plain: Results, images: int, losses: float) -> None:
    assert assess(of_one_network(plain, images, losses)).alike == ()


def test_too_few_seeds_say_nothing(plain: Results) -> None:
    assert assess(of_one_network(plain, seeds=FEWEST - 1)).alike == ()
    assert alike_pairs(assess(of_one_network(plain, seeds=FEWEST))) == PAIR


def test_the_published_runs_with_their_own_seeds_are_not_alike(plain: Results) -> None:
    """Hom and HomA again, each with seeds of its own: then nothing shows that they are one network."""
    mixed = of_one_network(plain)
    seeds = mixed.tables["seeds"].copy()
    own = seeds.index[seeds["condition"] == "HomA"]
    for column in ("test_accuracy", "test_loss"):
        seeds.loc[own, column] = np.roll(seeds.loc[own, column], 1)
    assert assess(replace(mixed, tables={**mixed.tables, "seeds": seeds})).alike == ()


def test_networks_at_a_ceiling_are_not_alike(plain: Results) -> None:
    """Every network within an image or two of every other: nothing is much larger than the rounding."""
    rng = np.random.default_rng(3)
    rows = plain.finals[["condition", "seed"]].copy()
    rows["test_accuracy"] = 0.999 + rng.integers(0, 4, len(rows)) / 10_000
    rows["test_loss"] = np.nan
    assert assess(with_values(plain, rows)).alike == ()


def test_networks_that_all_diverged_are_not_alike(plain: Results) -> None:
    seeds = plain.tables["seeds"].assign(diverged=True, test_accuracy=0.1, test_loss=2.303)
    assert assess(replace(plain, tables={**plain.tables, "seeds": seeds})).alike == ()


def test_losses_of_one_network(tmp_path: Path) -> None:
    """As `published_sine` came out: differences of 1e-5 beside a spread of 0.0075."""
    study = PLAIN.with_(accuracy=False)
    results = load(write_study(tmp_path / "sine", study))
    rows = results.finals[["condition", "seed", "test_accuracy", "test_loss"]]
    hom = rows[rows.condition == "Hom"].assign(condition="HomA")
    twin = hom.assign(test_loss=hom.test_loss + np.resize([8e-6, -5e-6], len(hom)))
    values = pd.concat([rows[rows.condition != "HomA"], twin])
    assert alike_pairs(assess(with_values(results, values))) == PAIR


def recorded(root: Path, alike: Any) -> Results:
    write_study(root, PLAIN)
    Layout(root).study.write_bytes(seal({**study_body(PLAIN), "alike": alike}))
    return load(root)


def test_what_the_launcher_saw_at_the_start_counts_whatever_the_results(tmp_path: Path) -> None:
    (found,) = assess(recorded(tmp_path / "s", [["HomA", "Hom"], ["Hom", "nobody"]])).alike
    assert (found.pair, found.at_start, found.in_results) == (("Hom", "HomA"), True, False)


@pytest.mark.parametrize("damaged", [[["Hom"]], [7], 7])
def test_a_record_that_is_no_pair_is_refused(tmp_path: Path, damaged: Any) -> None:
    with pytest.raises(InputError, match=r"study\.json is not what this version writes"):
        recorded(tmp_path / "s", damaged)


def test_alike_conditions_are_one_in_a_contrast() -> None:
    assert representatives([("Hom", "HomA"), ("HomA", "LHet")]) == dict.fromkeys(("Hom", "HomA", "LHet"), "Hom")
    family = [pair("Hom", "LHetA"), pair("HomA", "LHetA"), pair("HomA", "Hom"), pair("RNN", "LHetA")]
    family.append(Contrast("swapped", ("Hom", "RNN"), ("RNN", "HomA")))
    assert [no_finding(c, PAIR) for c in family] == [False, False, True, False, True]
    assert repeated(family, PAIR) == {family[1].name: family[0].name}
    assert not any(no_finding(c, ()) for c in family)
    assert repeated(family, ()) == {}


def test_an_effect_averages_over_a_pair_that_cancels_in_it() -> None:
    currents, _, learned = (
        {name: 1 if level.name == "on" else -1 for level in factor.levels for name in level.conditions}
        for factor in published_factors(CONDITIONS)
    )
    assert averaging(currents, PAIR) == PAIR
    assert averaging(learned, PAIR) == ()
    assert averaging(currents, (("Hom", "RNN"),)) == ()


def test_what_is_no_finding_by_it_is_said_beside_each_number(plain: Results) -> None:
    a = assess(of_one_network(plain))
    found = [c for c in report_warnings(a) if c.code == "alike"]
    assert {c.place: c.subjects for c in found} == {
        "table-conditions": ("Hom", "HomA"),
        "table-contrasts": (pair("HomA", "LHetA").name,),
        "table-pairs": (pair("HomA", "Hom").name,),
    }
    assert "Hom and HomA (results at most 0.03 points apart within each of 10 seeds)" in found[0].text
    marked = [row[0] for row in sheets.pairs_sheet(a, report_warnings(a)).rows if row[0].codes]
    assert [(cell.text, cell.codes) for cell in marked] == [(pair("HomA", "Hom").name, ("alike",))]
    assert not any("HomA did" in f.text for f in findings(a))
    assert any("Hom did" in f.text for f in findings(a))


def test_effects_that_average_over_them_carry_the_note(tmp_path: Path) -> None:
    study = replace(PLAIN, conditions=("Hom", "HomA", "LHet", "LHetA"))
    root = write_study(tmp_path / "s", study)
    Layout(root).study.write_bytes(seal({**study_body(study), "alike": [["Hom", "HomA"]]}))
    a = assess(load(root))
    (note,) = [c for c in report_warnings(a) if c.code == "alike" and c.place == "table-factorial"]
    assert note.subjects == ("after-spike currents", "after-spike currents × learned neurons")
    rows = {row[0].text: row[0].codes for row in sheets.factorial_sheet(a, report_warnings(a)).rows}
    assert "alike" in rows["after-spike currents"]
    assert "alike" not in rows["learned neurons"]


def test_a_study_without_such_a_pair_is_not_warned(plain: Results) -> None:
    assert "alike" not in {c.code for c in report_warnings(assess(plain))}
