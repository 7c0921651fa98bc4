"""The probe's own code, run on the CPU under counters of a pretended GPU: no real one was at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from small_study import NOT_COMPILED, small_plan
from torch.autograd import DeviceType

from glifr.training.train import Training
from launch.planning.gpu_share import data_bytes, largest
from launch.workers import gpu_probe

GB = 10**9
SMALL = ("resources.gpus=auto", NOT_COMPILED, "training.batch_size=20")


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 GB, of which 2 are taken now: 1.2 by torch's allocator, which had 1.5 at its peak."""
    monkeypatch.setattr("torch.cuda.init", lambda: None)
    monkeypatch.setattr("torch.cuda.synchronize", lambda: None)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (78 * GB, 80 * GB))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda: 12 * GB // 10)
    monkeypatch.setattr("torch.cuda.max_memory_reserved", lambda: 15 * GB // 10)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "pretended")


def test_a_trial_is_trained_and_its_memory_counted(
    pretended: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its peak, the context beside the allocator's memory, and the study's data."""
    trained: list[Training] = []
    run_epoch = Training.run_epoch
    monkeypatch.setattr(Training, "run_epoch", lambda own: trained.append(own) or run_epoch(own))
    plan = small_plan(tmp_path, *SMALL)
    trial = largest(plan)
    found = gpu_probe.measure_trial(plan, trial, device="cpu")
    assert found.gpu == "pretended"
    assert found.total == 80 * GB
    assert found.needed == 15 * GB // 10 + 8 * GB // 10 + data_bytes(plan)
    assert found.occupancy is None, "a CPU runs no kernels of a GPU"
    assert {run.epoch for run in trained[-1].runs} == {len(trained)} == {4}
    assert len(trained[-1].runs) == trial.seeds
    assert trained[-1].replicas == 1, "the CPU takes seeds one by one with this backend"


@pytest.mark.parametrize(("kernels", "occupancy"), [(1e-9, pytest.approx(0, abs=1e-3)), (1e9, 1.0)])
def test_occupancy_is_the_time_of_kernels_in_that_of_steps(
    pretended: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernels: float, occupancy: float | None
) -> None:
    monkeypatch.setattr(gpu_probe, "busy_seconds", lambda _: kernels)
    plan = small_plan(tmp_path, *SMALL)
    assert gpu_probe.measure_trial(plan, largest(plan), device="cpu").occupancy == occupancy


@dataclass
class Event:
    """As torch's profiler gives it."""

    device_type: DeviceType
    self_device_time_total: float
    is_user_annotation: bool = False


def test_kernels_alone_are_counted() -> None:
    call, kernel = Event(DeviceType.CPU, 300.0), Event(DeviceType.CUDA, 300.0)
    span = Event(DeviceType.CUDA, 900.0, is_user_annotation=True)
    assert gpu_probe.busy_seconds([call, kernel, kernel, span]) == pytest.approx(600e-6)


def test_where_there_is_no_gpu_it_fails_as_cuda_does(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    plan = small_plan(tmp_path, "resources.gpus=auto")
    with pytest.raises((AssertionError, RuntimeError), match=r"NVIDIA|CUDA"):
        gpu_probe.measure_trial(plan, largest(plan))
