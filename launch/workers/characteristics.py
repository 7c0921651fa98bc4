"""Keeps, beside a final network, what it is like: the report is made from that file, without torch."""

from __future__ import annotations

from glifr.characterise import characterise
from glifr.records import NetworkFile
from glifr.tasks import Split, TaskDefinition
from glifr.training.seed_run import SeedRun
from launch.ledger.attempts import Lease


def keep_characteristics(run: SeedRun, task: TaskDefinition, test: Split, lease: Lease) -> NetworkFile | None:
    """Stores the characteristics of a trained network in the attempt's folder; None for a diverged one."""
    if run.diverged:
        return None
    found = characterise(run.network, run.parameters_at_start, task, test.part(run.seed))
    return lease.keep_file("characteristics.npz", found.to_bytes()) if found else None
