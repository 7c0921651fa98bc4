"""The size of workers bounds how many run at once: arithmetic, what is told, and what wins over it."""

from __future__ import annotations

import math
import mmap
import subprocess
import sys

import pytest
from paths import ROOT

from launch.planning.measured_memory import MeasuredMemory
from launch.planning.placement import Node, Resources
from launch.workers.memory import peak_resident

GB = 10**9
ONE = Resources(1, 0, None)


def measured(*nodes: Node, declared: Resources = ONE) -> tuple[MeasuredMemory, list[tuple[int, str]]]:
    told: list[tuple[int, str]] = []
    return MeasuredMemory(declared, lambda: nodes, lambda slots, text: told.append((slots, text))), told


def test_nothing_is_bounded_before_a_worker_is_measured_or_where_all_fit() -> None:
    room, told = measured(Node("a", 4, 0, 16.0))
    assert (room.slots, room.asked) == (4, 0.0)
    room.grew(int(3.5 * GB))
    assert (room.slots, room.asked, told) == (4, 0.0, [])


def test_what_does_not_fit_is_not_started_and_told_with_numbers() -> None:
    room, told = measured(Node("a", 8, 0, 10.0), Node("b", 2, 0, 64.0))
    room.grew(3 * GB)
    assert room.slots == 3 + 2  # three of eight on a, both on b
    assert 3.0 <= room.asked <= 3.3
    assert room.asked * 3 <= 10.0, "Ray must let three of them onto a"
    ((slots, text),) = told
    assert slots == 5
    assert text == (
        "a worker was measured to take 3.00 GB of memory, so 5 of 10 run at once from now on (trials are offered: "
        "a 10 GB, b 64 GB); resources.memory in the study decides otherwise"
    )


def test_it_is_told_again_only_where_fewer_fit() -> None:
    room, told = measured(Node("a", 8, 0, 10.0))
    for peak in (3.0, 3.01, 2.0, 3.02, 4.9):
        room.grew(int(peak * GB))
    assert [slots for slots, _ in told] == [3, 1]
    assert room.slots == 1


@pytest.mark.parametrize("memory", [10.0, 0.5])
def test_there_is_always_one_and_ray_can_place_it(memory: float) -> None:
    room, told = measured(Node("a", 8, 0, memory))
    room.grew(50 * GB)
    assert room.slots == 1
    assert room.asked == memory
    assert len(told) == 1


def test_small_changes_ask_for_the_same_so_that_workers_are_used_again() -> None:
    room, _ = measured(Node("a", 8, 0, 10.0))
    asked = set()
    for peak in (3.0, 3.05, 3.1):
        room.grew(int(peak * GB))
        asked.add(room.asked)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("node", "declared"),
    [
        (Node("a", 8, 0, 10.0), Resources(1, 0, None, memory=1.0)),  # the study's word
        (Node("a", 8, 0, math.inf), ONE),  # nothing says what there is
        (Node("a", 8, 0, 0.0), ONE),
        (Node("a", 8, 0, 10.0), Resources(1, 0, 2)),  # two fit
    ],
)
def test_what_is_declared_and_what_nobody_knows_bounds_nothing(node: Node, declared: Resources) -> None:
    room, told = measured(node, declared=declared)
    before = room.slots
    room.grew(4 * GB)
    assert (room.slots, room.asked, told) == (before, declared.memory, [])


_TAKES_MEMORY = """
from launch.workers.memory import peak_resident
before = peak_resident()
taken = bytearray(256 * 1024 * 1024)
taken[::4096] = b"x" * len(taken[::4096])
most = peak_resident()
del taken
print(most - before, peak_resident() - before)
"""


def test_the_peak_of_a_process_is_what_it_has_taken() -> None:
    """In a process of its own: this one has had a peak before."""
    shown = subprocess.run([sys.executable, "-c", _TAKES_MEMORY], capture_output=True, text=True, check=True, cwd=ROOT)
    most, after = map(int, shown.stdout.split())
    assert 200e6 < most < 600e6
    assert after > 200e6, "a peak stays"


def test_what_is_shared_with_others_is_not_counted() -> None:
    before = peak_resident()
    shared = mmap.mmap(-1, 256 * 1024 * 1024)  # as the object store's
    for place in range(0, len(shared), 4096):
        shared[place] = 1
    assert peak_resident() - before < 100e6
    shared.close()
