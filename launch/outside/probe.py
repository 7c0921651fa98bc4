"""A process of its own that tries code from outside: imports it, loads its data, builds its networks, takes one step.

It reads a `Request` as JSON and writes what it does as JSON lines. What the code prints goes to the error stream.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO, TypedDict

Tell = Callable[[dict[str, Any]], None]


CONDITION = "condition"  # what a condition's network is told as, before its name


class Networks(TypedDict):
    """Networks from outside that are to be tried.

    Attributes:
        task: As study.json describes it, with its readout.
        budget: The condition, as JSON, and the size to whose number of trained parameters the others are matched.
    """

    task: dict[str, Any]
    budget: tuple[dict[str, Any], int]
    conditions: list[dict[str, Any]]


@dataclass(frozen=True)
class Request:
    """What another process is asked to try.

    Attributes:
        staged: Where the user's own modules lie.
        modules: What is imported.
        task: The task's name and settings; None to skip it.
        networks: Where given, only they are tried, the rest being known to be sound.
    """

    staged: str | None
    modules: list[str]
    task: dict[str, Any] | None
    networks: Networks | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def main() -> None:
    """Answers one request."""
    told: TextIO = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def tell(what: dict[str, Any]) -> None:
        print(json.dumps(what), file=told, flush=True)

    request = Request(**json.load(sys.stdin))
    try:
        _look(request, tell)
    except BaseException as error:  # SystemExit too: own code may raise anything
        tell({"problem": _problem(error, request)})
    else:
        tell({"done": True})
    told.flush()
    os._exit(0)  # threads that the code may have started end with it


def _look(request: Request, tell: Tell) -> None:
    from glifr.outside import load_object, referenced  # seconds, which are not the code's
    from glifr.tasks import TaskDefinition, TaskSettings
    from launch.outside.trial_step import refuse_unsound
    from launch.outside.verify import check_data, check_definition

    if request.networks is not None:
        from launch.outside.networks import try_each

        try_each(request.networks, tell)
        return
    for module in request.modules:
        tell({"doing": f"importing {module}", "limited": True, "of": module})
        __import__(module)
    if request.task is None:
        return
    given = request.task
    reference = referenced(given["name"], "tasks")
    assert reference is not None
    tell({"doing": f"reading the definition of {reference}", "limited": True, "of": "task"})
    task = load_object(reference, TaskDefinition)
    check_definition(task)
    root = None if given["data_root"] is None else Path(given["data_root"])
    settings = TaskSettings(given["name"], given["source"] or task.sources[0], root, given["train_on"])
    if settings.source in task.sources:
        task = task.for_settings(settings)
        check_definition(task)
        tell({"doing": "loading its data", "limited": False, "of": "task"})
        check_data(task, settings)
        tell({"doing": "taking one training step", "limited": True, "of": "task"})
        refuse_unsound(task, task.load(settings))


def _problem(error: BaseException, request: Request) -> dict[str, Any]:
    from glifr.errors import InputError, shorten

    lines = [] if isinstance(error, InputError) else _own_lines(error, _homes(request))
    if isinstance(error, InputError):
        first = error.problems[0]
        value = shorten(first.value) if first.has_value else None
        return {"rule": first.rule, "at": first.place, "value": value, "allowed": first.allowed, "todo": first.todo}
    return {"raised": type(error).__name__, "message": str(error), "traceback": lines}


def _homes(request: Request) -> list[str]:
    """Where the code lies: the copies, and each installed package or file."""
    found = [] if request.staged is None else [request.staged]
    for spec in map(importlib.util.find_spec, request.modules):
        if spec is not None:
            found += spec.submodule_search_locations or [spec.origin or ""]
    return [home for home in found if home]


def _own_lines(error: BaseException, homes: list[str]) -> list[str]:
    """The traceback from the first line on that lies in own code; without one, as of a syntax error, what is raised."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, f in enumerate(frames) if f.filename.startswith(tuple(homes))), None)
    shown = frames[first:] if first is not None else []
    return "".join(traceback.format_list(shown) + traceback.format_exception_only(error)).splitlines()


if __name__ == "__main__":
    main()
