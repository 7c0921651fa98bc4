"""The results folder of a study: checked before anything starts, then opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from glifr.errors import InputError, Problem
from glifr.records import Layout, declaration_hash, read_sealed, seal
from glifr.records.atomic import write_whole
from launch.ledger.durable import now
from launch.outside.modules import OutsideCode, stage
from launch.planning.plan import StudyPlan
from launch.studyfile import Study


def results_path(study: Study, base: Path) -> Path:
    """`<base>/<study>/<profile>`, absolute, to be read; raises InputError if there can be no such path."""
    try:
        root = base.resolve() / study.spec.name / study.profile
        root.exists()
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, a link that leads in a circle, a NUL
        rule = f"the results folder's path cannot be followed ({getattr(error, 'strerror', None) or error})"
        raise InputError(Problem(rule, "--results", str(base), todo="give another with --results DIR")) from None
    return root


def results_folder(study: Study, base: Path) -> Path:
    """As `results_path`, to be written; raises InputError if it cannot be. Creates nothing."""
    root = results_path(study, base)
    standing = next(p for p in (root, *root.parents) if p.exists() or p.is_symlink())
    if not standing.is_dir():
        raise _cannot_write(root, f"{standing} is a file, not a folder")
    if not os.access(standing, os.W_OK | os.X_OK):
        raise _cannot_write(root, f"{standing} is not writable for you")
    return root


def _cannot_write(root: Path, reason: str) -> InputError:
    return InputError(
        Problem(
            f"the results folder cannot be written: {reason}",
            "--results",
            str(root),
            "a folder that exists or can be made",
            "give another with --results DIR",
        )
    )


def create(root: Path) -> Layout:
    """Makes the folder; raises InputError if that fails."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(root, str(error)) from None
    return Layout(root)


def keep_code(layout: Layout, code: OutsideCode) -> None:
    """Keeps a copy of the study's own code with its results, in a folder named by the module and its hash."""
    for module in code.modules:
        folder = layout.code / f"{module.name}-{module.digest[:12]}"
        if module.home is None or folder.exists():
            continue
        aside = folder.with_name(f".{folder.name}.{os.getpid()}")
        stage([replace(module, home=code.staged)], aside)
        aside.rename(folder)


def refuse_foreign(layout: Layout) -> None:
    """Raises InputError if the folder holds what is not a study."""
    if layout.study.exists() or layout.units.exists():
        return
    own = (layout.lock.name, layout.wandb.name, layout.events.name, layout.scratch.name)
    strangers = [p.name for p in layout.root.iterdir() if p.name not in own and p.suffix != ".tmp"]
    if strangers:
        raise InputError(
            Problem(
                "this folder has files in it but is not a results folder",
                str(layout.root),
                sorted(strangers)[:5],
                "an empty folder, or one with a study.json",
                "give another with --results DIR",
            )
        )


def write_study(layout: Layout, plan: StudyPlan, alike: Sequence[tuple[str, str]] | None = None) -> None:
    """Writes the resolved study, the one that workers and analysis read, with the history of its declaration.

    alike: pairs of conditions that are numerically one network; None where nobody has looked.
    """
    _keep_starts(layout, plan)
    summary = plan.summary()
    seen = {} if alike is None else {"alike": [list(pair) for pair in alike]}
    write_whole(layout.study, seal({**summary, **seen, "declarations": _declarations(layout, summary["declaration"])}))


def _keep_starts(layout: Layout, plan: StudyPlan) -> None:
    """Copies the networks that conditions start from: what workers read, wherever they are."""
    for own in plan.conditions.values():
        if own.checkpoint is not None and not layout.start(own.checkpoint["sha256"]).exists():
            path = layout.start(own.checkpoint["sha256"])
            path.parent.mkdir(exist_ok=True)
            write_whole(path, (plan.study.path.parent / own.checkpoint["from"]).read_bytes())


def recorded_alike(layout: Layout, plan: StudyPlan) -> list[tuple[str, str]] | None:
    """The pairs that `write_study` recorded for the same study; None where nobody has looked or it was edited."""
    try:
        standing = read_sealed(layout.study)
    except FileNotFoundError:
        return None
    if standing.get("hash") != plan.study.hash or "alike" not in standing:
        return None
    return [(first, second) for first, second in standing["alike"]]


def _declarations(layout: Layout, declared: dict[str, Any]) -> list[dict[str, Any]]:
    """Each declaration that the study has had: its hash, when, and how many final networks had a result by then."""
    try:
        standing = read_sealed(layout.study)
    except FileNotFoundError:
        standing = {}
    # a folder from before declarations were recorded: its first one counts as made now
    history: list[dict[str, Any]] = standing.get("declarations", [])
    if history and history[-1]["hash"] == declaration_hash(declared):
        return history
    results = sum(1 for _ in layout.units.glob("final/*/*/result.json"))
    return [*history, {"hash": declaration_hash(declared), "declared_at": now(), "final_results": results}]
