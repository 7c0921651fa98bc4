"""MLflow: a local store below RESULTS/mlflow, a run for each attempt at a unit, with the rows W&B has."""

from __future__ import annotations

import fcntl
import json
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from glifr.records import EpochRecord, Layout, Proposal, SeedOutcome, UnitId
from launch.tracking import rows as rows
from launch.tracking.back_fill import NOTHING_OF_USE, ExistingRun, ExpectedRun, key_of
from launch.tracking.rows import Computation, TrackedStudy

_DRAWN = "parameters.json"
_DIGITS = 9
_MOST_LETTERS = 500  # of a parameter's value, which older stores refuse beyond


def store_of(layout: Layout) -> str:
    """The address of the store: a database of one file, as MLflow's own interface opens it."""
    return f"sqlite:///{layout.root / 'mlflow' / 'mlflow.db'}"


class MLflowRun:
    """The run of one attempt at a unit."""

    def __init__(
        self, layout: Layout, tracked: TrackedStudy, computed: Computation, proposal: Proposal, token: str
    ) -> None:
        from mlflow import MlflowClient  # needs the extra `mlflow`
        from mlflow.entities import Param

        unit = proposal.unit
        self._layout, self._proposal, self._last = layout, proposal, 0
        tags = {"group": unit.condition, "job_type": unit.stage, "profile": tracked.profile, "attempt": token}
        self._client: Any
        self._client, experiment = _opened(MlflowClient, layout, tracked)
        run = self._client.create_run(experiment, run_name=tracked.name_of(str(unit)), tags=tags)
        self._id = run.info.run_id
        config = rows.config(tracked, computed, proposal)
        self._client.log_batch(self._id, params=[Param(name, _short(value)) for name, value in config.items()])

    def epochs(self, records: Sequence[EpochRecord]) -> None:
        """Writes one row an epoch, each with its epoch number."""
        for row in rows.epoch_rows(self._proposal.unit, records):
            self._last = row["epoch"]
            self._metrics(row)

    def outcomes(self, outcomes: Sequence[SeedOutcome]) -> None:
        """Writes the final numbers at the last epoch; the parameters' histograms as a file of numbers."""
        self._metrics(rows.final_numbers(self._proposal.unit, outcomes))
        drawn = rows.histograms(self._layout, self._proposal, outcomes)
        if drawn:
            found = {name: {"edges": h.edges, "counts": h.counts} for name, h in drawn.items()}
            self._client.log_dict(self._id, found, _DRAWN)

    def finish(self, exit_code: int) -> None:
        self._client.set_terminated(self._id, "FAILED" if exit_code else "FINISHED")

    def _metrics(self, row: Mapping[str, Any]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        told = {name: float(value) for name, value in row.items() if name != "epoch" and value is not None}
        self._client.log_batch(self._id, metrics=[Metric(name, value, now, self._last) for name, value in told.items()])


class MLflowRuns:
    """The runs of the store. tracked: the study."""

    def __init__(self, layout: Layout, tracked: TrackedStudy) -> None:
        from mlflow import MlflowClient

        self._layout, self._measures = layout, tracked.measures
        self._client, self._experiment = _opened(MlflowClient, layout, tracked)
        self._runs: dict[str, list[Any]] = {}

    def standing(self) -> dict[str, ExistingRun]:
        self._runs = {}
        for run in self._all():
            unit = UnitId.parse(run.info.run_name.partition(" ")[0])
            self._runs.setdefault(key_of(rows.run_id("", unit, run.data.tags["attempt"])), []).append(run)
        return {key: self._read(own[0]) if len(own) == 1 else NOTHING_OF_USE for key, own in self._runs.items()}

    def _all(self) -> Iterator[Any]:
        page, token = self._client.search_runs([self._experiment]), ""
        while True:
            yield from page
            if not (token := page.token):
                return
            page = self._client.search_runs([self._experiment], page_token=token)

    def _read(self, run: Any) -> ExistingRun:
        """What it has; nothing of one that did not end, for nobody writes it any more."""
        if run.info.status == "RUNNING":
            return NOTHING_OF_USE
        name = run.info.run_id
        histories = {metric: self._client.get_metric_history(name, metric) for metric in run.data.metrics}
        series = {metric: sorted((m.step, m.value) for m in own) for metric, own in histories.items()}
        return ExistingRun.of_series(series, self._measures, _DIGITS, _drawn_in(run))

    def remove(self, key: str) -> None:
        """Deletes as MLflow does: what it calls deleted is shown no more, and gone after `mlflow gc`."""
        for run in self._runs.pop(key, ()):
            self._client.delete_run(run.info.run_id)

    def make_room(self, key: str) -> None:
        self.remove(key)

    def begin(self, tracked: TrackedStudy, wanted: ExpectedRun) -> MLflowRun:
        return MLflowRun(self._layout, tracked, wanted.computed, wanted.proposal, wanted.token)


def _drawn_in(run: Any) -> Collection[str]:
    """The names of a run's histograms. A file that a crash cut short has none."""
    from mlflow.utils.file_utils import local_file_uri_to_path

    try:
        found: dict[str, Any] = json.loads((Path(local_file_uri_to_path(run.info.artifact_uri)) / _DRAWN).read_bytes())
    except (FileNotFoundError, ValueError):
        return ()
    return found


def _short(value: Any) -> str:
    return json.dumps(value)[:_MOST_LETTERS]


def _opened(make: Any, layout: Layout, tracked: TrackedStudy) -> tuple[Any, str]:
    """A client of the store, and the study's experiment in it, which one process makes."""
    name = f"{tracked.spec.name} ({tracked.profile})"
    for quiet in ("mlflow", "alembic"):  # which tell of each table that a new store gets
        logging.getLogger(quiet).setLevel(logging.WARNING)
    folder = layout.root / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        client = make(tracking_uri=store_of(layout))
        known = client.get_experiment_by_name(name)
        if known is not None:
            return client, known.experiment_id
        return client, client.create_experiment(name, artifact_location=(folder / "artifacts").as_uri())
