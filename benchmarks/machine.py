"""The machine behind a number: versions, processor, GPU, threads, load, free memory."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

LIBRARIES = ("torch", "numpy", "numba", "triton", "snntorch", "norse", "torchvision")
_CGROUP = Path("/sys/fs/cgroup")


def facts(device: torch.device, quick: bool, training: str) -> dict[str, Any]:
    """One value for each column that every table of a run ends with.

    training: the candidate that training takes on this device. load_before: the machine's before the run.
    """
    return {
        "device": device.type,
        "training": training,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else "",
        "threads": torch.get_num_threads(),
        "quick": quick,
        "load_before": load(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def version(library: str) -> str:
    """'' where it is not installed."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def load() -> float | None:
    """Processes that want to run, mean of the last minute."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be taken on the device, None where nobody says."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch's own to give again
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    found = [n for n in (_free_of_machine(), _free_of_container()) if n is not None]
    return min(found) if found else None


def _free_of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), None)


def _free_of_container() -> int | None:
    try:
        limit, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return None
    return None if limit == "max" else int(limit) - int(used)
