"""Weights & Biases: a mirror of the ledger, fed from inside the trial process after the local record is written.

Group = condition, job type = stage. A search or confirm unit is one run per attempt with the mean, sd, min and max over
its seeds and each seed; a final seed is one run, so that W&B's own group average is the seed average. Nothing that goes
wrong here touches the study: it is noted and the mirror stays behind.
"""

from __future__ import annotations

import netrc
import os
import socket
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlparse
from urllib.request import getproxies

import wandb

from glifr.conditions import CONDITIONS
from glifr.records import EpochRecord, Layout, Proposal, SeedOutcome, UnitId
from launch.lease import Lease
from launch.ledger import Ledger
from launch.spec import StudySpec

Mode = Literal["online", "offline", "disabled"]
MODES: dict[str, Mode] = {"online": "online", "offline": "offline", "disabled": "disabled"}
_ANSWER_SECONDS = 5.0
_MEASURES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


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


def run_id(study_hash: str, unit: UnitId, token: str) -> str:
    """One id per attempt: two offline segments under one id would overwrite each other on sync."""
    return f"{study_hash[:8]}-{unit.stage}-{unit.condition}-{unit.number}-{token.rsplit('-', 1)[-1]}"


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
        self._runs: dict[UnitId, Any] = {}

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
        try:
            action()
        except Exception as error:  # W&B must never end a trial; the ledger has everything
            names = ", ".join(str(p.unit) for p, _ in self._units)
            Ledger(self._layout.root).event("warning", f"{names}: W&B failed ({type(error).__name__}: {error})")

    def _start(self) -> None:
        for proposal, lease in self._units:
            self._runs[proposal.unit] = _start_run(
                self._layout.root, self._spec, self._hash, self._mode, proposal, lease.token
            )

    def _log(self, records: Mapping[UnitId, Sequence[EpochRecord]]) -> None:
        for unit, own in records.items():
            for epoch in sorted({r.epoch for r in own}) if unit in self._runs else ():
                self._runs[unit].log(epoch_row(unit, [r for r in own if r.epoch == epoch]))

    def _summarise(self, unit: UnitId, outcomes: Sequence[SeedOutcome]) -> None:
        if unit not in self._runs:
            return
        summary: dict[str, Any] = {"score": statistics.fmean(o.score for o in outcomes)}
        summary["diverged_seeds"] = sum(o.diverged for o in outcomes)
        if unit.stage == "final":
            summary |= {"test_loss": outcomes[0].test_loss, "test_accuracy": outcomes[0].test_accuracy}
        self._runs[unit].summary.update(summary)


def epoch_row(unit: UnitId, records: Sequence[EpochRecord]) -> dict[str, Any]:
    """What W&B gets of one epoch of one unit: plain values for a final seed, statistics over the seeds otherwise."""
    row: dict[str, Any] = {"epoch": records[0].epoch, "diverged_seeds": sum(r.diverged for r in records)}
    for measure in _MEASURES:
        values = {r.seed: getattr(r, measure) for r in records if getattr(r, measure) is not None}
        if not values:
            continue
        if unit.stage == "final":
            row[measure] = next(iter(values.values()))
            continue
        numbers = list(values.values())
        row |= {f"{measure}/mean": statistics.fmean(numbers), f"{measure}/min": min(numbers)}
        row |= {f"{measure}/max": max(numbers)}
        if len(numbers) > 1:
            row[f"{measure}/sd"] = statistics.stdev(numbers)
        row |= {f"{measure}/seed_{seed}": value for seed, value in values.items()}
    return row


def _start_run(root: Path, spec: StudySpec, study_hash: str, mode: str, proposal: Proposal, token: str) -> Any:
    unit, condition = proposal.unit, CONDITIONS[proposal.unit.condition]
    config = {
        "condition": unit.condition,
        "stage": unit.stage,
        "number": unit.number,
        "unit": str(unit),
        "architecture": condition.architecture,
        "after_spike_currents": condition.num_ascs,
        "start": condition.start,
        "learned": condition.learned,
        "hidden_size": proposal.hidden_size,
        "trained_parameters": proposal.trained_parameters,
        "delay_steps": proposal.delay_steps,
        "seeds": list(proposal.seeds),
        "study": spec.name,
        "study_hash": study_hash,
        **proposal.hyperparameters,
    }
    run = wandb.init(
        project=spec.tracking.wandb.project,
        entity=spec.tracking.wandb.entity,
        group=unit.condition,
        job_type=unit.stage,
        name=str(unit),
        id=run_id(study_hash, unit, token),
        tags=[spec.name, unit.stage, unit.condition],
        config=config,
        mode=MODES[mode],
        dir=str(root),
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
    )
    run.define_metric("epoch")
    run.define_metric("*", step_metric="epoch")
    return run
