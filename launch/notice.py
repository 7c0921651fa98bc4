"""Tells that a session has ended, as the study's `notify` asks: bounded in time, and never at the study's cost.

Nothing of the URL or the command is ever printed or recorded: they may hold a secret.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Literal, Self

from glifr.errors import InputError
from launch.studyfile import StudySpec
from launch.studyfile.cost import Notify

Ending = Literal["complete", "incomplete", "stopped", "failed"]


@dataclass(frozen=True)
class Notice:
    """What is told when a session ends.

    Attributes:
        answer: The report's first sentence, or why there is no report.
        report: Its path, '' for none.
    """

    study: str
    profile: str
    ending: Ending
    answer: str
    report: str = ""

    @property
    def text(self) -> str:
        """The whole notice in words."""
        where = f" Report: {self.report}" if self.report else ""
        return f"{self.study} ({self.profile}), {self.ending}: {self.answer}{where}"


class Notifier:
    """Entered around a session: whatever way that ends, the notice is given once.

    say: prints why it could not be given. answer, report: what is told of a session that has a report, or of a stop.
    """

    def __init__(self, spec: StudySpec, profile: str, say: Callable[[str], None] = print) -> None:
        self._spec, self._profile, self._say = spec, profile, say
        self._told = False
        self.ending: Ending = "failed"
        self.answer, self.report = "the session ended before its report was made", ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            problems = error.problems if isinstance(error, InputError) else ()
            self.ending, self.report = "failed", ""
            self.answer = problems[0].rule if problems else type(error).__name__
        self.tell()

    def tell(self) -> None:
        """Gives the notice, if it was not given."""
        if self._told:
            return
        self._told = True
        notice = Notice(self._spec.name, self._profile, self.ending, self.answer, self.report)
        if reason := tell(self._spec.notify, notice):
            self._say(f"The notice was not given: {reason}.")

    def leaving(self, close: Callable[[int], None]) -> Callable[[int], None]:
        """`close`, and then the notice that the session was stopped: for a process that leaves at once."""

        def leave(code: int) -> None:
            close(code)
            if self.ending == "failed":
                self.ending, self.answer = "stopped", "it was left at once; nothing is lost"
            self.tell()

        return leave


def tell(notify: Notify | None, notice: Notice) -> str:
    """Gives the notice; returns '' or, in words, why that was not possible. It takes `notify.seconds` at most."""
    if notify is None:
        return ""
    found = ["there was no answer in time"]
    # in a thread that is left behind: a name that does not resolve has no time limit of its own
    thread = threading.Thread(target=lambda: found.__setitem__(0, _given(notify, notice)), daemon=True)
    thread.start()
    thread.join(notify.seconds + 0.5)
    return found[0]


def _given(notify: Notify, notice: Notice) -> str:
    try:
        return _posted(notify, notice) if notify.url is not None else _run(notify, notice)
    except Exception as error:  # whatever it is, the study has ended and its results stand
        return type(error).__name__


def _posted(notify: Notify, notice: Notice) -> str:
    url = notify.url or ""
    if url.startswith("$"):
        url = os.environ.get(url[1:], "")
        if not url.startswith(("http://", "https://")):
            return "the environment variable that notify.url names holds no URL"
    body = json.dumps({"text": notice.text, **asdict(notice)}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=notify.seconds):
            return ""
    except urllib.error.HTTPError as error:
        return f"the answer was HTTP {error.code}"
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        return getattr(reason, "strerror", None) or type(reason).__name__


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A notice goes where the study says, and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


def _run(notify: Notify, notice: Notice) -> str:
    words = shlex.split(notify.command or "")
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, text=True, start_new_session=True
    ) as process:
        try:
            process.communicate(notice.text + "\n", timeout=notify.seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return "the command did not end in time"
        return f"the command ended with exit code {process.returncode}" if process.returncode else ""
