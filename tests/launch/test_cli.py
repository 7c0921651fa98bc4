"""The command as a user gives it: refusals (exit code 2, nothing left behind), the plan, interruption, exit codes."""

from __future__ import annotations

import gc
import gzip
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from command_run import HANG
from paths import ROOT
from small_study import NOT_COMPILED, ONE_BY_ONE, STUDY, TINY, NeverStop, conduct, published, small_plan

from analysis import load
from launch import cli
from launch.code import code_version
from launch.signals import StopSignals

COMMAND = [sys.executable, "launch/study.py"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(STUDY)
    return path


def changed(old: str, new: str) -> str:
    assert old in STUDY
    return STUDY.replace(old, new)


FILES: dict[str, tuple[str | bytes, str]] = {
    "unknown key": (changed("epochs: 2, batch_size", "epoch: 2, batch_size"), "did you mean 'training.epochs'"),
    "wrong type": (changed("batch_size: 300", "batch_size: many"), "training.batch_size"),
    "unknown condition": (changed("  LHetA: {delay: 1.0}", "  LHetB: {delay: 1.0}"), "did you mean 'LHet'"),
    "unknown task": (changed("name: line_mnist", "name: lime_mnist"), "did you mean 'line_mnist'"),
    "empty file": ("", "empty"),
    "empty search space": (changed("    lstm: *space", "    lstm: {}"), "search.spaces.lstm"),
    "low >= high": (changed("low: 0.1, high: 10", "low: 10, high: 10"), "after_spike_spread"),
    "log-uniform low <= 0": (changed("low: 0.1, high: 10", "low: 0, high: 10"), "after_spike_spread"),
    "no seeds": (changed("final: {seeds: 2}", "final: {seeds: 0}"), "final.seeds"),
    "duplicated seeds": (changed("final: {seeds: 2}", "final: {seeds: [4, 5, 4]}"), "final.seeds"),
    "fraction outside 0..1": (changed("[0, 0.5, 1]", "[0, 0.5, 1.5]"), "silencing.fractions"),
    "malformed": (changed("final: {seeds: 2}", "final: {seeds: 2"), "small.yaml"),
    "key given twice": (STUDY + "\nname: other\n", "name"),
    "not UTF-8": (STUDY.encode() + b"# \xff\xfe", "UTF-8"),
    "python object": (changed("name: small", "name: !!python/object:os.system {}"), "python/object"),
    "name that leaves the folder": (changed("name: small", "name: ../small"), "name"),
    "GPU where none is": (STUDY + "\nresources: {gpus: 0.5}\n", "resources.gpus"),
}


def refused(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The message of a refusal."""
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert err.startswith("Nothing was started.")
    assert "where:" in err
    return err


SECONDS = ("torch", "ray", "wandb", "optuna", "pandas", "matplotlib")  # each costs as many to import, or nearly


def loaded(*commands: Sequence[str]) -> str:
    """The exit codes of commands, one after another in a new process, and what of `SECONDS` they have imported."""
    code = (
        "import contextlib, io, sys; from launch import cli; codes = set()\n"
        f"with contextlib.redirect_stdout(io.StringIO()): codes = {{cli.main(each) for each in {list(commands)!r}}}\n"
        f"print(codes, *[m for m in {SECONDS} if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_a_bad_file_is_refused_without_what_takes_seconds_to_import(tmp_path: Path) -> None:
    """But for a study that is right in itself, for which this machine is too small."""
    paths = []
    for number, case in enumerate(sorted(FILES.keys() - {"GPU where none is"})):
        content, _ = FILES[case]
        path = tmp_path / f"{number}.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths.append(str(path))
    assert loaded(*([path] for path in paths)) == "{2}"


def test_a_slip_in_any_study_of_the_project_is_refused_without_them(tmp_path: Path) -> None:
    """Whatever its task: each is read as far as the study says nothing of the task's own numbers."""
    studies = sorted((ROOT / "studies").glob("*.yaml"))
    assert {"sine_ablation", "identifiable_recovery", "parameter_recovery"} <= {study.stem for study in studies}
    slips = ("trainig.epochs=3", "training.batch_size=0", "task.source=elsewhere", "reference=Nobody")
    assert loaded(*([str(study), "--set", slip] for study in studies for slip in slips)) == "{2}"


def test_a_bad_argument_is_refused_without_them(study: Path, tmp_path: Path) -> None:
    needing_none = (
        [str(study), "--only", "Nobody"],
        [str(study), "--address", "somewhere"],
        [str(study), "--address", "ray://127.0.0.1:10001"],
        [str(study), "--slots", "3"],
        [str(study), "--profile", "quik"],
        [str(study), "--status", "--results", str(tmp_path / "none")],
        [str(tmp_path / "nowhere.yaml")],
    )
    assert loaded(*needing_none) == "{2}"


@pytest.mark.parametrize("case", FILES)
def test_a_bad_study_is_refused_and_leaves_nothing(
    case: str, tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    content, expected = FILES[case]
    study.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refused([str(study), "--results", str(tmp_path / "results")], capsys)
    assert expected in message
    assert [p.name for p in tmp_path.iterdir()] == ["small.yaml"]


ARGUMENTS: dict[str, tuple[list[str], str]] = {
    "missing file": (["nowhere.yaml"], "nowhere.yaml"),
    "unknown profile": (["STUDY", "--profile", "quik"], "--profile"),
    "--set path that does not exist": (["STUDY", "--set", "trainig.epochs=3"], "did you mean 'training.epochs'"),
    "--set without a value": (["STUDY", "--set", "training.epochs"], "--set"),
    "nobody at the address": (["STUDY", "--address", "127.0.0.1:1"], "127.0.0.1:1"),
    "no address": (["STUDY", "--address", "somewhere"], "HOST:PORT"),
    "Ray client address": (["STUDY", "--address", "ray://127.0.0.1:10001"], "ray:// is not supported"),
    "results below a file": (["STUDY", "--results", "STUDY/below"], "is a file, not a folder"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_a_bad_argument_is_refused_and_leaves_nothing(
    case: str, tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given, expected = ARGUMENTS[case]
    message = refused([word.replace("STUDY", str(study)) for word in given], capsys)
    assert expected in message
    assert [p.name for p in tmp_path.iterdir()] == ["small.yaml"]


def test_truncated_mnist_is_refused(tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for part in ("train", "t10k"):
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            (data / f"{part}-{kind}.gz").write_bytes(gzip.compress(b"\0\0\x08\x03" + bytes(100))[:-9])
    given = ["--set", "task.source=mnist", "--set", f"task.data_root={data}", "--results", str(tmp_path / "results")]
    message = refused([str(study), *given], capsys)
    assert "truncated" in message
    assert "train-images-idx3-ubyte.gz" in message
    assert not (tmp_path / "results").exists()


def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "results" / "small" / "full"
    mine.mkdir(parents=True)
    (mine / "thesis.tex").write_text("years of work")
    message = refused([str(study), "--results", str(tmp_path / "results")], capsys)
    assert "not a results folder" in message
    assert [p.name for p in mine.iterdir()] == ["thesis.tex"]


def test_a_ray_that_does_not_start_is_told_without_a_traceback(
    tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(**options: object) -> None:
        raise Exception("The current node timed out during startup. This could happen ...")

    monkeypatch.setattr("ray.init", slow)
    message = refused([str(study), "--results", str(tmp_path / "results")], capsys)
    assert "Ray did not start on this machine\n" in message
    assert "Exception: The current node timed out" in message
    assert [p.name for p in tmp_path.iterdir()] == ["small.yaml"]


@pytest.mark.program
def test_the_plan_says_what_would_run_and_starts_nothing(
    tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([str(study), "--plan", "--results", str(tmp_path / "results")]) == 0
    out = capsys.readouterr().out
    for words in ("LHetA", "reference", "network RNN instead of GLIFR", "3 x 2", "2 x 1", "0.5", "out of reach"):
        assert words in out
    assert re.search(r"estimated time: .*min.*s", out)
    assert not (tmp_path / "results").exists()


def test_units_run_with_the_collector_that_imports_went_without(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    monkeypatch.setattr("launch.session.show_plan", lambda *_: seen.append(gc.isenabled()) or 0)
    gc.disable()  # as `launch/study.py` does
    try:
        assert cli.main([str(study), "--plan", "--results", str(tmp_path / "results")]) == 0
    finally:
        gc.unfreeze()
        gc.enable()
    assert seen == [True]


@pytest.mark.program
def test_a_damaged_record_is_named_and_its_unit_runs_again(
    tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study.write_text(TINY)
    root = tmp_path / "results" / "small" / "full"
    plan = small_plan(tmp_path, text=TINY)
    conduct(plan, root, code_version=code_version())
    before = published(root, ("RNN", "LHetA"))
    path = root / "units" / "final" / "LHetA" / "2" / "result.json"
    path.write_bytes(path.read_bytes().replace(b'"complete"', b'"complete."'))
    (root / "study.json").write_bytes(b"{}")
    assert cli.main([str(study), "--results", str(tmp_path / "results")]) == 0
    said = capsys.readouterr().out.replace("\n", "")
    assert str(path) in said
    assert "set aside, the unit runs again" in said
    assert str(root / "study.json") in said
    assert published(root, ("RNN", "LHetA")) == before


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143), (signal.SIGHUP, 143)]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_the_first_signal_asks_to_stop(number: signal.Signals, code: int) -> None:
    heard: list[str] = []
    before, mask = signal.getsignal(number), signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with StopSignals([]) as stop:
        stop.say = heard.append
        with stop.asking():
            assert not stop.requested
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)  # at once: the same request
            for _ in range(500):
                if heard:
                    break
                time.sleep(0.01)
            assert stop.requested
            assert stop.exit_code == code
    assert [text.partition(":")[0] for text in heard] == [number.name]
    assert signal.getsignal(number) is before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask


SLEEPER = """
import sys, time
from launch import signals
signals.LEAVE_SECONDS = float(sys.argv[1])
with signals.StopSignals(["a study.yaml"]) as stop, stop.asking():
    stop.say = lambda text: print(text, flush=True)
    stop.at_leave = lambda code: print("closed", code, flush=True)
    print("ready", flush=True)
    time.sleep(60)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("leave", "second", "said"), [(0.3, False, "jobs are still ending: "), (50.0, True, "SIGTERM: ")]
)
def test_a_study_that_does_not_stop_leaves_when_its_time_is_over_or_at_another_signal(
    leave: float, second: bool, said: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(leave)], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=with_this_tree()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.stdout.readline().startswith("SIGTERM: stopping at the last checkpoints")
    if second:
        time.sleep(1.2)
        process.terminate()
    text = process.stdout.read()
    assert text.startswith(said)
    assert text.endswith("launch/study.py 'a study.yaml'\nclosed 143\n")
    assert process.wait(20) == 143


def with_this_tree() -> dict[str, str]:
    """An environment in which this tree's packages are found first."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_interrupted_and_continued_by_the_same_command_it_is_the_same_study(tmp_path: Path, study: Path) -> None:
    """The real command in a process of its own: Ctrl-C in the middle, then the same command. In `make test` too."""
    study.write_text(TINY)
    given = [str(study), "--results", str(tmp_path / "a"), "--set", NOT_COMPILED]
    process = subprocess.Popen(
        [*COMMAND, *given], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    root = tmp_path / "a" / "small" / "full"
    deadline = time.monotonic() + HANG
    while len(list(root.glob("units/*/*/*/result.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=HANG)
    assert process.returncode == 130, out
    assert "To continue:" in out
    assert "Traceback" not in out
    done = {p: p.stat().st_mtime_ns for p in root.glob("units/*/*/*/result.json")}
    assert 2 <= len(done) < 14
    assert not (root / "driver.lock").exists()

    second = subprocess.run([*COMMAND, *given], cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Report: " in second.stdout
    after = {p: p.stat().st_mtime_ns for p in root.glob("units/*/*/*/result.json")}
    assert len(after) == 14
    assert done.items() <= after.items()

    conduct(small_plan(tmp_path, NOT_COMPILED, text=TINY), tmp_path / "undisturbed")
    conditions = ("RNN", "LHetA")
    assert published(root, conditions) == published(tmp_path / "undisturbed", conditions)
    for name in ("tables/seeds.csv", "tables/epochs.csv", "tables/silencing.parquet", "report.html"):
        assert (root / name).stat().st_size > 0

    # the report can be made again from the folder alone, elsewhere, and is the same
    moved = tmp_path / "moved"
    shutil.copytree(root, moved)
    before = (moved / "report.html").read_bytes()
    again = subprocess.run([sys.executable, "-m", "analysis", str(moved)], cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert (moved / "report.html").read_bytes() == before
    assert load(moved).info.name == "small"


@pytest.mark.parametrize("results", ["a[/b]", "[old]x", "a:smile:", "x" * 300, "a\0b"])
def test_every_results_folder_is_shown_as_it_is_written(
    tmp_path: Path, study: Path, results: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([str(study), "--status", "--results", results]) == 2
    told = capsys.readouterr().err
    assert results[:20].replace("\0", "\\x00") in told
    assert "Traceback" not in told


def test_the_folder_is_named_as_it_is_in_what_a_session_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stdout", shown)
    console = cli.console()
    console.print(f"results in {tmp_path / '[old]x[/b]'}, :smile:")
    assert "[old]x[/b], :smile:" in shown.getvalue().replace("\n", "")


def test_looking_needs_reading_alone(tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As root everything can be written, so the check for writing is asked what it would say."""
    plan = small_plan(tmp_path, text=TINY)
    conduct(plan, tmp_path / "results" / "small" / "full", NeverStop(), batches=ONE_BY_ONE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        code = cli.main([str(tmp_path / "small.yaml"), "--status", "--results", str(tmp_path / "results")])
    assert code == 0
    assert "14/14 units" in capsys.readouterr().out
    command = [str(tmp_path / "small.yaml"), "--status", "--failures", "--results", str(tmp_path / "results")]
    assert loaded(command) == "{0}"


@pytest.mark.parametrize(
    ("override", "place"),
    [("training.backend=triton", "training.backend"), ("conditions.RNN.hidden_size=900000", "conditions.RNN")],
)
def test_what_this_machine_cannot_run_is_refused(
    study: Path, tmp_path: Path, override: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert cli.main([str(study), "--results", str(tmp_path / "r"), "--set", override]) == 2
    assert place in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
    monkeypatch.undo()
