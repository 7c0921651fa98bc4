"""Looks at a results folder: what is judged, what is decided, who goes on, and what the report makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from records_factory import Synthetic, write_study

from analysis import assess, load, refuse_undecidable
from analysis.judgement.sample_size import more_seeds
from analysis.pack.make import pack
from analysis.report.methods import methods
from analysis.sequential.judge import judge_next
from analysis.sequential.reach import decides, least_first
from analysis.sequential.results import looked, price
from analysis.statistics.comparisons import sign_flip_p
from analysis.tables import looks_sheet
from glifr.records import InputError, Layout, Look, LookDesign, LookEntry, RecordError, read_looks, read_sealed, seal
from launch.tracking.rows import look_rows

LOOKS = (12, 4, 20)
# one condition far from the reference, one near it, one equal but for chance
PLANTED = Synthetic(
    conditions=("LHetA", "RNN", "LHet", "RHetA"),
    seeds=12,
    trials=0,
    silencing=False,
    looks=LOOKS,
    levels={"LHetA": 0.94, "RNN": 0.80, "LHet": 0.937, "RHetA": 0.94},
)


def study_of(root: Path) -> dict[str, object]:
    body: dict[str, object] = read_sealed(Layout(root).study)
    return body


def take(root: Path) -> Look:
    """What the launcher does: judges in a process of its own and keeps the record."""
    command = [sys.executable, "-m", "analysis.sequential", str(root)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    look = Look.from_json(json.loads(ended.stdout))
    path = Layout(root).look(look.number)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(seal(look.to_json()))
    return look


def made(root: Path, seeds: int, study: Synthetic = PLANTED) -> Path:
    """The study with its first seeds, and the looks that were taken: more seeds leave those before as they are."""
    looks = {path.name: path.read_bytes() for path in Layout(root).looks.glob("*.json")}
    shutil.rmtree(root, ignore_errors=True)
    write_study(root, study.with_(seeds=LOOKS[-1]))
    for unit in (root / "units" / "final").glob("*/*"):
        if int(unit.name) > seeds:
            shutil.rmtree(unit)
    for name, content in looks.items():
        Layout(root).looks.mkdir(exist_ok=True)
        (Layout(root).looks / name).write_bytes(content)
    return root


def entry(look: Look, name: str) -> LookEntry:
    return next(e for e in look.entries if e.name.startswith(name))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made(tmp_path / "results", 12)


def test_a_look_judges_the_family_and_only_what_is_open_goes_on(root: Path) -> None:
    look = take(root)
    assert (look.number, look.units) == (1, 12)
    assert read_looks(Layout(root)) == (look,)
    assert entry(look, "RNN").word == "worse"
    assert entry(look, "RNN").state == "decided"
    open_ = [e.name for e in look.entries if e.state == "open"]
    using = {name for name in look.asks if any(name in text for text in open_)}
    for name, asked in look.asks.items():
        assert asked == (16 if name in using else 12), name
    values = load(root).final_values()
    p = sign_flip_p((values["RNN"] - values["LHetA"]).to_numpy())
    assert entry(look, "RNN").p == pytest.approx(p)
    assert entry(look, "RNN").value("p_total") > p, "one look of several"


def test_equal_records_give_equal_looks_and_other_values_another_hash(root: Path, tmp_path: Path) -> None:
    first, again = take(root), judge_next(load(made(tmp_path / "again", 12)), study_of(root))
    assert again == first
    changed = made(tmp_path / "changed", 12, PLANTED.with_(levels={"RNN": 0.81}))
    other = judge_next(load(changed), study_of(root))
    assert other.data != first.data
    assert other.declared == first.declared


def test_what_is_decided_or_futile_is_not_judged_again(root: Path) -> None:
    looks = [take(root)]
    while not looks[-1].last:
        made(root, max(looks[-1].asks.values()))
        looks.append(take(root))
    for before, after in pairwise(looks):
        for old, new in zip(before.entries, after.entries, strict=True):
            assert old.key == new.key
            assert new == old if old.state != "open" else new.look == after.number
            assert new.value("p_total") <= old.value("p_total")
    assert all(e.state != "open" for e in looks[-1].entries)
    with pytest.raises(InputError, match="the last look has been taken"):
        judge_next(load(root), study_of(root))


def test_a_failed_network_counts_as_chance(tmp_path: Path) -> None:
    root = made(tmp_path / "results", 12, PLANTED.with_(failed=frozenset({("RHetA", 3)})))
    look = take(root)
    assert look.failed == ("final/RHetA/3",)
    values = load(root).final_values().loc[:, "RHetA"]
    mean = float(np.append(values.dropna(), 0.1).mean() - load(root).final_values()["LHetA"].mean())
    assert entry(look, "RHetA").value("mean") == pytest.approx(mean)


def test_a_look_without_all_its_units_is_refused(tmp_path: Path) -> None:
    root = made(tmp_path / "results", 11)
    ended = subprocess.run(
        [sys.executable, "-m", "analysis.sequential", str(root)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "11 of 12" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_study_with_a_fixed_number_of_seeds_has_no_looks(tmp_path: Path) -> None:
    root = write_study(tmp_path / "results", PLANTED.with_(looks=None))
    assert looked(load(root)) is None
    with pytest.raises(InputError, match="fixed number of seeds"):
        judge_next(load(root), study_of(root))


def test_the_report_has_the_verdicts_of_the_looks(root: Path) -> None:
    before = assess(load(root))
    assert {j.verdict.word for j in before.planned} == {"not testable"}
    assert all(np.isnan(j.p) for j in before.planned), "nothing is tested before a look"
    look = take(root)
    made(root, 16)  # of the next look, and read by none yet
    a = assess(load(root))
    assert a.looked is not None
    for judged in a.planned:
        own = entry(look, judged.contrast.name)
        assert judged.verdict.word == own.word
        assert judged.interval.n == 12
        assert (judged.interval.low, judged.interval.high) == (own.low, own.high)
        assert len(judged.pairs) == 12
        if judged.verdict.different:
            assert judged.interval.low > 0 or judged.interval.high < 0
    said = " ".join(methods(a))
    for words in ("looks", "read by looks alone", "counted as chance"):
        assert words in said
    sheet = looks_sheet(a.results.info, a.looked)
    assert [row[0].text for row in sheet.rows] == ["1 of 3"]
    assert "RNN" in sheet.rows[0][4].text
    assert price(a.results.info, a.looked).fixed == 80
    assert "The same command goes on" in more_seeds(a).text


def test_changed_values_are_named_and_the_verdicts_stand(root: Path) -> None:
    look = take(root)
    made(root, 12, PLANTED.with_(levels={"RNN": 0.95}))
    a = assess(load(root))
    assert any("look 1 saw other values" in problem for problem in a.problems)
    assert {j.verdict.word for j in a.planned} == {e.word for e in look.entries if e.family == "contrast"}


def test_a_pack_has_the_looks(root: Path, tmp_path: Path) -> None:
    look = take(root)
    pack(root, tmp_path / "study.tar.xz")
    assert load(tmp_path / "study.tar.xz").looks == (look,)


def test_wandb_gets_a_row_a_look(root: Path) -> None:
    look = take(root)
    (row,) = look_rows([look])
    states = [e.state for e in look.entries]
    assert (row["look"], row["looks/units"], row["looks/units_asked"]) == (1, 12, sum(look.asks.values()))
    assert {s: row[f"looks/{s}"] for s in set(states)} == {s: states.count(s) for s in set(states)}
    assert sum(value for key, value in row.items() if key.split("/")[-1] in ("decided", "futile", "open")) == len(
        states
    )


def test_a_damaged_look_is_no_look(root: Path) -> None:
    look = take(root)
    path = Layout(root).look(1)
    path.write_bytes(path.read_bytes().replace(b"worse", b"equal"))
    with pytest.raises(RecordError):
        read_looks(Layout(root))
    path.write_bytes(seal(replace(look, number=2).to_json()))
    with pytest.raises(RecordError, match="another look"):
        read_looks(Layout(root))
    path.rename(Layout(root).look(2))
    with pytest.raises(RecordError, match="one is missing"):
        read_looks(Layout(root))
    assert any("looks not used" in problem for problem in load(root).problems)


def test_looks_at_repeats_take_the_mean_of_each(tmp_path: Path) -> None:
    study = PLANTED.with_(trials=2, confirm=1, repeats=12, seeds=24, looks=(24, 8, 40), pruned_share=0, failed_share=0)
    root = write_study(tmp_path / "results", study)
    look = take(root)
    assert look.units == 12
    assert entry(look, "RNN").units == 12
    assert max(look.asks.values()) in (12, 16)
    values = load(root).unit_values()
    assert entry(look, "RNN").value("mean") == pytest.approx(float((values["RNN"] - values["LHetA"]).mean()))


def test_a_first_look_that_can_decide_nothing_is_refused_with_what_can(root: Path) -> None:
    refuse_undecidable(study_of(root))
    for first, tests in ((5, 2), (8, 3), (10, 12)):
        design = LookDesign(first, 5, 40)
        assert not decides(design, tests, 0.05)
        enough = least_first(design, tests, 0.05)
        assert enough is not None
        assert decides(replace(design, first=enough), tests, 0.05)
        assert not decides(replace(design, first=enough - 1), tests, 0.05)
    body = study_of(root)
    body["spec"] = {**body["spec"], "final": {"seeds": {"first": 5, "step": 5, "most": 40}}}  # type: ignore[dict-item]
    with pytest.raises(InputError, match=r"a first look at 5 seeds can decide nothing") as caught:
        refuse_undecidable(body)
    assert "write `first: " in str(caught.value)
