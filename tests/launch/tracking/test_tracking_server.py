"""The real command and the real W&B client against a server that answers, fails, hangs, or goes down."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from wandb_machine import Machine, finals
from wandb_server import KEY, STORAGE, WandbServer

pytestmark = pytest.mark.program

REPAIR = " -m launch.tracking sync"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_e2_a_study_is_online_by_a_netrc_with_a_port(machine: Machine) -> None:
    with WandbServer() as server:
        machine.log_in(f"127.0.0.1:{server.server_port}")
        ended = machine.run(server.url)
    assert ended.code == 0, ended.text
    assert f"W&B online: W&B's own login for {server.url}" in ended.text
    assert server.keys == {KEY}
    histories = [[row["epoch"] for row in rows if "epoch" in row] for rows in server.rows.values()]
    assert [h for h in sorted(histories) if h] == [[1, 2], [1, 2]]  # the study's own run has rows without epochs
    assert "W&B failed" not in ended.text
    assert server.asked["CommitArtifact"] == 2  # report and tables have arrived


def _settings(name: str) -> tuple[str | int, str | int]:
    return {
        "500": ("answer", 500),
        "429": ("answer", 429),
        "hangs": ("answer", "hang"),
        "resets": ("answer", "reset"),
        "hangs at once": ("hang", "hang"),
        "refuses the key": (401, 401),
    }[name]


@pytest.mark.parametrize("how", ["500", "429", "hangs", "resets", "hangs at once", "refuses the key"])
def test_e1_a_server_that_fails_holds_nothing_up(machine: Machine, how: str) -> None:
    with WandbServer(*_settings(how)) as server:
        machine.log_in("127.0.0.1", f"127.0.0.1:{server.server_port}")
        ended = machine.run(server.url)
        print(ended)
    assert ended.code == 0, ended.text
    assert len(finals(machine.results)) == 2
    assert "2 of 2 units done" in ended.text
    assert ended.text.count("W&B failed") == 1
    assert ended.text.count(REPAIR) == 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A study that has ended; the same command makes and mirrors its report again."""
    machine = Machine(tmp_path_factory.mktemp("finished"))
    with WandbServer() as server:
        machine.log_in(f"127.0.0.1:{server.server_port}")
        ended = machine.run(server.url)
    assert ended.code == 0, ended.text
    return machine


@pytest.mark.parametrize("how", [429, "hang", 403])
def test_e1_a_server_that_fails_at_artifacts_alone_holds_nothing_up(finished: Machine, how: str | int) -> None:
    with WandbServer(storage=how) as server:
        finished.log_in(f"127.0.0.1:{server.server_port}")
        ended = finished.run(server.url)
    assert server.asked[STORAGE] > 0, ended.text
    assert server.asked["CommitArtifact"] == 0
    assert ended.code == 0, ended.text
    assert "2 of 2 units done" in ended.text
    assert "Report: " in ended.text
    assert ended.text.count("report: W&B failed") == ended.text.count("W&B failed") == 1
    assert ended.text.count(REPAIR) == 1


def test_e1_a_server_that_goes_down_midway_holds_nothing_up(machine: Machine) -> None:
    """It takes the first network's run and nothing more."""
    with WandbServer() as server:
        machine.log_in(f"127.0.0.1:{server.server_port}")
        server.down_after = 1
        ended = machine.run(server.url, "final.seeds=4")
    assert ended.code == 0, ended.text
    assert len(finals(machine.results)) == 4
    assert ended.text.count(REPAIR) == 1


def test_e1_what_wandb_lacks_is_brought_up_by_the_command_that_is_named(machine: Machine) -> None:
    with WandbServer("answer", 500) as server:
        machine.log_in(f"127.0.0.1:{server.server_port}")
        ended = machine.run(server.url)
        assert ended.code == 0, ended.text
        command = shlex.split(next(line for line in ended.text.splitlines() if REPAIR in line))
        server.rest = "answer"
        lacking = dict(server.rows)
        machine.call([*command, "--mode", "online"], server.url)
    histories = {name: [row["epoch"] for row in rows] for name, rows in server.rows.items() if "-final-" in name}
    assert not [name for name in lacking if "-final-" in name]
    assert sorted(histories.values()) == [[1, 2], [1, 2]]


def test_e2_a_key_is_found_nowhere_but_where_it_is_shown(machine: Machine) -> None:
    """Neither below the results, nor in what was printed, nor in Ray's session folder, also while the study runs."""
    found: list[str] = []
    temporary = Path(tempfile.mkdtemp(prefix="k", dir="/tmp"))
    with WandbServer() as server:
        watched = threading.Thread(target=_look_for_key, args=(temporary, machine.folder, found, server.ended))
        watched.start()
        ended = machine.run(server.url, WANDB_API_KEY=KEY, TMPDIR=str(temporary))
    watched.join()
    assert ended.code == 0, ended.text
    assert "W&B online: WANDB_API_KEY for" in ended.text
    assert server.keys == {KEY}
    assert KEY not in ended.text
    assert {Path(path).name.startswith(".wandb-login-") for path in found} == {
        True
    }  # while it ran, for its owner alone
    left = _holding_key(temporary) + _holding_key(machine.folder)
    assert left == []
    shutil.rmtree(temporary)


def _look_for_key(temporary: Path, folder: Path, found: list[str], until: threading.Event) -> None:
    while not until.wait(0.5):
        found += _holding_key(temporary) + _holding_key(folder)


def _holding_key(folder: Path) -> list[str]:
    done = subprocess.run(["grep", "-rlaF", "--devices=skip", KEY, str(folder)], capture_output=True, text=True)
    return done.stdout.splitlines()
