"""The actor that computes jobs, in a process of its own.

Half of the seconds that a worker takes to start are imports, and a quarter of those Python's collector of cycles.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib
import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import ray
from ray import tune

from glifr.records.collector import uncollected

with uncollected():
    import launch.workers.trial  # noqa: F401 - the work, which is given by name
    from glifr.records import Layout, UnitId
    from launch.jobs import DataSource, Step, Work
    from launch.tracking.queue import settle
    from launch.workers.gpu_share import cap_gpu_memory
    from launch.workers.memory import peak_resident


class Worker(tune.Trainable):
    """An actor that computes one job after another; one `step` is one epoch."""

    # `tune.with_parameters` adds what the searcher's configurations do not carry
    def setup(self, config: dict[str, Any], work: Work, data: DataSource | None) -> None:  # type: ignore[override]
        self._steps: Generator[Step, None, None] | None = None
        self._work, self._data = work, data
        with uncollected():
            importlib.import_module("torch._dynamo")  # which torch's optimisers import at their first step
        gc.freeze()
        given = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]
        cap_gpu_memory(given.get("GPU", 0.0))
        self._begin(config)

    def _begin(self, config: dict[str, Any]) -> None:
        units, self._root = [UnitId.parse(name) for name in config["units"]], Path(config["root"])
        self._steps = self._work(self._root, units, config["tracking"], self._data)

    def step(self) -> dict[str, Any]:
        assert self._steps is not None
        started, busy = time.perf_counter(), time.process_time()
        step = next(self._steps)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - busy
        step = dataclasses.replace(step, seconds=seconds, cpu_seconds=cpu_seconds, peak_bytes=peak_resident())
        return {"step": json.dumps(dataclasses.asdict(step)), "done": step.done}  # as text: Tune flattens dicts

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._end()
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """Ends the worker: what W&B has not been told yet gets some seconds."""
        self._end()
        settle(Layout(self._root))

    def _end(self) -> None:
        """Ends a stopped job: closes its W&B runs."""
        if self._steps is not None:
            self._steps.close()
