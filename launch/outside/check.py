"""Makes code from outside ready for a study: finds it, copies it, tries it in another process, makes it importable.

Everything that is wrong with it is told as a fault of the study, at the key that names it, before anything is queued.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import glifr
from glifr.errors import InputError, Problem, Written, nearest
from glifr.outside import NETWORKS, Group, package_of, referenced, top_module
from glifr.tasks import ARRAYS, TASKS
from launch.outside.modules import Module, OutsideCode, find_module, installed_module, module_name, stage
from launch.outside.probe import CONDITION, Networks, Request

LIMIT = 20.0  # s for importing, building and a training step; loading data may take longer
_START = 120.0  # s until the process has imported what the project itself needs
_STAGED = "glifr-code-"
KeyPath = tuple[str | int, ...]
_PLACES: dict[str, KeyPath] = {"task": ("task", "name")}


@dataclass(frozen=True)
class OutsideProblem:
    """A problem at a key of the study, of which the reader says file and line."""

    path: KeyPath
    problem: Problem


@dataclass(frozen=True)
class Prepared:
    """The code of a study, and what is wrong with it."""

    code: OutsideCode
    wrong: tuple[OutsideProblem, ...] = ()


def look(data: dict[str, Any], base: Path) -> Prepared:
    """What a study names under `code`, found and hashed; nothing is copied or imported.

    What another study of this process had imported is forgotten. data: the study as it was read, unchecked. base: its
    folder.
    """
    _forget()
    given = data.get("code")
    entries = [e for e in given if isinstance(e, str)] if isinstance(given, list) else []
    modules: dict[str, Module] = {}
    wrong: list[OutsideProblem] = []
    for index, entry in enumerate(entries):
        name = module_name(entry)
        if name in modules:
            rule = f"the name {name} is given twice: a study imports one of them"
            wrong.append(
                OutsideProblem(("code", index), Problem(rule, "", entry, todo="leave one, or give it another name"))
            )
            continue
        with _at(("code", index), wrong):
            modules[name] = replace(find_module(entry, base, entries), place=("code", index))
    for path, name, groups in _references(data):
        with _at(path, wrong):
            reference = referenced(name, *groups)
            if reference is None:
                continue
            top, package = top_module(reference), package_of(name, *groups)
            if top not in modules and package is not None:
                modules[top] = replace(installed_module(top, package), place=path)
            elif top not in {*modules, *map(module_name, entries)}:
                todo = nearest(top, list(modules)) or f"add `code: [{top}]`: what is named there is hashed and shipped"
                raise InputError(Problem(f"the code of {top} is not named under `code`", "", name, todo=todo))
    return Prepared(OutsideCode(tuple(modules.values())), tuple(wrong))


def prepare(data: dict[str, Any], base: Path) -> Prepared:
    """As `look`; then the code is copied, tried, and importable in this process from its copy."""
    found = look(data, base)
    if not found.code.modules or found.wrong:
        return found
    staged = Path(tempfile.mkdtemp(prefix=_STAGED))
    atexit.register(shutil.rmtree, staged, ignore_errors=True)
    code = OutsideCode(found.code.modules, staged)
    stage(code.modules, staged)
    failed = try_out(_request(code, data), code, LIMIT)
    if failed is not None:
        return Prepared(code, (failed,))
    _Active.code = code
    sys.path.insert(0, str(staged))
    return Prepared(code)


class _Active:
    """The code that this process imports from; one study's at a time, for two may have modules of one name."""

    code: OutsideCode | None = None


def _forget() -> None:
    code, _Active.code = _Active.code, None
    if code is None:
        return
    with contextlib.suppress(ValueError):
        sys.path.remove(str(code.staged))
    own = {m.name for m in code.modules if m.home is not None}
    for name in [n for n in sys.modules if n.partition(".")[0] in own]:
        del sys.modules[name]


def _references(data: dict[str, Any]) -> Iterator[tuple[KeyPath, str, tuple[Group, ...]]]:
    """Where a study may name an object from outside, what it names there, and the entry points that may be meant."""
    task, conditions = data.get("task"), data.get("conditions")
    name = task.get("name") if isinstance(task, dict) else None
    if isinstance(name, str) and name not in (*TASKS, ARRAYS):
        yield ("task", "name"), name, ("tasks",)
    for condition, own in conditions.items() if isinstance(conditions, dict) else ():
        network = own.get("network") if isinstance(own, dict) else None
        network = network.get("name") if isinstance(network, dict) else network
        if isinstance(network, str):
            yield ("conditions", condition, "network"), network, NETWORKS


def _request(code: OutsideCode, data: dict[str, Any]) -> Request:
    task = None
    if any(path == ("task", "name") for path, *_ in _references(data)):
        given = {key: data["task"].get(key) for key in ("name", "source", "data_root", "train_on")}
        texts = {key: value if isinstance(value, str) else None for key, value in given.items()}
        task = {**texts, "train_on": texts["train_on"] or "train"}
        if referenced(str(texts["name"]), "tasks") is None:
            task = None  # told when the study is checked
    return Request(_staged(code), [m.name for m in code.modules], task)


def try_networks(networks: Networks, code: OutsideCode) -> OutsideProblem | None:
    """What is wrong with networks from outside, built and trained for a step in another process; None where nothing is.

    The study has passed its checks, and `prepare` has found that its code can be imported.
    """
    return try_out(Request(_staged(code), [m.name for m in code.modules], None, networks), code, LIMIT)


def _staged(code: OutsideCode) -> str | None:
    return None if code.staged is None else str(code.staged)


@contextlib.contextmanager
def _at(path: KeyPath, wrong: list[OutsideProblem]) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        wrong += [OutsideProblem(path, problem) for problem in error.problems]


def try_out(request: Request, code: OutsideCode, limit: float) -> OutsideProblem | None:
    """What is wrong with the code, from a process that imports and uses it; None where nothing is.

    limit: seconds for each thing that it does, but for the loading of data.
    """
    home = str(Path(glifr.__file__).parent.parent)
    path = os.pathsep.join(p for p in (request.staged, home, os.environ.get("PYTHONPATH")) if p)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", "-m", "launch.outside.probe"]
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, env=environment
        )
        try:
            assert process.stdin is not None
            process.stdin.write(request.to_json())
            process.stdin.close()
            failed = _follow(process, limit)
        finally:
            process.kill()
            process.wait()
        said.seek(0)
        return None if failed is None else _told(failed, code, said.read())


@dataclass(frozen=True)
class _Failed:
    """doing, of: the last that the process said it does. problem: None where it ended, or ran too long."""

    doing: str
    of: str
    problem: dict[str, Any] | None
    why: str = ""


def _follow(process: subprocess.Popen[str], limit: float) -> _Failed | None:
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    doing, of, seconds = "starting", "task", _START
    while True:
        try:
            line = lines.get(timeout=seconds)
        except queue.Empty:
            return _Failed(doing, of, None, f"takes longer than {seconds:g} s")
        if line is None:
            code = process.wait()
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return _Failed(doing, of, None, f"ends the process ({how})")
        found = json.loads(line)
        if "done" in found:
            return None
        if "problem" in found:
            return _Failed(doing, of, found["problem"])
        doing, of, seconds = found["doing"], found["of"], limit if found["limited"] else threading.TIMEOUT_MAX


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _told(failed: _Failed, code: OutsideCode, said: str) -> OutsideProblem:
    """The failure in the user's words: paths are those of the user's own files, not of their copies."""
    places = {m.name: m.place for m in code.modules} | _PLACES
    kind, _, condition = failed.of.partition(" ")
    path: KeyPath = places.get(failed.of, ("code", 0))
    if kind == CONDITION:
        path = ("conditions", condition, "network")
    own = failed.problem
    if own is None:
        detail = "\n".join(said.splitlines()[-8:])
        todo = "let it do less when it is imported; what is slow belongs into `load`"
        if kind == CONDITION:
            todo = "make it faster: a study takes many such steps"
        return OutsideProblem(path, Problem(f"{failed.doing} {failed.why}", "", todo=todo, detail=_shown(detail, code)))
    if "rule" in own:
        at = "" if own["at"] in own["rule"] else f": {own['at']}"
        rule = f"{own['rule']} (found by {failed.doing}{at})"
        if own["value"] is None:
            return OutsideProblem(path, Problem(rule, "", allowed=own["allowed"], todo=own["todo"]))
        return OutsideProblem(path, Problem(rule, "", Written(own["value"]), own["allowed"], own["todo"]))
    first_line = next(iter(own["message"].splitlines()), "")
    rule = f"{failed.doing} raises {own['raised']}: {first_line}".rstrip(": ")
    todo, detail = "mend it; this is its own traceback:", "\n".join(own["traceback"])
    return OutsideProblem(path, Problem(rule, "", todo=todo, detail=_shown(detail, code)))


def _shown(text: str, code: OutsideCode) -> str:
    for module in code.modules:
        if module.home is not None:
            for top in {name.partition("/")[0] for name in module.files}:
                text = text.replace(f"{code.staged}/{top}", str(module.home / top))
    return text
