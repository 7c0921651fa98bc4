"""The notice at the end of a session: by a real HTTP server and a real command, and never at the study's cost."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from study_texts import GOOD, load, refusal, write_study

from glifr.errors import InputError, Problem
from launch.continuing import continue_command, failures_command, without_secrets
from launch.notice import Notice, Notifier, tell
from launch.studyfile.cost import Notify

NOTICE = Notice("sine", "quick", "complete", "On sines, nothing differs.", "results/sine/quick/report.html")
WORDS = "sine (quick), complete: On sines, nothing differs. Report: results/sine/quick/report.html"


class Server:
    """A real server on this machine: what was posted to it. It answers as its path says; /hang never does."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.hang = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.paths.append(self.path)
                if self.path == "/hang":
                    server.hang.wait(30)
                server.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response({"/broken": 500, "/moved": 302}.get(self.path, 200))
                if self.path == "/moved":
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.hang.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


def to(url: str, seconds: float = 5.0) -> Notify:
    return Notify(url=url, seconds=seconds)


def test_a_url_gets_the_verdict_and_the_reports_path_as_json(server: Server) -> None:
    assert tell(to(f"{server.url}/hook?token=secret"), NOTICE) == ""
    assert server.paths == ["/hook?token=secret"]
    assert server.posted == [
        {
            "text": WORDS,
            "study": "sine",
            "profile": "quick",
            "ending": "complete",
            "answer": "On sines, nothing differs.",
            "report": "results/sine/quick/report.html",
        }
    ]


def test_a_url_may_be_in_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_HOOK", f"{server.url}/lab")
    assert tell(to("$LAB_HOOK"), NOTICE) == ""
    assert server.paths == ["/lab"]
    monkeypatch.setenv("LAB_HOOK", "file:///etc/passwd")
    assert "holds no URL" in tell(to("$LAB_HOOK"), NOTICE)


def test_a_server_that_hangs_is_waited_for_no_longer_than_asked(server: Server) -> None:
    began = time.monotonic()
    assert tell(to(f"{server.url}/hang", seconds=0.5), NOTICE)
    assert time.monotonic() - began < 3


def test_what_goes_wrong_is_told_without_the_url(server: Server) -> None:
    assert tell(to(f"{server.url}/broken"), NOTICE) == "the answer was HTTP 500"
    assert tell(to(f"{server.url}/moved"), NOTICE) == "the answer was HTTP 302"
    assert server.paths == ["/broken", "/moved"]  # it was not followed
    server.close()
    told = tell(to(f"{server.url}/secret"), NOTICE)
    assert "refused" in told
    assert "secret" not in told


def python(code: str) -> str:
    return f"{sys.executable} -c '{code}'"


def test_a_command_gets_the_notice_on_its_input_without_a_shell(tmp_path: Path) -> None:
    code = 'import sys; open(sys.argv[1], "w").write(sys.stdin.read())'
    assert tell(Notify(command=f"{python(code)} {tmp_path}/$HOME"), NOTICE) == ""
    assert (tmp_path / "$HOME").read_text() == WORDS + "\n"


def test_a_command_that_fails_is_missing_or_hangs_never_fails_the_study(tmp_path: Path) -> None:
    assert tell(Notify(command=python("raise SystemExit(3)")), NOTICE) == "the command ended with exit code 3"
    assert tell(Notify(command=f"{tmp_path}/none"), NOTICE) == "FileNotFoundError"
    began = time.monotonic()
    assert tell(Notify(command=python("import time; time.sleep(60)"), seconds=0.5), NOTICE)
    assert time.monotonic() - began < 5


def test_nobody_is_told_where_nobody_asked() -> None:
    assert tell(None, NOTICE) == ""


# -- around a session --------------------------------------------------------------------------------------------------


@pytest.fixture
def notifier(server: Server, tmp_path: Path) -> Notifier:
    study = load(tmp_path, f"{GOOD}notify: {{url: '{server.url}'}}\n")
    return Notifier(study.spec, study.profile)


def test_a_session_that_ends_is_told_once(notifier: Notifier, server: Server) -> None:
    with notifier:
        notifier.ending, notifier.answer, notifier.report = "complete", "All is equal.", "report.html"
    notifier.tell()
    assert [p["text"] for p in server.posted] == ["good (full), complete: All is equal. Report: report.html"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("a secret"), "good (full), failed: RuntimeError"),
        (
            InputError(Problem("the folder is another study's", "results", "x", todo="y")),
            "the folder is another study's",
        ),
    ],
    ids=["a bug", "a refusal"],
)
def test_a_failure_is_told_and_goes_on(notifier: Notifier, server: Server, error: Exception, told: str) -> None:
    with pytest.raises(type(error)), notifier:
        raise error
    assert told in server.posted[0]["text"]
    assert "secret" not in str(server.posted)


def test_a_session_that_is_left_at_once_is_told(notifier: Notifier, server: Server) -> None:
    closed: list[int] = []
    notifier.leaving(closed.append)(143)
    assert closed == [143]
    assert server.posted[0]["ending"] == "stopped"


def test_a_notice_that_cannot_be_given_is_said(server: Server, tmp_path: Path) -> None:
    study = load(tmp_path, f"{GOOD}notify: {{url: '{server.url}/broken'}}\n")
    said: list[str] = []
    with Notifier(study.spec, study.profile, said.append):
        pass
    assert said == ["The notice was not given: the answer was HTTP 500."]


# -- in the study file -------------------------------------------------------------------------------------------------

SECRET = "hooks.example/T0/secret"


def test_a_notice_is_no_part_of_the_record(tmp_path: Path) -> None:
    study = load(tmp_path, f"{GOOD}notify: {{url: 'https://{SECRET}'}}\n")
    assert study.spec.notify is not None
    assert "secret" not in json.dumps(study.resolved)
    assert study.hash == load(tmp_path).hash


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        (f"{{url: 'htps://{SECRET}'}}", "not a URL that a notice can be posted to"),
        (f"{{url: 'https://{SECRET}', command: mail}}", "not both"),
        ("{}", "given to a command, or posted to a URL"),
        ('{command: "mail \'me"}', "a quote that does not end"),
        (f"'https://{SECRET}'", "must be a mapping"),
        ("{command: mail, seconds: 0}", "too small"),
        (f"{{url: 'https://{SECRET}', urll: 'https://{SECRET}'}}", "unknown key 'urll'"),
    ],
)
def test_a_bad_notice_is_refused_without_being_shown(tmp_path: Path, notify: str, said: str) -> None:
    told = refusal(write_study(tmp_path, f"{GOOD}notify: {notify}\n"))
    assert said in told
    assert "study.yaml: notify" in told
    assert "secret" not in told


def test_commands_that_are_printed_and_recorded_do_not_show_it() -> None:
    given = ["study.yaml", "--set", f"notify.url=https://{SECRET}", f"--set=notify={{url: {SECRET}}}", "--set", "a=1"]
    assert without_secrets(given) == ["study.yaml", "--set", "notify.url=...", "--set=notify=...", "--set", "a=1"]
    assert "secret" not in continue_command(given) + failures_command(given)
