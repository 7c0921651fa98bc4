"""TensorBoard: event files below RESULTS/tensorboard, a folder for each attempt at a unit, with the rows W&B has."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from glifr.records import EpochRecord, Layout, Proposal, SeedOutcome, UnitId
from launch.tracking import rows as rows
from launch.tracking.back_fill import NOTHING_OF_USE, ExistingRun, ExpectedRun, key_of
from launch.tracking.rows import Computation, Histogram, TrackedStudy

_DIGITS = 6  # it keeps numbers of 32 bits


def folder_of(layout: Layout, proposal: Proposal, token: str) -> Path:
    """Where a run's event files lie: by condition, as TensorBoard groups them, then by stage."""
    unit = proposal.unit
    attempt = token.rsplit("-", 1)[-1]
    return layout.root / "tensorboard" / unit.search_name / f"{unit.stage}-{unit.number}-{attempt}"


class TensorBoardRun:
    """The event files of one attempt at a unit."""

    def __init__(
        self, layout: Layout, tracked: TrackedStudy, computed: Computation, proposal: Proposal, token: str
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter  # needs the extra `tensorboard`

        self._layout, self._proposal = layout, proposal
        self._writer: Any = SummaryWriter(str(folder_of(layout, proposal, token)))
        self._writer.add_text("config", _as_table(rows.config(tracked, computed, proposal)))
        self._last = 0

    def epochs(self, records: Sequence[EpochRecord]) -> None:
        """Writes one row an epoch, each with its epoch number."""
        for row in rows.epoch_rows(self._proposal.unit, records):
            self._last = row["epoch"]
            self._scalars(row)
        self._writer.flush()

    def outcomes(self, outcomes: Sequence[SeedOutcome]) -> None:
        """Writes the final numbers at the last epoch, and the parameters' histograms: before training, and after."""
        self._scalars(rows.final_numbers(self._proposal.unit, outcomes))
        for name, drawn in rows.histograms(self._layout, self._proposal, outcomes).items():
            self._histogram(name, drawn)

    def finish(self, exit_code: int) -> None:
        """Closes the files. exit_code: 0 if nothing went wrong; TensorBoard has no word for it."""
        self._writer.close()

    def _scalars(self, row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            if name != "epoch" and value is not None:
                self._writer.add_scalar(name, float(value), self._last)

    def _histogram(self, name: str, drawn: Histogram) -> None:
        edges, counts = drawn.edges, drawn.counts
        middles = [(low + high) / 2 for low, high in pairwise(edges)]
        self._writer.add_histogram_raw(
            name,
            min=edges[0],
            max=edges[-1],
            num=sum(counts),
            sum=sum(n * x for n, x in zip(counts, middles, strict=True)),
            sum_squares=sum(n * x * x for n, x in zip(counts, middles, strict=True)),
            bucket_limits=list(edges[1:]),
            bucket_counts=list(counts),
            global_step=self._last,
            walltime=time.time(),
        )


class TensorBoardRuns:
    """The event files that stand. tracked: the study."""

    def __init__(self, layout: Layout, tracked: TrackedStudy) -> None:
        self._layout, self._measures = layout, tracked.measures
        self._folders: dict[str, Path] = {}

    def standing(self) -> dict[str, ExistingRun]:
        found = {path.parent for path in (self._layout.root / "tensorboard").glob("*/*/events.out.tfevents.*")}
        self._folders = {_key_of(folder): folder for folder in found}
        return {key: self._read(folder) for key, folder in self._folders.items()}

    def _read(self, folder: Path) -> ExistingRun:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.compat.tensorflow_stub.errors import DataLossError

        every = {"scalars": 0, "histograms": 1, "tensors": 1}  # 0: all
        events = EventAccumulator(str(folder), every, purge_orphaned_data=False)
        try:
            events.Reload()
        except DataLossError:
            return NOTHING_OF_USE
        tags = events.Tags()
        if not tags["tensors"]:  # its configuration, which is written first
            return NOTHING_OF_USE
        series = {name: [(e.step, e.value) for e in events.Scalars(name)] for name in tags["scalars"]}
        return ExistingRun.of_series(series, self._measures, _DIGITS, tags["histograms"])

    def remove(self, key: str) -> None:
        shutil.rmtree(self._folders.pop(key))

    def make_room(self, key: str) -> None:
        if key in self._folders:
            self.remove(key)

    def begin(self, tracked: TrackedStudy, wanted: ExpectedRun) -> TensorBoardRun:
        return TensorBoardRun(self._layout, tracked, wanted.computed, wanted.proposal, wanted.token)


def _key_of(folder: Path) -> str:
    """Inverts `folder_of`."""
    stage, number, attempt = folder.name.rsplit("-", 2)
    return key_of(rows.run_id("", UnitId.parse(f"{stage}/{folder.parent.name}/{number}"), attempt))


def _as_table(config: Mapping[str, Any]) -> str:
    lines = [f"| {name} | {json.dumps(value)} |" for name, value in config.items()]
    return "\n".join(["| setting | value |", "| --- | --- |", *lines])
