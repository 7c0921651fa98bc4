"""Shared by all tests: where reference material lies, and one thread, so that runs are alike on every machine."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("WANDB_MODE", "offline")

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `shared` are skipped, with the reason, where ../shared does not lie beside the project."""
    if SHARED.is_dir():
        return
    skip = pytest.mark.skip(reason="needs ../shared (reference vectors, MNIST files) beside the project")
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared() -> Path:
    return SHARED
