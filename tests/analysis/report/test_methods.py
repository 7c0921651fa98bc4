"""The methods to paste: the software by its name, nothing twice, and nothing that was not done."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from records_factory import Synthetic, write_study

from analysis import Assessment, assess, load
from analysis.report.methods import methods

SEARCHED = Synthetic(seeds=10, trials=4, confirm=1, epochs=2, silencing=False)
STUDIES = {
    "searched": SEARCHED,
    "fixed": SEARCHED.with_(trials=0),
    "few": SEARCHED.with_(trials=0, seeds=3),
    "contrasts only": SEARCHED.with_(conditions=("RNN", "LHetA")),
    "effects only": SEARCHED.with_(conditions=("Hom", "HomA", "LHet", "LHetA"), trials=0),
    "loss": SEARCHED.with_(accuracy=False, held_out=False),
}


@pytest.fixture(scope="module", params=STUDIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Assessment]:
    return request.param, assess(load(write_study(tmp_path_factory.mktemp("m") / "s", STUDIES[request.param])))


def words(a: Assessment) -> str:
    return " ".join(methods(a))


def test_the_software_is_named_with_its_version_and_commit(case: tuple[str, Assessment]) -> None:
    _, a = case
    sessions = ({**a.results.sessions[0], "version": "0.1.0"},)
    last = methods(replace(a, results=replace(a.results, sessions=sessions)))[-1]
    assert last.startswith("Networks were trained with GLIFR studies 0.1.0 (synthetic, profile full, study hash 0123")
    assert "commit 0123456789ab" in last
    assert "torch 2.10.0" in last
    assert "this project" not in words(a)
    assert "GLIFR studies (" in methods(a)[-1], "older sessions have no version on record"


def test_nothing_is_said_twice(case: tuple[str, Assessment]) -> None:
    _, a = case
    sentences = re.split(r"(?<=[.:;]) ", words(a))
    assert len(sentences) == len(set(sentences))
    assert words(a).count("fixed in the study file") <= 1
    assert words(a).count("seed of the search") <= 1
    assert words(a).count("fresh") == 0, "that no seed is used twice is said once, from the records"


def test_only_what_was_done_is_said(case: tuple[str, Assessment]) -> None:
    name, a = case
    text = words(a)
    assert ("HC3" in text, "least squares" in text) == (False, False)
    assert ("one contrast per seed" in text) == bool(a.factorial.effects)
    assert ("sign-flip permutation test" in text) == bool(a.factorial.effects or a.planned)
    assert ("interquartile means" in text) == (name != "few")
    assert ("Configurations were selected" in text) == bool(a.results.info.planned("search"))
    assert "dropout" not in text
    assert ("conditional on one search per condition" in text) == bool(a.results.info.planned("search"))


def test_seeds_that_tuning_and_final_networks_share_are_said(case: tuple[str, Assessment]) -> None:
    name, a = case
    seeds = a.results.tables["seeds"]
    if name != "searched":
        return
    first = seeds.index[seeds["stage"] == "search"][0]
    shared = seeds.assign(seed=seeds["seed"].where(seeds.index != first, 3))
    changed = replace(a, results=replace(a.results, tables={**a.results.tables, "seeds": shared}))
    assert "Tuning and final networks share seeds: 3." in words(changed)
    assert "No seed of the search" not in words(changed)
