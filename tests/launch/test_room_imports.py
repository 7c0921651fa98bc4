"""Deciding does not import executing: the rooms that decide, alone in a new process, load nothing that computes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from command_run import HANG
from paths import ROOT

HEAVY = ("torch", "ray", "wandb", "pandas")
# they ask what this machine's torch can run and hold, or is
OF_THE_MACHINE = {"launch.planning.machine_checks", "launch.planning.own_starts", "launch.ledger.provenance"}
# Optuna decides which trial comes next, and is not needed to plan or to look
ROOMS = {"studyfile": ("optuna",), "planning": ("optuna",), "ledger": ("optuna",), "terminal": ("optuna",)}


def modules(room: str) -> list[str]:
    files = sorted((ROOT / "launch" / room).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files]
    assert len(names) > 5, f"launch/{room} is elsewhere now"
    return [name for name in names if name not in OF_THE_MACHINE]


@pytest.mark.parametrize("room", [*ROOMS, "scheduling"])
def test_a_room_that_decides_loads_nothing_that_computes(room: str) -> None:
    heavy = (*HEAVY, *ROOMS.get(room, ()))
    code = (
        "import importlib, sys\n"
        f"for name in {modules(room)}:\n"
        "    importlib.import_module(name)\n"
        f"    loaded = [one for one in {heavy} if one in sys.modules]\n"
        "    assert not loaded, f'{name}: {loaded}'\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert run.returncode == 0, run.stderr


def test_those_of_the_machine_are_there_and_need_torch() -> None:
    """An exception that is no longer one goes."""
    for name in OF_THE_MACHINE:
        code = f"import sys, {name}; sys.exit('torch' not in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=HANG, check=False).returncode == 0, name
