"""Weights & Biases: a mirror of the ledger, fed beside the work after the local record is written.

Group = condition, job type = stage. A search or confirm unit is one run per attempt with the mean, sd, min and max over
its seeds and each seed; a final seed is one run, so that W&B's own group average is the seed average. Nothing that goes
wrong here touches the study: it is noted and the mirror stays behind, until `python -m launch.tracking sync RESULTS`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import wandb

from glifr.records import EpochRecord, Layout, Proposal, SeedOutcome, StudyRecords
from launch.tracking import rows as rows
from launch.tracking.login import MODES, Login, use_handed
from launch.tracking.queue import FINISH_SECONDS, START_SECONDS, WANDB, Outage, within
from launch.tracking.rows import Computation, TrackedStudy
from launch.tracking.tracker import JobMirror, Run

_LEAVE_SECONDS = 5.0


def wandb_mirror(layout: Layout, tracked: TrackedStudy, computed: Computation, mode: str) -> JobMirror:
    """W&B as a mirror of a job that is so computed. mode: online or offline."""

    def start(proposal: Proposal, token: str) -> Run:
        return UnitRun(layout, tracked, computed, mode, proposal, token)

    return JobMirror(WANDB, start, use_handed if mode == "online" else None)


class UnitRun:
    """The W&B run of one attempt at a unit."""

    def __init__(
        self,
        layout: Layout,
        tracked: TrackedStudy,
        computed: Computation,
        mode: str,
        proposal: Proposal,
        token: str,
        finish_seconds: float = FINISH_SECONDS,
    ) -> None:
        self._layout, self._proposal, unit = layout, proposal, proposal.unit
        self._run = _init(
            layout,
            tracked,
            mode,
            finish_seconds,
            group=unit.condition,
            job_type=unit.stage,
            name=tracked.name_of(str(unit)),
            id=rows.run_id(tracked.study_hash, unit, token),
            tags=[tracked.spec.name, tracked.profile, unit.stage, unit.condition],
            config=rows.config(tracked, computed, proposal),
        )
        self._run.define_metric("epoch")
        for measure in tracked.measures:  # not "*": W&B would put the last epoch into the row of parameters, too
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
            for name, h in rows.histograms(self._layout, self._proposal, outcomes).items()
        }
        if drawn:
            self._run.log(drawn)

    def finish(self, exit_code: int) -> None:
        self._run.finish(exit_code=exit_code)


def mirror_report(records: StudyRecords, mode: str, login: Login | None = None) -> None:
    """As `log_report`, at the end of a session: within bounds, unless W&B has failed too often, and then W&B is left.

    W&B's own way of leaving, at the end of the process, would wait for what cannot be sent.
    """
    outage = Outage(records.layout)

    def log() -> None:
        if login is not None:
            login.use()
        log_report(records, mode)

    if mode != "disabled":
        outage.guarded("report", partial(within, START_SECONDS + FINISH_SECONDS, log))
    leave()


def leave() -> None:
    """Ends W&B's service of this process, if there is one, without waiting long."""
    with contextlib.suppress(Exception):
        within(_LEAVE_SECONDS, wandb.teardown)


def log_report(records: StudyRecords, mode: str, finish_seconds: float = FINISH_SECONDS) -> None:
    """The study's own run, under one id: silencing curves, and report and tables as artifacts; needs a report."""
    layout, tracked = records.layout, rows.tracked(records.study)
    report = [path for path in (layout.report, layout.root / "manifest.json") if path.exists()]
    tables = [path for path in sorted(layout.tables.glob("*")) if path.suffix in (".csv", ".parquet")]
    if mode == "disabled" or not report:
        return
    spec, study_hash = tracked.spec, tracked.study_hash
    run = _init(
        layout,
        tracked,
        mode,
        finish_seconds,
        group="study",
        job_type="report",
        name=tracked.name_of(f"report of {spec.name}"),
        id=f"{study_hash[:8]}-study-report",
        tags=[spec.name, tracked.profile, "report"],
        config={**tracked.config(), "stage": "report"},
    )
    try:
        run.define_metric("silencing/*", step_metric="silenced_share")
        for row in rows.silencing_rows(records.study["task"]["primary"], records.units):
            run.log(row)
        run.define_metric("looks/*", step_metric="look")
        for row in rows.look_rows(records.looks):
            run.log(row)
        logged = []
        for kind, paths in (("report", report), ("tables", tables)):
            artifact = wandb.Artifact(f"{spec.name}-{study_hash[:8]}-{kind}", type=kind)
            for path in paths:
                artifact.add_file(str(path), name=path.name)
            logged.append(run.log_artifact(artifact))
        if mode == "online":  # the run's own end says nothing of files that the server refused
            for artifact in logged:
                artifact.wait(int(finish_seconds))
    finally:
        run.finish()


def _init(layout: Layout, tracked: TrackedStudy, mode: str, finish_seconds: float, **what: Any) -> Any:
    """A run, or an error within START_SECONDS; its `finish` raises TimeoutError after `finish_seconds`."""
    given = tracked.spec.tracking.wandb
    return wandb.init(
        project=given.project,
        entity=given.entity,
        mode=MODES[mode],
        dir=str(layout.root),
        reinit="create_new",
        # No console, machine or code capture: the study's provenance is recorded once, by us.
        settings=wandb.Settings(
            silent=True,
            console="off",
            x_disable_stats=not given.system_metrics,
            x_disable_meta=True,
            disable_git=True,
            disable_code=True,
            init_timeout=START_SECONDS,
            finish_timeout=finish_seconds,
            finish_timeout_raises=True,
        ),
        **what,
    )
