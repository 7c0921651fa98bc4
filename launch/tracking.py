"""Weights & Biases: a mirror of the ledger, fed from inside the trial process after the local record is written.

Group = condition, job type = stage. A search or confirm unit is one run an attempt with the mean, sd, min and max over
its seeds and each seed; a final seed is one run, so that W&B's own group average is the seed average. Nothing that goes
wrong here touches the study: it is noted and the mirror stays behind, until `python -m launch.tracking sync RESULTS`.
"""

from __future__ import annotations

import netrc
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlparse
from urllib.request import getproxies

import numpy as np
import wandb

from glifr.records import EpochRecord, Layout, Proposal, SeedOutcome, StudyRecords, UnitId
from glifr.tasks import task_of
from launch import tracking_rows as rows
from launch.lease import Lease
from launch.ledger import Ledger
from launch.spec import StudySpec, read_resolved

Mode = Literal["online", "offline", "disabled"]
MODES: dict[str, Mode] = {"online": "online", "offline": "offline", "disabled": "disabled"}
_ANSWER_SECONDS = 5.0


def decide_mode(wanted: str) -> Mode:
    """The mode of a session, decided once, before any run starts: W&B cannot fall back to offline later.

    `auto` is $WANDB_MODE, else online where logged in to W&B. Online is offline where the server does not answer.
    """
    mode = MODES.get(wanted) or MODES.get(os.environ.get("WANDB_MODE", "")) or _by_login()
    return "offline" if mode == "online" and not _server_answers() else mode


def forget_key() -> None:
    """Takes a W&B key out of this process's environment, which Ray would log; workers use their node's own login."""
    os.environ.pop("WANDB_API_KEY", None)


def _server() -> tuple[str, int]:
    address = urlparse(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai")
    return address.hostname or "", address.port or (80 if address.scheme == "http" else 443)


def _server_answers() -> bool:
    """Whether a connection can be made; behind a proxy that is not for us to say."""
    if getproxies():
        return True
    try:
        socket.create_connection(_server(), timeout=_ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


def _by_login() -> Mode:
    """Online if `wandb login` has left credentials here. A key in the environment does not count: Ray would log it."""
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        return "online" if netrc.netrc(path).authenticators(_server()[0]) else "offline"
    except (OSError, netrc.NetrcParseError):
        return "offline"


class Tracker:
    """The W&B runs of one job, one per unit; used as a context so that a stopped job closes its runs."""

    def __init__(
        self,
        layout: Layout,
        spec: StudySpec,
        study_hash: str,
        mode: str,
        proposals: Sequence[Proposal],
        leases: Sequence[Lease],
    ) -> None:
        self._layout, self._spec, self._hash, self._mode = layout, spec, study_hash, mode
        self._units = list(zip(proposals, leases, strict=True))
        self._runs: dict[UnitId, UnitRun] = {}

    def __enter__(self) -> Self:
        if self._mode != "disabled":
            self._guarded(self._start)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        code = 1 if error is not None and not isinstance(error, GeneratorExit) else 0
        for run in self._runs.values():
            self._guarded(partial(run.finish, exit_code=code))
        self._runs.clear()

    def epochs(self, records: Mapping[UnitId, Sequence[EpochRecord]]) -> None:
        """Logs one row per unit and epoch, each with its epoch number."""
        self._guarded(lambda: self._log(records))

    def summary(self, unit: UnitId, outcomes: Sequence[SeedOutcome]) -> None:
        """Puts the final numbers into the run's summary."""
        self._guarded(lambda: self._summarise(unit, outcomes))

    def _guarded(self, action: Callable[[], object]) -> None:
        guarded(self._layout, ", ".join(str(p.unit) for p, _ in self._units), action)

    def _start(self) -> None:
        for proposal, lease in self._units:
            self._runs[proposal.unit] = UnitRun(self._layout, self._spec, self._hash, self._mode, proposal, lease.token)

    def _log(self, records: Mapping[UnitId, Sequence[EpochRecord]]) -> None:
        for unit, own in records.items():
            if unit in self._runs:
                self._runs[unit].epochs(own)

    def _summarise(self, unit: UnitId, outcomes: Sequence[SeedOutcome]) -> None:
        if unit in self._runs:
            self._runs[unit].outcomes(outcomes)


class UnitRun:
    """The W&B run of one attempt at a unit."""

    def __init__(
        self, layout: Layout, spec: StudySpec, study_hash: str, mode: str, proposal: Proposal, token: str
    ) -> None:
        self._proposal, unit = proposal, proposal.unit
        self._run = _init(
            layout,
            spec,
            mode,
            group=unit.condition,
            job_type=unit.stage,
            name=str(unit),
            id=rows.run_id(study_hash, unit, token),
            tags=[spec.name, unit.stage, unit.condition],
            config=rows.config(spec, study_hash, proposal),
        )
        self._run.define_metric("epoch")
        for measure in rows.MEASURES:  # not "*": W&B would put the last epoch into the row of parameters, too
            self._run.define_metric(measure, step_metric="epoch")
            self._run.define_metric(f"{measure}/*", step_metric="epoch")

    def epochs(self, records: Sequence[EpochRecord]) -> None:
        """Logs one row an epoch, each with its epoch number."""
        for row in rows.epoch_rows(self._proposal.unit, records):
            self._run.log(row)

    def outcomes(self, outcomes: Sequence[SeedOutcome]) -> None:
        """Puts the final numbers into the summary; parameters go into a row of their own, which has no epoch."""
        self._run.summary.update(rows.summary(self._proposal.unit, outcomes))
        drawn = {
            name: wandb.Histogram(np_histogram=(np.array(h.counts), np.array(h.edges)))
            for name, h in rows.histograms(self._proposal, outcomes).items()
        }
        if drawn:
            self._run.log(drawn)

    def finish(self, exit_code: int) -> None:
        self._run.finish(exit_code=exit_code)


def log_report(records: StudyRecords, mode: str) -> None:
    """The study's own run, under one id: silencing curves, and report and tables as artifacts; needs a report."""
    layout, study_hash, spec = records.layout, records.study["hash"], read_resolved(records.study["spec"])
    report = [path for path in (layout.report, layout.root / "manifest.json") if path.exists()]
    tables = [path for path in sorted(layout.tables.glob("*")) if path.suffix in (".csv", ".parquet")]
    if mode == "disabled" or not report:
        return
    run = _init(
        layout,
        spec,
        mode,
        group="study",
        job_type="report",
        name=f"report of {spec.name}",
        id=f"{study_hash[:8]}-study-report",
        tags=[spec.name, "report"],
        config={"study": spec.name, "study_hash": study_hash, "stage": "report"},
    )
    try:
        run.define_metric("silencing/*", step_metric="silenced_share")
        for row in rows.silencing_rows(task_of(spec.task.settings()), records.units):
            run.log(row)
        for kind, paths in (("report", report), ("tables", tables)):
            artifact = wandb.Artifact(f"{spec.name}-{study_hash[:8]}-{kind}", type=kind)
            for path in paths:
                artifact.add_file(str(path), name=path.name)
            run.log_artifact(artifact)
    finally:
        run.finish()


def guarded(layout: Layout, what: str, action: Callable[[], object]) -> None:
    """Calls; what goes wrong is noted and no more: W&B must never end a trial or a study, and the ledger has all."""
    try:
        action()
    except Exception as error:
        Ledger(layout.root).event("warning", f"{what}: W&B failed ({type(error).__name__}: {error})")


def _init(layout: Layout, spec: StudySpec, mode: str, **what: Any) -> Any:
    return wandb.init(
        project=spec.tracking.wandb.project,
        entity=spec.tracking.wandb.entity,
        mode=MODES[mode],
        dir=str(layout.root),
        reinit="create_new",
        # No console, machine or code capture: the study's provenance is recorded once, by us.
        settings=wandb.Settings(
            silent=True,
            console="off",
            x_disable_stats=True,
            x_disable_meta=True,
            disable_git=True,
            disable_code=True,
            init_timeout=30,
        ),
        **what,
    )


if __name__ == "__main__":
    from launch.tracking_sync import main

    sys.exit(main())
