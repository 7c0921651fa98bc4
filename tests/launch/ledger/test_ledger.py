"""The ledger: exclusive publication, checksums, torn lines, checkpoints, lock."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from glifr.errors import InputError
from glifr.records import EpochRecord, Proposal, RecordError, UnitId, UnitResult, epoch_line, read_epochs
from launch.ledger import durable
from launch.ledger import lock as lock_module
from launch.ledger.attempts import Lease, SupersededError, attempt_folders
from launch.ledger.durable import publish
from launch.ledger.lock import DriverLock, LockLostError
from launch.ledger.units import Ledger

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


def test_a_unit_of_a_later_repeat_lies_beside_those_of_the_first(ledger: Ledger) -> None:
    again = replace(UNIT, repeat=2)
    assert [str(UNIT), str(again)] == ["search/RNN/3", "search/RNN@2/3"]
    assert [UnitId.parse(str(unit)) for unit in (UNIT, again)] == [UNIT, again]
    for unit in (again, UNIT):
        ledger.propose(proposal(unit))
    assert ledger.layout.proposal(UNIT).relative_to(ledger.layout.root).as_posix() == "units/search/RNN/3/proposal.json"
    assert ledger.units("search", "RNN") == [UNIT, again]
    ledger.put_aside(again)
    assert ledger.units("search", "RNN") == [UNIT]


@pytest.mark.parametrize(
    "text", ["search/RNN", "trial/RNN/1", "search/RNN/-1", "search/RNN/\N{SUPERSCRIPT TWO}", "search/RNN/1_0"]
)
def test_what_is_no_unit_is_not_read_as_one(ledger: Ledger, text: str) -> None:
    with pytest.raises(ValueError, match="is no unit"):
        UnitId.parse(text)
    (ledger.layout.units / text).mkdir(parents=True)
    assert ledger.units("search", "RNN") == []


@pytest.mark.parametrize("name", ["RNN@0", "RNN@", "RNN@01", "RNN@-1", "RNN@x", "RNN@1@2"])
def test_a_repeat_is_counted_from_one_where_it_is_named(ledger: Ledger, name: str) -> None:
    with pytest.raises(ValueError, match="is no unit"):
        UnitId.parse(f"final/{name}/1")
    (ledger.layout.units / "final" / name / "1").mkdir(parents=True)
    assert ledger.units("final", "RNN") == []


def test_a_second_attempt_cannot_publish_again(ledger: Ledger) -> None:
    first, second = ledger.lease(UNIT), ledger.lease(UNIT)
    assert first.publish(result(UNIT, first.token))
    assert not second.publish(result(UNIT, second.token))
    found = ledger.result(UNIT)
    assert found is not None
    assert found.attempt == first.token


def no_links(source: object, target: object) -> None:
    raise OSError(errno.EOPNOTSUPP, "no hard links here")


@pytest.mark.parametrize("links", [True, False])
def test_of_many_threads_one_publishes(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
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


def test_without_hard_links_a_dead_process_does_not_bar_a_result_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(durable, "_CLAIM_SECONDS", 0.2)
    (tmp_path / ".result.json.claim").touch()
    assert publish(tmp_path / "result.json", b"first")
    assert not publish(tmp_path / "result.json", b"second")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"result.json": b"first"}


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
        stream.write(epoch_line(epoch(3))[:25])
    assert [e.epoch for e in ledger.epochs(UNIT)] == [1, 2]
    assert read_epochs(path).problems == ()
    path.write_text('{"torn\n' + path.read_text())
    assert [e.epoch for e in ledger.epochs(UNIT)] == [1, 2]
    assert "line 1" in read_epochs(path).problems[0]


def test_an_altered_digit_in_an_epoch_record_is_named(ledger: Ledger) -> None:
    lease = ledger.lease(UNIT)
    lease.append_epochs([epoch(1), epoch(2)])
    path = lease.folder / "epochs.jsonl"
    path.write_text(path.read_text().replace('"train_loss": 0.5', '"train_loss": 0.6'))
    assert [e.epoch for e in ledger.epochs(UNIT)] == [1]
    assert "line 2" in read_epochs(path).problems[0]


@pytest.mark.parametrize("foreign", ["", "[1]", "null", '{"seed": 1}, {"seed": 2}', "1]["])
def test_a_line_that_is_no_record_is_named_and_the_others_are_read(ledger: Ledger, foreign: str) -> None:
    path = ledger.lease(UNIT).folder / "epochs.jsonl"
    path.write_text(f"{epoch_line(epoch(1))}{foreign}\n{epoch_line(epoch(2))}")
    found = read_epochs(path)
    assert [e.epoch for e in found.records] == [1, 2]
    (problem,) = found.problems
    assert "line 2 cannot be trusted" in problem


def trained(ledger: Ledger, epochs: int) -> Lease:
    """An attempt that was killed after so many epochs, each with a checkpoint."""
    lease = ledger.lease(UNIT)
    for number in range(1, epochs + 1):
        lease.append_epochs([epoch(number, seed=7), epoch(number, seed=8)])
        state = [{"seed": seed, "epoch": number, "weights": torch.full((4,), float(number))} for seed in (7, 8)]
        lease.checkpoint(number, "a", state)
    return lease


def resumed(ledger: Ledger) -> tuple[int, int]:
    """The epoch of the state that would be used, and how many records come with it."""
    state, records = ledger.last_checkpoint(proposal()) or pytest.fail("no checkpoint")
    return state["seeds"][0]["epoch"], len(records)


def flip(path: Path, position: float = 0.5) -> None:
    raw = bytearray(path.read_bytes())
    raw[int(position * len(raw))] ^= 1
    path.write_bytes(bytes(raw))


def test_two_checkpoints_are_kept_and_the_newest_good_one_is_used(ledger: Ledger) -> None:
    lease = trained(ledger, 3)
    assert sorted(p.name for p in lease.folder.glob("*.pt")) == ["checkpoint-000002.pt", "checkpoint-000003.pt"]
    assert resumed(ledger) == (3, 6)
    flip(lease.folder / "checkpoint-000003.pt")
    assert resumed(ledger) == (2, 4)
    assert "set aside" in ledger.layout.events.read_text()
    assert list(lease.folder.glob("checkpoint-000003.pt.damaged-*"))
    assert ledger.last_checkpoint(proposal(identity="b")) is None, "the state of other settings was used"


def test_a_checkpoint_whose_epoch_records_are_damaged_is_not_used(ledger: Ledger) -> None:
    lease = trained(ledger, 3)
    lines = (lease.folder / "epochs.jsonl").read_text().splitlines(keepends=True)
    (lease.folder / "epochs.jsonl").write_text("".join(lines[:5]))
    assert resumed(ledger) == (2, 4)


def test_attempts_are_ordered_whatever_the_clock_says(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ledger.lease(UNIT)
    monkeypatch.setattr(durable, "datetime", ClockSetBack)
    second = ledger.lease(UNIT)
    assert second.started_at < first.started_at
    assert attempt_folders(ledger.layout, UNIT) == [first.folder, second.folder]


class ClockSetBack:
    @staticmethod
    def now(zone: object) -> datetime:
        return datetime(2001, 1, 1, tzinfo=UTC)


def test_an_attempt_that_has_been_replaced_must_end(ledger: Ledger) -> None:
    orphan = ledger.lease(UNIT)
    orphan.refuse_superseded()
    ledger.lease(UNIT).refuse_superseded()
    with pytest.raises(SupersededError, match="later attempt"):
        orphan.refuse_superseded()


def test_one_driver_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "driver.lock"
    with DriverLock(path), pytest.raises(InputError, match="another driver"), DriverLock(path):
        pytest.fail("two drivers")
    assert not path.exists()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become hundredths."""
    for name, seconds in (("STALE", 0.6), ("HEARTBEAT", 0.1), ("_POLL", 0.02), ("_SETTLE", 0.05)):
        monkeypatch.setattr(lock_module, f"{name}_SECONDS", seconds)


def left_behind(path: Path, **changes: object) -> None:
    """A lock whose driver is gone without a word."""
    holder = {"token": "x", "host": "elsewhere", "machine": "another boot", "pid": 1, "started": "1", **changes}
    path.write_text(json.dumps(holder))


@pytest.mark.parametrize("reaped", [True, False])
def test_a_lock_left_by_a_dead_process_is_taken_over_at_once(tmp_path: Path, reaped: bool) -> None:
    path = tmp_path / "driver.lock"
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    left_behind(path, machine=lock_module._machine(), pid=child.pid, started=lock_module._started(child.pid))
    with pytest.raises(InputError, match="another driver"), DriverLock(path):
        pytest.fail("two drivers")
    child.kill()
    if reaped:
        child.wait()
    time.sleep(0.2)
    begun = time.monotonic()
    with DriverLock(path) as lock:
        assert lock.took_over
        assert lock.held()
    assert time.monotonic() - begun < 10
    child.communicate()


def test_a_process_id_that_was_given_again_is_not_the_driver(tmp_path: Path) -> None:
    path = tmp_path / "driver.lock"
    left_behind(path, machine=lock_module._machine(), pid=os.getpid(), started="1")
    with DriverLock(path) as lock:
        assert lock.held()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("clock", [0.0, -86400.0, 86400.0])
def test_a_lock_of_a_dead_host_is_taken_over_whatever_the_clock_says(tmp_path: Path, clock: float) -> None:
    path = tmp_path / "driver.lock"
    left_behind(path)
    os.utime(path, (time.time() - clock,) * 2)
    waits: list[str] = []
    begun = time.monotonic()
    with DriverLock(path, waits.append) as lock:
        assert lock.held()
        assert 0.1 < time.monotonic() - begun < 30
    assert "elsewhere" in waits[0]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("clock", [0.0, -86400.0, 86400.0])
def test_a_living_driver_on_another_host_is_left_alone_whatever_the_clock_says(
    tmp_path: Path, clock: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "driver.lock"
    with DriverLock(path) as living:
        os.utime(path, (time.time() - clock,) * 2)
        monkeypatch.setattr(lock_module, "_machine", lambda: "another boot")
        with pytest.raises(InputError, match="another driver"), DriverLock(path):
            pytest.fail("two drivers")
        assert living.held()


@pytest.mark.usefixtures("quick")
def test_a_stalled_driver_notices_that_it_was_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "driver.lock"
    with DriverLock(path) as stalled:
        monkeypatch.setattr(stalled, "held", lambda: False)  # its heartbeat stops
        time.sleep(0.7)
        with DriverLock(path) as new:
            monkeypatch.undo()
            assert new.held()
            with pytest.raises(LockLostError):
                stalled.check()
        monkeypatch.undo()


@pytest.mark.usefixtures("quick")
def test_of_many_newcomers_one_takes_the_lock_over(tmp_path: Path) -> None:
    path, won, refused = tmp_path / "driver.lock", [], []
    left_behind(path)
    over = threading.Barrier(5)

    def come() -> None:
        try:
            with DriverLock(path) as lock:
                won.append(lock)
                over.wait()
        except InputError:
            refused.append(1)
            over.wait()

    threads = [threading.Thread(target=come) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 4)
