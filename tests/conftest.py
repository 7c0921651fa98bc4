"""Shared by all tests: where reference material lies, and one thread, so that runs are alike on every machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paths import ROOT

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("WANDB_MODE", "offline")

import pytest
import torch

SHARED = ROOT.parent / "shared"

torch.set_num_threads(1)
# as a terminal leaves it: started by nohup, this process and what it starts would never hear it
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `shared` are skipped, with the reason, where ../shared does not lie beside the project."""
    items[:] = mixed(items)
    if SHARED.is_dir():
        return
    skip = pytest.mark.skip(reason="needs ../shared (reference vectors, MNIST files) beside the project")
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(skip)


def mixed(items: list[pytest.Item]) -> list[pytest.Item]:
    """Files with tests of programs spread evenly among the others: while a program waits, another test computes."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    programs = [path for path, own in files.items() if any(item.get_closest_marker("program") for item in own)]
    others = [path for path in files if path not in programs]
    place = {path: number / len(group) for group in (programs, others) for number, path in enumerate(group)}
    return [item for path in sorted(files, key=place.__getitem__) for item in files[path]]


@pytest.fixture(scope="session")
def shared() -> Path:
    return SHARED


@pytest.fixture(scope="session")
def token() -> None:
    """Nodes that a test starts from now on ask for a token.

    Ray on this machine alone has one too, and a process that has once shown one can join no cluster without: its
    own server keeps asking for it, which such a cluster's head takes as the end of every actor.
    """
    from launch.executors.ray_auth import send_token

    command = [str(Path(sys.executable).parent / "ray"), "get-auth-token", "--generate"]
    subprocess.run(command, check=True, capture_output=True)
    assert send_token()


@pytest.fixture(scope="module")
def unwritten_memory_is_nan() -> Iterator[None]:
    """What the kernel leaves unwritten must not pass by luck."""
    patch = pytest.MonkeyPatch()
    new_empty, empty_like, empty = torch.Tensor.new_empty, torch.empty_like, torch.empty

    def filled(make: Any) -> Any:
        def made(*args: Any, **kwargs: Any) -> torch.Tensor:
            tensor: torch.Tensor = make(*args, **kwargs)
            return tensor.fill_(torch.nan) if tensor.is_floating_point() else tensor

        return made

    patch.setattr(torch.Tensor, "new_empty", filled(new_empty))
    patch.setattr(torch, "empty_like", filled(empty_like))
    patch.setattr(torch, "empty", filled(empty))
    yield
    patch.undo()
