"""Where trials fit, what is sent to other nodes, a trial's share of a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from glifr.errors import InputError
from launch.code import code_version, installed, stage_code
from launch.executors.node_check import ASKED, NodeReport, touch
from launch.planning.placement import Node, Resources, refuse_what_cannot_fit, slots
from launch.workers.gpu_share import cap_gpu_memory

LAPTOP = Node("laptop", 8, 0, 16)
SERVER = Node("server", 32, 4, 64)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Resources(1, 0, None), 40),
        (Resources(0.1, 0, None), 400),  # 8 / 0.1 is not quite 80 in floating point
        (Resources(1, 0.25, None), 16),
        (Resources(1, 0.3, None), 12),  # three to a GPU: a share never spans two
        (Resources(1, 1, None), 4),
        (Resources(1, 2, None), 2),
        (Resources(16, 0.25, None), 2),
        (Resources(1, 0, 6), 6),
        (Resources(1, 0, None, memory=4), 20),  # four on the laptop, sixteen on the server
        (Resources(1, 0.25, None, memory=1.6), 16),
        (Resources(1, 0.25, None, memory=8), 8),
    ],
)
def test_slots(wanted: Resources, expected: int) -> None:
    assert slots([LAPTOP, SERVER], wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Resources(64, 0, None), "resources.cpus"),
        (Resources(1, 8, None), "resources.gpus"),
        (Resources(64, 8, None), "resources.gpus"),
        (Resources(1, 0, None, memory=100), "resources.memory"),
    ],
)
def test_what_fits_no_node_is_refused(wanted: Resources, words: str) -> None:
    with pytest.raises(InputError, match=words):
        refuse_what_cannot_fit([LAPTOP, SERVER], wanted)


def test_cpus_of_one_node_and_gpus_of_another_are_not_enough() -> None:
    with pytest.raises(InputError, match="has all that one trial asks for") as refused:
        refuse_what_cannot_fit([Node("many cores", 64, 0), Node("many cards", 4, 8)], Resources(16, 1, None))
    assert "many cards: 4 CPUs and 8 GPUs" in str(refused.value)


def test_only_code_is_sent(tmp_path: Path) -> None:
    stage_code(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"glifr", "launch"}
    assert (tmp_path / "launch" / "workers" / "trial.py").is_file()
    assert not list(tmp_path.rglob("__pycache__"))


def test_code_that_is_too_large_is_refused_and_its_largest_files_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"largest: .*\.py"):
        stage_code(tmp_path, most_bytes=1000)


def test_the_probe_of_a_node(tmp_path: Path) -> None:
    def answer(wrong: str) -> NodeReport:
        return NodeReport(wrong, code_version(), installed())

    assert touch(str(tmp_path), "node", "word") == answer(f"No such file or directory: {tmp_path}")
    (tmp_path / ASKED).write_text("another word")
    assert touch(str(tmp_path), "node", "word") == answer("another folder lies there")
    (tmp_path / ASKED).write_text("word")
    assert touch(str(tmp_path), "node", "word") == answer("")
    assert (tmp_path / "node").read_text() == "word"
    assert installed()["torch"] == torch.__version__.partition("+")[0]


@pytest.mark.parametrize(("share", "capped"), [(0.25, [0.25]), (0.0, []), (1.0, []), (2.0, [])])
def test_gpu_memory_is_capped_to_the_share(share: float, capped: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[float] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", heard.append)
    cap_gpu_memory(share)
    assert heard == capped
