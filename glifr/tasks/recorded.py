"""A task as a results folder has it on record: what it is, without its data, and without importing anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from glifr.tasks.task import TaskDefinition


def recorded_task(body: Mapping[str, Any]) -> TaskDefinition:
    """The task of a `study.json`'s section `task`; of earlier versions without its numbers of inputs and outputs."""
    classes = body["classes"]
    return TaskDefinition(
        name=body["name"],
        title=body["title"],
        inputs=body.get("inputs", 1),
        outputs=body.get("outputs", classes or 1),
        steps=body["steps"],
        time_step_ms=body["time_step_ms"],
        loss="mean_squared_error" if classes is None else "cross_entropy",
        readout="all",
        primary=body["primary"],
        chance_loss=body["chance_loss"],
        chance_accuracy=body["chance_accuracy"],
        sources=(body["source"],),
        sizes=lambda source: dict(body["splits"]),
        load=_not_kept,
        load_test=_not_kept,
        fingerprint=lambda settings: str(body["fingerprint"]),
        passes=body["passes"],
        problems=body.get("problems", 1),
    )


def _not_kept(settings: object) -> NoReturn:
    raise ValueError("a results folder keeps no data")
