"""The task `arrays`: a study's own file, checked before anything starts; run by the example."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outside_code import changed
from paths import ROOT
from small_study import conduct

from analysis import assess
from analysis import load as results_of
from analysis.figures import Drawing
from analysis.figures.examples import example_outputs
from analysis.report.sentences import design
from glifr.errors import InputError
from glifr.records import read_sealed
from launch import cli
from launch.planning.plan import make_plan
from launch.studyfile import Study, load_study

EXAMPLE = ROOT / "examples" / "own_data"
STUDY = (EXAMPLE / "study.yaml").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example as it is written, in a folder of its own."""
    shutil.copytree(EXAMPLE, tmp_path / "own_data")
    main: Any = runpy.run_path(str(EXAMPLE / "make_arrays.py"))["main"]
    main(tmp_path / "own_data")
    return tmp_path / "own_data"


def load(folder: Path, *overrides: str) -> Study:
    return load_study(folder / "study.yaml", overrides=overrides)


def save(folder: Path, **changes: Any) -> None:
    """The example's arrays with some others; None takes one away."""
    with np.load(folder / "bumps.npz") as file:
        arrays = {name: file[name] for name in file.files}
    arrays |= changes
    np.savez(folder / "bumps.npz", **{name: value for name, value in arrays.items() if value is not None})


def test_the_task_is_what_the_file_says(folder: Path) -> None:
    task = load(folder).spec.task
    definition, settings = task.definition, task.settings()
    assert (definition.inputs, definition.outputs, definition.steps) == (1, 2, 30)
    assert definition.sizes("npz") == {"train": 400, "validation": 100, "test": 200}
    with np.load(folder / "bumps.npz") as file:
        inputs, targets = definition.load_test(settings).batch(torch.arange(200))
        assert np.array_equal(inputs[..., 0].numpy(), file["test_inputs"])
        assert np.array_equal(targets.numpy(), file["test_targets"])
        share = np.bincount(file["train_targets"]) / 400
    assert definition.chance_accuracy == share.max()
    assert definition.chance_loss == pytest.approx(-(share * np.log(share)).sum())


def test_the_content_and_not_the_place_is_the_identity(folder: Path, tmp_path: Path) -> None:
    def identity(study: Study) -> tuple[str, str]:
        task = study.spec.task
        plan = make_plan(study, task.definition.fingerprint(task.settings()))
        return study.hash, plan.identity("final", "RNN", {"learning_rate": 0.01}, (1,))

    before = identity(load(folder))
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert identity(load(tmp_path / "elsewhere")) == before
    assert str(tmp_path) not in str(load(folder).resolved)
    targets = np.load(folder / "bumps.npz")["train_targets"]
    targets[0] = 1 - targets[0]
    save(folder, train_targets=targets)
    assert identity(load(folder))[0] == before[0]
    assert identity(load(folder))[1] != before[1]


def test_values_are_read_at_every_step_or_at_the_last(folder: Path) -> None:
    values = {f"{split}_targets": np.zeros((count, 30)) for split, count in (("train", 400), ("validation", 100))}
    save(folder, **values, test_inputs=None, test_targets=None)
    every = load(folder, "task.loss=mse", "task.readout=null").spec.task.definition
    assert (every.readout, every.outputs, every.loss) == ("all", 1, "mean_squared_error")
    save(folder, **{name: value[:, :2] for name, value in values.items()})
    last = load(folder, "task.loss=mse").spec.task.definition
    assert (last.readout, last.outputs) == ("last", 2)


NAN = np.zeros((400, 30))
NAN[7, 3] = np.nan
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "NaN": ({"train_inputs": NAN}, ["not finite (train_inputs)", "1 of 12,000"]),
    "other steps": ({"test_inputs": np.zeros((200, 29))}, ["the shape of test inputs does not fit", "[200, 29, 1]"]),
    "no validation targets": ({"validation_targets": None}, ["the split validation lacks inputs or targets"]),
    "misspelt": ({"train_input": NAN}, ["train_input is no array of a task", "did you mean 'train_inputs'?"]),
    "text": ({"train_inputs": np.full((400, 30), "a")}, ["an array of a task holds numbers (train_inputs)"]),
    "classes that are no numbers": ({"train_targets": np.zeros(400)}, ["classes are whole numbers", "`loss: mse`"]),
    "a class below 0": ({"test_targets": np.full(200, -1)}, ["classes are counted from 0"]),
    "fewer targets": ({"train_targets": np.zeros(399, int)}, ["the shape of train targets does not fit"]),
    "a length of 0": (
        {"test_lengths": np.arange(200) % 30},
        [
            "a sequence has as many steps as it cannot have (test_lengths)",
            "0 of sequence 0, and 6 more",
            "from 1 to 30",
        ],
    ),
    "a length beyond the end": ({"train_lengths": np.full(400, 31)}, ["31 of sequence 0, and 399 more"]),
    "lengths with a point": ({"train_lengths": np.full(400, 3.0)}, ["lengths of sequences are whole numbers"]),
    "fewer lengths": ({"train_lengths": np.full(399, 3)}, ["the shape of train_lengths does not fit", "[399]"]),
    "lengths of what is not there": (
        {"test_inputs": None, "test_targets": None, "test_lengths": np.full(200, 3)},
        ["the split test lacks inputs or targets"],
    ),
    "one split in another": ({"test_inputs": None, "test_targets": None}, []),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused(case: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes, expected = WRONG[case]
    if case == "one split in another":
        with np.load(folder / "bumps.npz") as file:
            changes = {"test_inputs": file["train_inputs"][5:9], "test_targets": file["train_targets"][5:9]}
        expected = ["the same sequence stands in two splits", "test[0] and train[5]"]
    save(folder, **changes)
    assert cli.main([str(folder / "study.yaml"), "--results", str(folder / "results")]) == 2
    message = capsys.readouterr().err
    for words in ["study.yaml: task.path (line", *expected]:
        assert words in message, message
    assert not (folder / "results").exists()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("path: bumps.npz", "path: bump.npz", "cannot be read (No such file or directory)"),
        ("path: bumps.npz", "path: study.yaml", "this is no file of named arrays"),
        ("path: bumps.npz, ", "", "the task arrays needs its file"),
        ("readout: last", "readout: all", "a class is read after the last step"),
        ("name: arrays, path", "name: sine, path", "only the task arrays has this"),
    ],
)
def test_a_wrong_section_is_refused(folder: Path, old: str, new: str, expected: str) -> None:
    (folder / "study.yaml").write_text(changed(STUDY, (old, new)))
    with pytest.raises(InputError) as refusal:
        load(folder)
    assert expected in str(refusal.value)


def padded(folder: Path, readout: str, padding: float) -> None:
    """The example's sequences at two lengths, of values at every step or at the last."""
    changes: dict[str, Any] = {}
    with np.load(folder / "bumps.npz") as file:
        for split, count in (("train", 400), ("validation", 100), ("test", 200)):
            lengths = np.arange(count) % 2 * 10 + 20
            inputs = np.where(np.arange(30) < lengths[:, None], file[f"{split}_inputs"], padding)
            every = np.where(np.arange(30) < lengths[:, None], np.cumsum(inputs, axis=1) / 30, padding)
            values = every if readout == "all" else every[np.arange(count), lengths - 1]
            changes |= {f"{split}_inputs": inputs, f"{split}_targets": values, f"{split}_lengths": lengths}
    save(folder, **changes)


def conducted(folder: Path, readout: str, padding: float) -> dict[str, Any]:
    """What the final networks of a small study had on test data."""
    padded(folder, readout, padding)
    study = load(folder, "task.loss=mse", f"task.readout={readout}", "search.trials=1", "confirm.top=1")
    task = study.spec.task
    root = folder / f"results of {padding}"
    assert conduct(make_plan(study, task.definition.fingerprint(task.settings())), root).complete
    loaded = results_of(root)
    assert loaded.info.task.lengths == (20, 30)
    assert "20 to 30 steps, each sequence read to its own end" in design(loaded.info)
    assert isinstance(example_outputs(assess(loaded)), Drawing)
    return dict(loaded.tables["seeds"].set_index(["condition", "stage", "seed"])["test_loss"].dropna())


@pytest.mark.parametrize("readout", ["all", "last"])
def test_a_study_of_sequences_of_different_lengths_hears_no_padding(
    folder: Path, readout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # from where a worker in this process reads the file
    clean = conducted(folder, readout, 0.0)
    save(folder, **{f"{split}_lengths": None for split in ("train", "validation", "test")})
    assert conducted(folder, readout, float("nan")) == clean


@pytest.mark.program
def test_the_example_runs_and_its_status_needs_no_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [str(folder / "study.yaml"), "--results", str(folder / "results")]
    assert cli.main(given) == 0
    (folder / "bumps.npz").unlink()
    assert cli.main([*given, "--status"]) == 0
    assert "45/45 units" in capsys.readouterr().out
    study = read_sealed(folder / "results" / "own_data" / "full" / "study.json")
    assert study["task"]["title"] == "own arrays: bumps.npz"
