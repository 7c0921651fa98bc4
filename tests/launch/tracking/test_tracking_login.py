"""Whether W&B is told anything: its login is W&B's own answer, the reason is said, and the key stays with its owner."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb
from paths import ROOT
from small_study import ONE_CONDITION, ONE_UNIT, conduct, small_plan
from wandb_server import KEY, WandbServer

from glifr.errors import InputError
from launch import cli
from launch.tracking import login as tracking_login
from launch.tracking import sync as tracking_sync
from launch.tracking import workspace as tracking_workspace
from launch.tracking.login import HANDED, Login, LoginFile, decide_mode, forget_key, refuse_without_login, use_handed


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder without a login, and a W&B that has read no settings yet."""
    wandb.teardown()  # first: a service that is in the environment would come back there when it no longer runs
    for name in [n for n in os.environ if n.startswith("WANDB_") or "proxy" in n.lower()]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield tmp_path
    wandb.teardown()


@pytest.fixture
def server() -> Iterator[WandbServer]:
    with WandbServer() as server:
        yield server


def log_in(home: Path, machine: str) -> None:
    (home / ".netrc").write_text(f"machine {machine} login user password {KEY}\n")
    (home / ".netrc").chmod(0o600)


def test_without_a_login_it_is_offline_and_says_so(home: Path) -> None:
    assert str(decide_mode("auto")).startswith("offline: no login found; wandb login (for https://")
    assert decide_mode("online").mode == "offline"


@pytest.mark.parametrize("more", [[], ["--plan"]])
def test_a_study_that_asks_for_online_without_a_login_is_refused(
    home: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "small.yaml").write_text(ONE_CONDITION)
    given = [str(home / "small.yaml"), "--results", str(home / "results"), "--set", "tracking.wandb.mode=online"]
    assert cli.main([*given, *more]) == cli.REFUSED
    told = capsys.readouterr().err
    for part in ("no login found", "tracking.wandb.mode", "'online'", "`wandb login`", "tracking.wandb.mode=auto"):
        assert part in told
    assert not (home / "results").exists()


@pytest.mark.parametrize("mode", ["auto", "offline", "disabled"])
def test_no_other_mode_asks_for_a_login(home: Path, mode: str) -> None:
    refuse_without_login(mode)


def test_online_with_a_login_is_accepted_and_with_one_that_w_and_b_does_not_take_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    refuse_without_login("online")
    monkeypatch.setenv("WANDB_API_KEY", "too-short")
    with pytest.raises(InputError, match="cannot use its login") as refused:
        refuse_without_login("online")
    assert "too-short" not in str(refused.value)


def test_e2_a_netrc_with_a_port_is_a_login(home: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    log_in(home, f"127.0.0.1:{server.server_port}")
    decision = decide_mode("auto")
    assert str(decision) == f"online: W&B's own login for {server.url}"
    assert decision.login == Login(server.url, KEY)


def test_e2_a_netrc_for_another_port_is_none(home: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    log_in(home, "127.0.0.1:1")
    assert "no login found" in decide_mode("auto").reason


def test_e2_netrc_names_the_file(home: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    log_in(home, f"127.0.0.1:{server.server_port}")
    (home / ".netrc").rename(home / "elsewhere")
    monkeypatch.setenv("NETRC", str(home / "elsewhere"))
    assert decide_mode("auto").mode == "online"


def test_e2_the_server_of_the_settings_file_counts(home: Path, server: WandbServer) -> None:
    folder = home / ".config" / "wandb"
    folder.mkdir(parents=True)
    (folder / "settings").write_text(f"[default]\nbase_url = {server.url}\n")
    log_in(home, f"127.0.0.1:{server.server_port}")
    assert str(decide_mode("auto")) == f"online: W&B's own login for {server.url}"


def test_w2_a_key_in_the_environment_counts_and_leaves_it(
    home: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    decision = decide_mode("auto")
    assert str(decision) == f"online: WANDB_API_KEY for {server.url}"
    assert KEY not in f"{decision!r}{decision}{decision.login}"
    forget_key()
    assert "WANDB_API_KEY" not in os.environ
    assert decision.login == Login(server.url, KEY)


@pytest.mark.parametrize(("name", "value"), [("WANDB_API_KEY", "too-short"), ("WANDB_BASE_URL", "no address")])
def test_w2_what_wandb_does_not_take_is_a_reason(
    home: Path, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    decision = decide_mode("auto")
    assert decision.mode == "offline"
    assert "W&B cannot use its login or its settings (" in decision.reason
    assert "too-short" not in decision.reason


@pytest.mark.parametrize("wanted", ["auto", "online"])
def test_online_is_offline_where_no_server_answers(home: Path, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with WandbServer() as server:
        url = server.url
    monkeypatch.setenv("WANDB_BASE_URL", url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert str(decide_mode(wanted)) == f"offline: {url} does not answer"


def test_the_study_then_the_environment_say_offline(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(decide_mode("offline")) == "offline: the study asks for it"
    assert decide_mode("disabled").mode == "disabled"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert str(decide_mode("auto")) == "disabled: WANDB_MODE says so"
    assert decide_mode("offline").mode == "offline"


# -- the way to the workers --


def test_the_file_is_its_owners_alone_and_goes_with_the_session(tmp_path: Path) -> None:
    handover = LoginFile.at(tmp_path)
    before = os.umask(0)
    try:
        with handover.of(Login("http://127.0.0.1", KEY)):
            assert stat.S_IMODE(handover.path.stat().st_mode) == 0o600
            assert KEY in handover.path.read_text()
            assert KEY not in str(handover.environment)
    finally:
        os.umask(before)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError, match="planted"), handover.of(Login("http://127.0.0.1", KEY)):
        raise RuntimeError("planted")
    assert list(tmp_path.iterdir()) == []


def test_without_a_login_there_is_no_file(tmp_path: Path) -> None:
    with LoginFile.at(tmp_path).of(None):
        assert list(tmp_path.iterdir()) == []


def test_what_a_killed_driver_left_is_removed_and_what_another_uses_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen(["true"])
    gone.wait()
    left, used = (tmp_path / f".wandb-login-{os.getuid()}-{pid}-00" for pid in (gone.pid, os.getppid()))
    left.touch()
    used.touch()
    with LoginFile.at(None).of(None):
        assert list(tmp_path.iterdir()) == [used]


def test_in_a_results_folder_there_is_one_driver_and_all_that_is_left_goes(tmp_path: Path) -> None:
    (tmp_path / f".wandb-login-{os.getuid()}-{os.getppid()}-00").touch()
    with LoginFile.at(tmp_path).of(None):
        assert list(tmp_path.iterdir()) == []


def test_a_worker_shows_the_key_that_it_was_handed(
    home: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking_login, "_used", False)
    handover = LoginFile.at(home)
    monkeypatch.setenv(HANDED, str(handover.path))
    with handover.of(Login(server.url, KEY)):
        use_handed()
    assert wandb.setup().settings.api_key == KEY
    assert wandb.setup().settings.base_url == server.url


# -- the commands --


def results(folder: Path) -> Path:
    conduct(small_plan(folder, *ONE_UNIT, "training.epochs=1", text=ONE_CONDITION), folder / "small" / "full")
    return folder / "small" / "full"


def test_w4_sync_online_without_a_login_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tracking_sync.main(["sync", str(results(home)), "--mode", "online"]) == 2
    printed = capsys.readouterr()
    assert "no login found; wandb login" in printed.err
    assert len(printed.err.strip().splitlines()) == 4
    assert printed.out == ""


def test_w4_sync_with_a_server_that_refuses_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with WandbServer(401, 401) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        assert tracking_sync.main(["sync", str(results(home)), "--mode", "online"]) == 2
    assert "W&B refused, or cannot be reached" in capsys.readouterr().err


def test_w3_the_dashboard_without_a_login_is_refused(home: Path) -> None:
    """By its own command: no traceback, four lines, exit code 2."""
    results(home)
    command = [sys.executable, "launch/dashboard.py", str(home / "small.yaml"), "--results", str(home)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if "wandb-workspaces is not installed" in done.stderr:
        pytest.skip("the extra `dashboard` is not installed")
    assert done.returncode == tracking_workspace.REFUSED
    assert "no login found; wandb login" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 4


@pytest.mark.parametrize("how", [401, 500, "reset"])
def test_w3_the_dashboard_with_a_server_that_fails_is_refused(
    home: Path, how: str | int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb_workspaces", reason="the extra `dashboard` is not installed")
    results(home)
    monkeypatch.setattr(tracking_workspace, "_ANSWER_SECONDS", 3)
    with WandbServer(how, how) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        assert tracking_workspace.main([str(home / "small.yaml"), "--results", str(home)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 4
