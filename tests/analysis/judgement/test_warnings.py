"""Every warning: a study in which it fires, and beside what; and a study in which none does."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from characteristics_factory import characteristics_of
from paths import ROOT
from published_study import shifted, with_settings
from records_factory import Synthetic, study_body, write_study

from analysis import Results, assess, load, report_warnings
from analysis import tables as sheets
from analysis.judgement.lights import lights
from analysis.judgement.warnings import codes_for
from analysis.results.load import KeptNetwork
from glifr.records import Characteristics, Contrast, Layout, NetworkFile, pair, seal

CLEAN = Synthetic(
    task="slope",  # one without published values
    conditions=("RNN", "LHetA"),
    seeds=16,
    trials=30,  # ten for each setting that LHetA searches
    confirm=1,
    epochs=3,
    masks=2,
    pruned_share=0.0,
    failed_share=0.0,
    diverged_share=0.0,
)
Change = Callable[[Results], Results]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load(write_study(tmp_path_factory.mktemp("clean") / "study", CLEAN))


def codes(results: Results) -> set[str]:
    return {c.code for c in report_warnings(assess(results))}


def test_a_sound_study_has_no_warning(clean: Results) -> None:
    """But that it searched once, which only repeats of the search can mend."""
    assert codes(clean) == {"one-search"}


def _info(results: Results, **changes: Any) -> Results:
    return replace(results, info=replace(results.info, **changes))


def _table(results: Results, name: str, **columns: Any) -> Results:
    return replace(results, tables={**results.tables, name: results.tables[name].assign(**columns)})


def _sessions(*changes: dict[str, Any]) -> Change:
    return lambda r: replace(r, sessions=tuple({**r.sessions[0], **change} for change in changes))


def _finals(change: Callable[[Any], Any]) -> Change:
    """Changes the rows of final networks in the table of seeds."""

    def changed(results: Results) -> Results:
        seeds = results.tables["seeds"].copy()
        final = seeds["stage"] == "final"
        seeds.loc[final] = change(seeds[final].copy())
        return replace(results, tables={**results.tables, "seeds": seeds})

    return changed


def _declare(**changes: Any) -> Change:
    return lambda r: _info(r, declaration=replace(r.info.declaration, **changes))


def _value(condition: str, seeds: slice, **values: Any) -> Callable[[Any], Any]:
    def change(rows: Any) -> Any:
        places = rows.index[rows["condition"] == condition][seeds]
        for column, value in values.items():
            rows.loc[places, column] = value
        return rows

    return change


def _tuning_trial(results: Results, **values: Any) -> Results:
    seeds = results.tables["seeds"].copy()
    place = seeds.index[seeds["stage"] == "search"][0]
    for column, value in values.items():
        seeds.loc[place, column] = value
    return replace(results, tables={**results.tables, "seeds": seeds})


def _doubled(results: Results) -> Results:
    seeds = results.tables["seeds"].copy()
    final = seeds.index[seeds["stage"] == "final"]
    seeds.loc[final[1], "seed"] = seeds.loc[final[0], "seed"]
    return replace(results, tables={**results.tables, "seeds": seeds})


def _resized(results: Results) -> Results:
    first, *others = results.info.conditions
    return _info(results, conditions=(replace(first, trained_parameters=50_000), *others))


def _respaced(results: Results) -> Results:
    first, *others = results.info.conditions
    space = {**first.space, "learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}}
    return _info(results, conditions=(replace(first, space=space), *others))


def _searched_coarsely(results: Results) -> Results:
    """LHetA searches three settings and the RNN two, in a trial less than ten for each of three."""
    own = (replace(c, planned={**c.planned, "search": 29}) for c in results.info.conditions)
    return _info(results, conditions=tuple(own))


def _at_the_end(results: Results) -> Results:
    return _finals(_value("RNN", slice(None), learning_rate=9.9e-3))(results)


def _fewer_trials(results: Results) -> Results:
    trials = results.tables["trials"]
    return replace(
        results, tables={**results.tables, "trials": trials[(trials["condition"] != "RNN") | (trials["number"] > 1)]}
    )


def _as_one_network(results: Results) -> Results:
    """Every result of RNN's networks is that of LHetA's."""
    seeds = results.tables["seeds"].copy()
    final = seeds["stage"] == "final"
    one = seeds[final & (seeds["condition"] == "LHetA")].set_index("seed")
    own = final & (seeds["condition"] == "RNN")
    for column in ("test_accuracy", "test_loss"):
        seeds.loc[own, column] = seeds.loc[own, "seed"].map(one[column])
    return replace(results, tables={**results.tables, "seeds": seeds})


def _on_a_continuum(results: Results) -> Results:
    return _with_neurons(results, characteristics_of("LHetA", 1, clusters=1))


def _on_a_ring(results: Results) -> Results:
    rng = np.random.default_rng(0)
    at, ones = rng.uniform(0, 2 * np.pi, 120), np.ones(120)
    end = {"thresh": np.cos(at) + rng.normal(0, 0.03, 120), "k_m": np.exp(np.sin(at) + rng.normal(0, 0.03, 120))}
    start = {"thresh": ones, "k_m": ones}
    return _with_neurons(results, replace(characteristics_of("LHetA", 1), start=start, end=end))


def _with_neurons(results: Results, found: Characteristics) -> Results:
    raw = found.to_bytes()
    (results.layout.root / "c.npz").write_bytes(raw)
    file = NetworkFile("c.npz", hashlib.sha256(raw).hexdigest())
    return replace(results, kept=(KeptNetwork("LHetA", 1, file),))


def _varied_batches(results: Results) -> Results:
    own = {"conditions": {"RNN": {"training": {"batch_size": 7}}}, "vary": ["training.batch_size"]}
    return _info(results, spec={**results.info.spec, **own})


def _a_control(results: Results) -> Results:
    return _info(results, conditions=tuple(replace(c, control=c.name == "RNN") for c in results.info.conditions))


def _uncompiled(results: Results) -> Results:
    own = tuple(replace(c, uncompiled="aten.erf" if c.name == "RNN" else "") for c in results.info.conditions)
    return _info(results, conditions=own)


EARLY = {"hash": "a" * 64, "declared_at": "2024-03-01T12:00:00+00:00", "final_results": 0}
FIRES: dict[str, tuple[Change, str, str]] = {
    "quick-profile": (lambda r: _info(r, evidence=False), "design", ""),
    "one-search": (lambda r: r, "table-settings", ""),
    "nothing-held-out": (lambda r: _info(r, task=replace(r.info.task, splits={"train": 6})), "design", ""),
    "damaged-records": (lambda r: replace(r, problems=("final/RNN/1: checksum",)), "problems", ""),
    "declaration-changed": (
        lambda r: _info(r, history=(EARLY, {**EARLY, "hash": "b" * 64, "final_results": 7})), "declaration", ""),
    "missing-seeds": (_finals(_value("RNN", slice(1), status="failed")), "table-conditions", "RNN"),
    "beyond-plan": (
        lambda r: replace(r, counts=r.counts.assign(planned=r.counts["planned"] - (r.counts["condition"] == "RNN"))),
        "table-conditions", "RNN"),
    "few-seeds": (_finals(_value("RNN", slice(8), status="failed")), "table-conditions", "RNN"),
    "nested-replicates": (_doubled, "table-conditions", "RNN"),
    "diverged": (_finals(_value("RNN", slice(1), diverged=True, test_accuracy=0.1)), "table-conditions", "RNN"),
    "skewed": (_finals(_value("RNN", slice(1), test_accuracy=0.1)), "table-conditions", "RNN"),
    "verdict-hangs-on-diverged": (
        _finals(_value("RNN", slice(6), diverged=True, test_accuracy=0.1)), "table-contrasts", "RNN − LHetA"),
    "zero-variance": (_finals(_value("RNN", slice(None), test_accuracy=0.9)), "table-conditions", "RNN"),
    "p-unattainable": (_finals(lambda rows: rows.assign(status=rows["status"].where(rows["seed"] <= 4, "failed"))),
                       "table-contrasts", "RNN − LHetA"),
    "underpowered": (_declare(smallest_effect=1e-4), "table-contrasts", ""),
    "undecided": (_declare(contrasts=(Contrast("nothing", ("Hom",), ("LHetA",)),)), "table-contrasts", "nothing"),
    "unequal-spread": (
        _finals(lambda rows: rows.assign(test_accuracy=rows["test_accuracy"].where(
            rows["condition"] != "RNN", rows["test_accuracy"] + 0.002 * (rows["seed"] - 8)))),
        "table-contrasts", "RNN − LHetA"),
    "at-a-bound": (_at_the_end, "table-settings", "RNN"),
    "unequal-budgets": (_fewer_trials, "table-tuning", ""),
    "unequal-spaces": (_respaced, "table-settings", ""),
    "coarse-search": (_searched_coarsely, "table-settings", "LHetA"),
    "unequal-sizes": (_resized, "table-conditions", ""),
    "varied-on-purpose": (_varied_batches, "design", ""),
    "negative-control": (_a_control, "table-conditions", "RNN"),
    "seeds-overlap": (lambda r: _tuning_trial(r, seed=3), "table-tuning", ""),
    "test-read-twice": (lambda r: _tuning_trial(r, test_accuracy=0.9), "table-tuning", ""),
    "published-other-settings": (
        lambda r: _info(r, task=replace(r.info.task, name="line_mnist")), "table-published", ""),
    "published-differs": (
        lambda r: shifted(with_settings(r, "line_mnist"), {"RNN": -0.05}), "table-published", "RNN"),
    "clusters-not-beyond-null": (_on_a_continuum, "table-clusters", "LHetA"),
    "clusters-not-stable": (_on_a_ring, "table-clusters", "LHetA"),
    "mixed-origin": (_sessions({}, {"packages": {"torch": "3.0"}}), "provenance", ""),
    "portable-engine": (_uncompiled, "provenance", "RNN"),
    "mixed-nodes": (_sessions({"nodes_differ": ["torch"]}), "provenance", ""),
    "alike": (_as_one_network, "table-conditions", "RNN"),
    "uncommitted-changes": (_sessions({"dirty": True}), "provenance", ""),
    "unknown-origin": (lambda r: replace(r, sessions=()), "provenance", ""),
}  # fmt: skip


@pytest.mark.parametrize("code", FIRES)
def test_a_warning_fires_beside_its_number(code: str, clean: Results) -> None:
    change, place, subject = FIRES[code]
    found = [c for c in report_warnings(assess(change(clean))) if c.code == code and c.place == place]
    assert len(found) == 1
    if subject:
        assert code in codes_for(found, place, subject)


def test_a_coarse_search_is_told_beside_the_light(clean: Results) -> None:
    assessed = assess(_searched_coarsely(clean))
    (fair,) = [light for light in lights(assessed, report_warnings(assessed)) if light.name == "Fair"]
    assert fair.why.endswith("Conditions with more settings were searched more coarsely.")


def test_structure_beyond_the_null_is_never_called_a_continuum(clean: Results) -> None:
    assert "clusters-not-beyond-null" not in codes(_on_a_ring(clean))
    assert "clusters-not-stable" not in codes(_on_a_continuum(clean))


@pytest.mark.parametrize("key", ["commit", "code_version", "cpu", "gpus"])
def test_whatever_changed_between_sessions_is_named(key: str, clean: Results) -> None:
    changed = _sessions({}, {key: "another"})(clean)
    assert "mixed-origin" in codes(changed)


def test_networks_of_two_devices_are_mixed(clean: Results) -> None:
    changed = _finals(_value("RNN", slice(3), device="NVIDIA"))(clean)
    (found,) = [c for c in report_warnings(assess(changed)) if c.code != "one-search"]
    assert "the device" in found.text


def test_the_codes_stand_in_the_tables(clean: Results) -> None:
    lost = assess(_finals(_value("RNN", slice(1), diverged=True, test_accuracy=0.1))(clean))
    found = report_warnings(lost)
    rows = {row[0].text: row[0].codes for row in sheets.conditions_sheet(lost, found).rows}
    assert "diverged" in rows["RNN"]
    assert rows["LHetA"] == ("one-search",)


def test_a_declared_contrast_of_a_condition_that_is_not_there(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", CLEAN.with_(seeds=3, trials=0, silencing=False))
    body = study_body(CLEAN.with_(seeds=3, trials=0, silencing=False))
    declared = load(root).info.declaration
    contrasts = [*declared.contrasts, pair("LSTM", "LHetA")]
    body["declaration"] = replace(declared, contrasts=tuple(contrasts)).to_json()
    Layout(root).study.write_bytes(seal(body))
    results = load(root)
    assert "declared contrasts name conditions that the study does not have: LSTM" in results.problems
    known, unknown = assess(results).planned
    assert not math.isnan(known.interval.mean)
    assert unknown.reason == "not in the study: LSTM"


def test_every_warning_is_documented() -> None:
    documented = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    room = (ROOT / "analysis" / "judgement" / "warnings").glob("*.py")
    source = "".join(path.read_text(encoding="utf-8") for path in room)
    known = set(re.findall(r'ReportWarning\(\s*"([a-z-]+)"', source))
    assert known == set(FIRES)
    assert {code for code in known if f"`{code}`" not in documented} == set()
