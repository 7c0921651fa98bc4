"""The results folder of a study: checked before anything starts, then opened."""

from __future__ import annotations

import os
from pathlib import Path

from glifr.checkpoints import write_whole
from glifr.errors import InputError, Problem
from glifr.records import Layout, RecordError, read_sealed, seal
from launch.plan import StudyPlan


def results_folder(plan: StudyPlan, base: Path) -> Path:
    """`<base>/<study>/<profile>`, absolute; raises InputError if it cannot be written. Creates nothing."""
    root = base.resolve() / plan.study.spec.name / plan.study.profile
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


def refuse_foreign(layout: Layout, plan: StudyPlan) -> None:
    """Raises InputError if the folder holds what is not a study of this name, or cannot be trusted."""
    try:
        standing = read_sealed(layout.study)
    except FileNotFoundError:
        strangers = [p.name for p in layout.root.iterdir() if p.name not in (layout.lock.name, layout.wandb.name)]
        if strangers:
            raise InputError(
                Problem(
                    "this folder has files in it but is not a results folder",
                    str(layout.root),
                    sorted(strangers)[:5],
                    "an empty folder, or one with a study.json",
                    "give another with --results DIR",
                )
            ) from None
        return
    except RecordError as error:
        raise InputError(
            Problem("study.json cannot be trusted", str(error), todo="move the folder away, or give another --results")
        ) from None
    if standing["task"]["fingerprint"] != plan.fingerprint:
        raise InputError(
            Problem(
                "the results in this folder were made with other data",
                str(layout.study),
                f"data {standing['task']['fingerprint'][:12]} ({standing['task']['source']})",
                f"data {plan.fingerprint[:12]} ({plan.study.spec.task.source})",
                "give the study another name or --results, or the data it had",
            )
        )


def write_study(layout: Layout, plan: StudyPlan) -> None:
    """Writes the resolved study, the one that workers and analysis read."""
    write_whole(layout.study, seal(plan.summary()))
