"""The same kills on bare Ray Tune: a grid of trials that checkpoint every epoch, restored by `Tuner.restore`."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRIALS, EPOCHS, EPOCH_SECONDS = 14, 5, 0.5


@dataclass(frozen=True)
class Found:
    """What the kills cost. twice: trials that completed more than once. restarted: begun again from the first epoch."""

    system: str
    kills: int
    trials: int
    lost: int
    twice: int
    restarted: int


def bare(work: Path, kills: int) -> Found:
    """Starts the driver, kills it, starts it again; then lets it end."""
    work.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    for _ in range(kills):
        process = _start(work)
        _wait_for_progress(work, process)
        time.sleep(rng.uniform(0, 8.0))
        process.kill()
        process.wait()
    _start(work).wait(900)
    done, begun = Counter(_lines(work / "done")), Counter(_lines(work / "begun"))
    return Found(
        "Ray Tune with Tuner.restore",
        kills,
        TRIALS,
        lost=sum(done[str(index)] == 0 for index in range(TRIALS)),
        twice=sum(count > 1 for count in done.values()),
        restarted=sum(count - 1 for count in begun.values()),
    )


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def _start(work: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, __file__, str(work)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "RAY_AIR_NEW_OUTPUT": "0"},
    )


def _wait_for_progress(work: Path, process: subprocess.Popen[bytes]) -> None:
    before = (work / "epochs").stat().st_size if (work / "epochs").exists() else 0
    end = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < end:
        if (work / "epochs").exists() and (work / "epochs").stat().st_size > before:
            return
        time.sleep(0.05)


def _note(path: Path, line: str) -> None:
    with path.open("a") as stream:
        stream.write(line + "\n")


def _trial(config: dict[str, Any]) -> None:
    from ray import tune

    work, index, first = Path(config["work"]), config["index"], 1
    checkpoint = tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            first = json.loads((Path(folder) / "state.json").read_text())["epoch"] + 1
    for epoch in range(first, EPOCHS + 1):
        time.sleep(EPOCH_SECONDS)
        if epoch == 1:
            _note(work / "begun", str(index))
        _note(work / "epochs", f"{index}-{epoch}")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "state.json").write_text(json.dumps({"epoch": epoch}))
            tune.report({"loss": 1.0 / epoch}, checkpoint=tune.Checkpoint.from_directory(folder))
    _note(work / "done", str(index))


def _drive(work: Path) -> None:
    import ray
    from ray import tune

    ray.init(address="local", include_dashboard=False, num_cpus=2, log_to_driver=False)
    path = str(work / "tune" / "grid")
    if tune.Tuner.can_restore(path):
        tuner = tune.Tuner.restore(path, trainable=_trial, resume_unfinished=True, resume_errored=True)
    else:
        tuner = tune.Tuner(
            _trial,
            param_space={"index": tune.grid_search(list(range(TRIALS))), "work": str(work)},
            run_config=tune.RunConfig(name="grid", storage_path=str(work / "tune"), verbose=0),
        )
    tuner.fit()


if __name__ == "__main__":
    _drive(Path(sys.argv[1]))
