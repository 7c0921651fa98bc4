"""Trials that train nothing: all of a study's bookkeeping, none of its arithmetic.

Their losses are made up from the learning rate, so that searchers and early stopping have something to work on. They
prove nothing about any network.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import cache
from pathlib import Path

from glifr.records import EpochRecord, Proposal, SeedOutcome, UnitId, UnitResult
from launch.jobs import DataSource, Step
from launch.ledger.durable import now
from launch.ledger.units import Ledger
from launch.workers.trial import Context, read_context

_BEST_RATE = 3e-3

# loss and accuracy, validation and test alike, of the network with a seed after an epoch
Networks = Callable[[Proposal, int, int], tuple[float, float]]


def do_nothing(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None
) -> Generator[Step, None, None]:
    """A `Work`: proposes, leases, records and publishes as a trial does."""
    yield from pretend(root, units, tracking_mode, networks=_made_up)


def pretend(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None, *, networks: Networks
) -> Generator[Step, None, None]:
    """As `do_nothing`, with other networks."""
    context, ledger = _context(root, tracking_mode), Ledger(root)
    for unit in units:
        yield from _one(context, ledger, unit, networks, last=unit == units[-1])


@cache
def _context(root: Path, tracking_mode: str) -> Context:
    return read_context(root, tracking_mode)


def _one(context: Context, ledger: Ledger, unit: UnitId, networks: Networks, last: bool) -> Iterator[Step]:
    proposal = ledger.proposal(unit)
    assert proposal is not None
    lease, epochs = ledger.lease(unit), _steps(context, unit)
    for epoch in range(1, epochs + 1):
        records = [_record(seed, epoch, *networks(proposal, seed, epoch)) for seed in proposal.seeds]
        lease.append_epochs(records)
        value = sum(r.validation_loss or 0.0 for r in records) / len(records)
        if epoch < epochs:
            yield Step({str(unit): (epoch, value)})
    outcomes = tuple(_outcome(record) for record in records)
    lease.publish(
        UnitResult(
            unit=unit,
            identity=proposal.identity,
            attempt=lease.token,
            status="complete",
            value=value,
            seeds=outcomes,
            silencing=(),
            started_at=lease.started_at,
            finished_at=now(),
            seconds=0.0,
            backend="none",
            device="cpu",
            threads=0,
            seeds_in_batch=len(outcomes),
        )
    )
    yield Step({str(unit): (epochs, value)}, done=last)


def _steps(context: Context, unit: UnitId) -> int:
    """How many steps a unit has: its epochs; a silencing unit has one."""
    return 1 if unit.stage == "silencing" else context.spec.epochs(unit.stage, unit.condition)


def _made_up(proposal: Proposal, seed: int, epoch: int) -> tuple[float, float]:
    distance = math.log10(float(proposal.hyperparameters["learning_rate"]) / _BEST_RATE)
    word = f"{proposal.unit}/{seed}".encode()
    noise = int.from_bytes(hashlib.sha256(word).digest()[:4], "big") / 2**32
    return 0.2 + 0.3 * distance**2 + 0.05 * noise + 2.0 / epoch, 0.5


def _record(seed: int, epoch: int, loss: float, accuracy: float) -> EpochRecord:
    return EpochRecord(seed, epoch, loss, accuracy, loss, accuracy, diverged=False, seconds=0.0)


def _outcome(record: EpochRecord) -> SeedOutcome:
    return SeedOutcome(
        seed=record.seed,
        epochs=record.epoch,
        diverged=False,
        score=record.validation_loss or 0.0,
        train_loss=record.train_loss,
        train_accuracy=record.train_accuracy,
        validation_loss=record.validation_loss,
        validation_accuracy=record.validation_accuracy,
        test_loss=record.validation_loss if record.seed < 100_000 else None,
        test_accuracy=record.validation_accuracy if record.seed < 100_000 else None,
    )
