"""The ledger: exclusive publication, checksums, torn lines, checkpoints, lock."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from glifr.errors import InputError
from glifr.records import EpochRecord, Proposal, RecordError, UnitId, UnitResult
from launch import lock as lock_module
from launch.ledger import Ledger, publish
from launch.lock import DriverLock, LockLostError

UNIT = UnitId("search", "RNN", 3)


def proposal(unit: UnitId = UNIT, identity: str = "a") -> Proposal:
    return Proposal(unit, identity, {"learning_rate": 1e-3}, (7, 8), 16, 100, 1, None, None, "v", "2026-01-01")


def epoch(number: int, seed: int = 7) -> EpochRecord:
    return EpochRecord(seed, number, 1.0 / number, 0.5, 2.0 / number, 0.4, False, 0.1)


def result(unit: UnitId, attempt: str) -> UnitResult:
    return UnitResult(unit, "a", attempt, "complete", 0.5, (), (), "t0", "t1", 1.0, "torch", "cpu", 1, 1)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def test_records_come_back_as_written(ledger: Ledger) -> None:
    ledger.propose(proposal())
    assert ledger.proposal(UNIT) == proposal()
    lease = ledger.lease(UNIT)
    lease.publish(result(UNIT, lease.token))
    assert ledger.result(UNIT) == result(UNIT, lease.token)
    assert ledger.result(replace(UNIT, number=4)) is None


def test_a_second_attempt_cannot_publish_again(ledger: Ledger) -> None:
    first, second = ledger.lease(UNIT), ledger.lease(UNIT)
    assert first.publish(result(UNIT, first.token))
    assert not second.publish(result(UNIT, second.token))
    found = ledger.result(UNIT)
    assert found is not None
    assert found.attempt == first.token


def test_of_many_threads_one_publishes(tmp_path: Path) -> None:
    path, won = tmp_path / "unit" / "result.json", []
    barrier = threading.Barrier(8)

    def race(number: int) -> None:
        barrier.wait()
        if publish(path, str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert path.read_bytes() == str(won[0]).encode()
    assert [p.name for p in path.parent.iterdir()] == ["result.json"]


def test_another_proposal_under_the_same_name_is_refused(ledger: Ledger) -> None:
    ledger.propose(proposal())
    ledger.propose(proposal())
    with pytest.raises(RecordError, match="another proposal"):
        ledger.propose(proposal(identity="b"))


@pytest.mark.parametrize("position", [0.1, 0.5, 0.9])
def test_a_flipped_byte_is_never_taken_as_done(ledger: Ledger, position: float) -> None:
    lease = ledger.lease(UNIT)
    lease.publish(result(UNIT, lease.token))
    path = ledger.layout.result(UNIT)
    raw = bytearray(path.read_bytes())
    raw[int(position * len(raw))] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(RecordError, match=r"result\.json"):
        ledger.result(UNIT)


def test_a_torn_last_line_is_left_out_and_a_torn_middle_line_is_named(ledger: Ledger) -> None:
    lease = ledger.lease(UNIT)
    lease.append_epochs([epoch(1), epoch(2)])
    path = lease.folder / "epochs.jsonl"
    with path.open("a") as stream:
        stream.write(json.dumps(epoch(3).to_json())[:25])
    assert [e.epoch for e in ledger.epochs(UNIT)] == [1, 2]
    path.write_text('{"torn\n' + path.read_text())
    with pytest.raises(RecordError, match="line 1"):
        ledger.epochs(UNIT)


def test_two_checkpoints_are_kept_and_the_newest_good_one_is_used(ledger: Ledger) -> None:
    lease = ledger.lease(UNIT)
    for number in (1, 2, 3):
        lease.append_epochs([epoch(number)])
        lease.checkpoint(number, {"epoch": number, "weights": torch.full((4,), float(number))})
    assert sorted(p.name for p in lease.folder.glob("*.pt")) == ["checkpoint-000002.pt", "checkpoint-000003.pt"]
    state, records = ledger.last_checkpoint(UNIT) or pytest.fail("no checkpoint")
    assert state["epoch"] == 3
    assert [r.epoch for r in records] == [1, 2, 3]

    newest = lease.folder / "checkpoint-000003.pt"
    raw = bytearray(newest.read_bytes())
    raw[len(raw) // 2] ^= 1
    newest.write_bytes(bytes(raw))
    state, records = ledger.last_checkpoint(UNIT) or pytest.fail("no checkpoint")
    assert state["epoch"] == 2
    assert [r.epoch for r in records] == [1, 2]
    assert "set aside" in ledger.layout.events.read_text()


def test_one_driver_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "driver.lock"
    with DriverLock(path), pytest.raises(InputError, match="another driver"), DriverLock(path):
        pytest.fail("two drivers")
    assert not path.exists()


def test_a_lock_left_by_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "driver.lock"
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    holder = {"token": "x", "host": lock_module.socket.gethostname(), "pid": child, "beat": 10**12}
    path.write_text(json.dumps(holder))
    with DriverLock(path) as lock:
        assert lock.took_over
        assert lock.held()


def test_a_lock_of_another_host_is_taken_over_when_stale_and_the_old_driver_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "driver.lock"
    old = DriverLock(path)
    with old:
        monkeypatch.setattr(lock_module.socket, "gethostname", lambda: "elsewhere")
        monkeypatch.setattr(lock_module, "STALE_SECONDS", -1.0)
        with DriverLock(path) as new:
            assert new.held()
            with pytest.raises(LockLostError):
                old.check()
