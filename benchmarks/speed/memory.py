"""Peak memory of one training step above what the process had before it, each candidate in a process of its own.

python -m benchmarks.speed.memory DEVICE THREADS CANDIDATE SHAPE-AS-JSON   prints the bytes
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import free_memory
from benchmarks.speed import cases
from benchmarks.speed.cases import Candidate, training_step
from benchmarks.speed.context import Context
from benchmarks.speed.shapes import Shape
from benchmarks.speed.steps import needed_memory

_ROOT, _AT_MOST = Path(__file__).resolve().parents[2], 600  # seconds for one process
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure(context: Context, shapes: Sequence[Shape], candidates: Sequence[Candidate]) -> None:
    """Writes `memory`; a candidate whose process fails is left out, with its last line."""
    jobs = [(shape, candidate) for shape in shapes for candidate in candidates if not candidate.graph]
    rows: list[dict[str, Any]] = []
    for place, (shape, candidate) in enumerate(jobs):
        context.tick(place / len(jobs), f"{shape.title}, {candidate.name}")
        free = free_memory(context.device)
        if free is not None and needed_memory(shape, candidate) > free:
            context.leave_out(f"memory of {candidate.name}, {shape.title}", "not enough is free")
            continue
        found = in_own_process(shape, candidate, context.device)
        if isinstance(found, str):
            context.leave_out(f"memory of {candidate.name}, {shape.title}", found)
            continue
        sizes = {key: value for key, value in shape.columns().items() if key in ("shape", "title", "B", "T", "H")}
        own = {"candidate": candidate.name, "group": candidate.group, "D": candidate.delay(shape)}
        rows.append({**sizes, **own, "bytes": found})
    context.results.write("memory", rows)


def in_own_process(shape: Shape, candidate: Candidate, device: torch.device) -> int | str:
    """Bytes, or why there are none."""
    arguments = (str(device), str(torch.get_num_threads()), candidate.name, json.dumps(asdict(shape)))
    command = [sys.executable, "-m", "benchmarks.speed.memory", *arguments]
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_AT_MOST, check=False)
    except subprocess.TimeoutExpired:
        return f"took longer than {_AT_MOST} s"
    if done.returncode:
        last = next(iter(done.stderr.strip().splitlines()[::-1]), "no message")
        return f"its process ended with {done.returncode}: {last}"
    return int(done.stdout.split()[-1])


def of_this_process(shape: Shape, candidate: Candidate, device: torch.device) -> int:
    """Bytes that a network, its batch and one step add; what is loaded and compiled is so by a tiny step before it."""
    training_step(replace(shape, batch=2, steps=min(shape.steps, 2 * shape.delay + 1, 50)), candidate, device)()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        training_step(shape, candidate, device)()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    before = _resident_from_here()
    training_step(shape, candidate, device)()
    return max(0, _peak() - before)


def _resident_from_here() -> int:
    """Resident bytes now, which the peak starts from; where it cannot be set back, the peak so far."""
    try:
        _RESET.write_text("5")
        return _status("VmRSS")
    except OSError:
        return _peak()


def _peak() -> int:
    """The largest resident size. Not ru_maxrss where /proc is: that starts from the parent's size, as exec keeps it."""
    try:
        return _status("VmHWM")
    except OSError:
        import resource  # not on every system

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _status(key: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(key))
    return 1024 * int(line.split()[1])


def main(arguments: list[str]) -> int:
    device, threads, name, sizes = arguments
    torch.set_num_threads(int(threads))
    on = torch.device(device)
    candidate = next(c for c in cases.candidates(on)[0] if c.name == name)
    print(of_this_process(Shape(**json.loads(sizes)), candidate, on))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
