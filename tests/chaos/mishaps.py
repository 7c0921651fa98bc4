"""What goes wrong without anybody killing anything: each mishap ends complete or clearly incomplete."""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from small_study import NeverStop, new_conductor

from analysis import load, write_report
from chaos.judging import comparable
from chaos.kills import Study
from chaos.write_points import run_command
from glifr.records import Layout, UnitId, scan
from launch.code import code_version
from launch.executors.ray_tune import RayExecutor
from launch.jobs import DataSource, Step
from launch.ledger import durable
from launch.ledger.provenance import Sessions
from launch.planning.placement import Resources
from launch.planning.plan import StudyPlan
from launch.workers.trial import run_watched_job

_MEGABYTE = 2**20


@dataclass(frozen=True)
class Outcome:
    """How a study with a mishap ended. seen: what told of the mishap.

    same: its tables are the undisturbed ones; None where they cannot be.
    """

    exit_code: int
    units_done: int
    units_planned: int
    same: bool | None
    ledger_intact: bool
    seen: str


Mishap = Callable[[Path, Path, StudyPlan, dict[str, bytes]], Outcome]


def _outcome(code: int, root: Path, plan: StudyPlan, wanted: dict[str, bytes] | None, seen: str) -> Outcome:
    records = scan(root)
    done = sum(unit.result is not None for unit in records.units)
    planned = sum(sum(own.planned.values()) for own in plan.conditions.values())
    same = None if wanted is None else code == 0 and comparable(root) == wanted
    return Outcome(code, done, planned, same, not records.problems, seen)


def _given(file: Path, into: Path, *more: str) -> list[str]:
    return [str(file), "--results", str(into), "--set", "tracking.wandb.mode=disabled", *more]


def _fresh(work: Path, name: str) -> tuple[Path, Path]:
    """Where a mishap's results go, and the study's folder in it."""
    into = work / name
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    return into, into / "small" / "full"


def _tail(log: Path, word: str) -> str:
    lines = [line.strip() for line in log.read_text().splitlines() if word in line]
    return lines[-1][:100] if lines else ""


def full_disk(work: Path, file: Path, plan: StudyPlan, wanted: dict[str, bytes]) -> Outcome:
    """A file system of 200 kB; then it is made larger and the same command given again. Needs the right to mount."""
    into, root = _fresh(work, "full-disk")
    log = work / "full-disk.log"
    log.unlink(missing_ok=True)
    study = Study(_given(file, into), root, log)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(into)], check=True)
    try:
        study.start()
        first = study.finish()
        done = len(list(root.glob("units/*/*/*/result.json")))
        said = _tail(log, "disk of the results folder is full").partition(":")[0]
        subprocess.run(["mount", "-o", "remount,size=64m", str(into)], check=True)
        study.start()
        return _outcome(study.finish(), root, plan, wanted, f"first exit code {first} with {done} units done: {said}")
    finally:
        subprocess.run(["umount", "-l", str(into)], check=True)


def no_wandb_server(work: Path, file: Path, plan: StudyPlan, wanted: dict[str, bytes]) -> Outcome:
    """Online tracking, a login, and nobody at the server's address."""
    into, root = _fresh(work, "no-wandb")
    netrc = work / "netrc"
    netrc.write_text("machine 127.0.0.1:9 login user password " + "0" * 40 + "\n")
    os.environ.update(NETRC=str(netrc), WANDB_BASE_URL="http://127.0.0.1:9")
    try:
        log = work / "no-wandb.log"
        code, _ = run_command([*_given(file, into), "--set", "tracking.wandb.mode=online"], log, root, None)
    finally:
        del os.environ["NETRC"], os.environ["WANDB_BASE_URL"]
    mode = "offline" if "W&B offline" in log.read_text() else "online"
    return _outcome(code, root, plan, wanted, f"the session went {mode}")


def clock_set_back(work: Path, file: Path, plan: StudyPlan, wanted: dict[str, bytes]) -> Outcome:
    """Every look at the clock is an hour before the last one."""
    into, root = _fresh(work, "clock")
    real = durable.now
    start = datetime.now(UTC)
    hours = iter(range(10**6))
    before = partial(lambda: (start - timedelta(hours=next(hours))).isoformat(timespec="milliseconds"))
    modules = [m for m in _modules() if getattr(m, "now", None) is real]
    for module in modules:
        module.now = before  # type: ignore[attr-defined]
    try:
        code, _ = run_command(_given(file, into), work / "clock.log", root, None)
    finally:
        for module in modules:
            module.now = real  # type: ignore[attr-defined]
    return _outcome(code, root, plan, wanted, f"times in {len(modules)} modules run backwards")


def _modules() -> list[object]:
    import sys

    return [module for name, module in sys.modules.items() if name.startswith("launch")]


def lock_of_a_dead_host(work: Path, file: Path, plan: StudyPlan, wanted: dict[str, bytes]) -> Outcome:
    """A lock with a fresh heartbeat, whose host never beats again."""
    into, root = _fresh(work, "dead-host")
    root.mkdir(parents=True)
    holder = {"token": "x", "host": "elsewhere", "machine": "another boot", "pid": 1, "started": "1"}
    (root / "driver.lock").write_text(json.dumps(holder))
    begun = time.monotonic()
    code, _ = run_command(_given(file, into), work / "dead-host.log", root, None)
    events = [json.loads(line)["message"] for line in (root / "events.jsonl").read_text().splitlines()]
    return _outcome(code, root, plan, wanted, f"{events[0]} ({time.monotonic() - begun:.0f} s in all)")


def two_drivers(work: Path, file: Path, plan: StudyPlan, wanted: dict[str, bytes]) -> Outcome:
    """The same command twice at once."""
    into, root = _fresh(work, "two-drivers")
    log, second_log = work / "two-drivers.log", work / "second-driver.log"
    first = Study(_given(file, into), root, log)
    first.start()
    first.wait(lambda: bool(first.attempts()))
    code, _ = run_command(_given(file, into), second_log, root, None)
    said = _tail(second_log, "another driver")
    return _outcome(first.finish(), root, plan, wanted, f"second exit code {code}: {said}")


def all_diverge(work: Path, file: Path, plan: StudyPlan, wanted: dict[str, bytes]) -> Outcome:
    """A learning rate at which every seed of one condition diverges."""
    into, root = _fresh(work, "diverge")
    wild = "search.spaces.rnn.learning_rate={low: 1.0e+36, high: 1.0e+37, scale: log}"
    code, _ = run_command(_given(file, into, "--set", wild), work / "diverge.log", root, None)
    seeds = load(root).tables["seeds"]
    own = seeds[seeds["condition"] == "RNN"]
    return _outcome(code, root, plan, None, f"{int(own['diverged'].sum())} of {len(own)} seeds diverged, all scored")


def _on_ray(name: str, work: Path, plan: StudyPlan, wanted: dict[str, bytes], job: Callable[..., object]) -> Outcome:
    _, root = _fresh(work, name)
    with RayExecutor(root, "disabled", Resources(1, 0, 2), None, work=job) as executor:  # type: ignore[arg-type]
        conductor = new_conductor(plan, root, code_version=code_version())
        Sessions(Layout(root), name)
        executor.run(conductor, NeverStop())
    write_report(load(root))
    failed = [f"{f.kind}" for unit in scan(root).units for f in unit.failures]
    return _outcome(0 if conductor.complete else 1, root, plan, wanted, f"failures: {', '.join(failed) or 'none'}")


def hanging_trial(work: Path, file: Path, plan: StudyPlan, wanted: dict[str, bytes]) -> Outcome:
    """The first attempt at one unit hangs in its first epoch."""
    return _on_ray("hang", work, plan, wanted, hang_once)


def chatty_trial(work: Path, file: Path, plan: StudyPlan, wanted: dict[str, bytes]) -> Outcome:
    """Every job prints a megabyte."""
    return _on_ray("chatty", work, plan, wanted, print_a_megabyte)


def hang_once(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None
) -> Generator[Step, None, None]:
    """The watched job; but the first one of one unit sleeps, when a shorter watchdog than its own is set."""
    marker = root / "hung"
    steps = run_watched_job(root, units, tracking_mode, data)
    if str(units[0]) == "search/RNN/1" and not marker.exists():
        marker.touch()
        yield next(steps)
        (attempt,) = (root / "units" / str(units[0]) / "attempts").iterdir()
        faulthandler.dump_traceback_later(3, exit=True, file=(attempt / "hang.txt").open("w"))
        time.sleep(600)
    yield from steps


def print_a_megabyte(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None
) -> Generator[Step, None, None]:
    """The job, and a lot of words."""
    print("x" * _MEGABYTE, flush=True)
    yield from run_watched_job(root, units, tracking_mode, data)


MISHAPS_BY_NAME: dict[str, Mishap] = {
    "disk full": full_disk,
    "W&B unreachable": no_wandb_server,
    "clock set back at every look": clock_set_back,
    "lock left by a dead host": lock_of_a_dead_host,
    "two drivers at once": two_drivers,
    "every trial of a condition diverges": all_diverge,
    "a trial that hangs": hanging_trial,
    "a trial that prints a megabyte": chatty_trial,
}
