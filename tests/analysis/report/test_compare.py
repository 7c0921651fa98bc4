"""Two studies side by side, and results that are damaged or of another version."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
from records_factory import Synthetic, study_body, write_study
from scipy import stats

from analysis import assess, load, make_report
from analysis.__main__ import main
from analysis.report.compare import compare
from glifr.records import InputError, Layout, UnitId, read_sealed, seal

STUDY = Synthetic(conditions=("RNN", "LHetA"), seeds=6, trials=0, epochs=2, silencing=False)


def test_shared_conditions_are_compared_unpaired(tmp_path: Path) -> None:
    this = load(write_study(tmp_path / "a", STUDY.with_(levels={"RNN": 0.98, "LHetA": 0.94})))
    other = load(write_study(tmp_path / "b", STUDY.with_(conditions=("Hom", "RNN", "LHetA"), levels={"RNN": 0.93})))
    found = compare(this, other)
    rnn, lheta = found.rows
    a, b = this.final_values()["RNN"], other.final_values()["RNN"]
    oracle = stats.ttest_ind(a, b, equal_var=False)
    assert (rnn.difference, rnn.p) == pytest.approx((a.mean() - b.mean(), oracle.pvalue))
    assert (rnn.low, rnn.high) == pytest.approx(tuple(oracle.confidence_interval()))
    assert rnn.verdict.word == "better"
    assert lheta.verdict.word != "better"
    assert found.alone == ["Hom"]
    assert found.apart == []


def test_studies_that_share_nothing_are_refused(tmp_path: Path) -> None:
    this = load(write_study(tmp_path / "a", STUDY))
    with pytest.raises(InputError, match="no condition in common"):
        compare(this, load(write_study(tmp_path / "b", STUDY.with_(conditions=("Hom",), reference="Hom"))))
    with pytest.raises(InputError, match="another task or measure"):
        compare(this, load(write_study(tmp_path / "c", STUDY.with_(accuracy=False))))


def test_the_command_writes_a_page_without_a_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = write_study(tmp_path / "a", STUDY), write_study(tmp_path / "b", STUDY.with_(seeds=1))
    assert main([str(a), "--compare", str(b)]) == 0
    html = (a / "comparison.html").read_text(encoding="utf-8")
    assert "fewer than two networks" in html
    assert "<script" not in html
    assert "src=" not in html
    assert str(a / "comparison.csv") in capsys.readouterr().out
    assert main([str(a), "--compare", str(tmp_path / "nowhere")]) == 2


def _other_version(root: Path) -> str:
    path = Layout(root).result(UnitId("final", "RNN", 1))
    path.write_bytes(seal({**read_sealed(path), "new_field": 1}))
    return "final/RNN/1: result not used (written by another version of this project"


def _doubled(root: Path) -> str:
    shutil.copytree(Layout(root).unit(UnitId("final", "RNN", 1)), Layout(root).units / "final" / "RNN" / "01")
    return "units that lie in two folders, of which one is used: final/RNN/1"


def _missing(root: Path) -> str:
    shutil.rmtree(Layout(root).unit(UnitId("final", "RNN", 1)))
    return "missing-seeds"


def _without_values(root: Path) -> str:
    for seed in range(1, 7):
        path = Layout(root).result(UnitId("final", "RNN", seed))
        body = read_sealed(path)
        body["seeds"][0]["test_accuracy"] = None
        path.write_bytes(seal(body))
    return "RNN: 6 final networks without a test accuracy"


def _no_final_seed(root: Path) -> str:
    shutil.rmtree(Layout(root).units / "final" / "RNN")
    return "Planned final networks without a result: 6 of RNN"


def _unknown_contrast(root: Path) -> str:
    body, declared = study_body(STUDY), load(root).info.declaration.to_json()
    declared["contrasts"].append({"name": "strange", "of": ["HomA"], "minus": ["RNN"]})
    Layout(root).study.write_bytes(seal({**body, "declaration": declared}))
    return "not in the study: HomA"


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    "spoil", [_other_version, _doubled, _missing, _without_values, _no_final_seed, _unknown_contrast]
)
def test_bad_input_is_named_and_the_rest_is_reported(spoil: object, tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", STUDY)
    said = spoil(root)  # type: ignore[operator]
    made = make_report(root)
    html = made.report.read_text(encoding="utf-8")
    assert said in html
    assert str(tmp_path) not in html
    lheta = assess(load(root)).performances[1]
    assert lheta.interval.n == 6
    assert not math.isnan(lheta.interval.low)
