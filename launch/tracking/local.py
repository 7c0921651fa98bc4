"""The mirrors that need no account, as `tracking` of a study asks for them: files beside the results."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from glifr.errors import InputError, Problem
from glifr.records import Layout
from launch.studyfile import StudySpec
from launch.tracking.mlflow_run import MLflowRun
from launch.tracking.rows import Computation, TrackedStudy
from launch.tracking.tensorboard_run import TensorBoardRun
from launch.tracking.tracker import JobMirror


class Local(NamedTuple):
    """A mirror. name: in words. package: that it needs. run: what writes a run."""

    name: str
    package: str
    run: type[TensorBoardRun] | type[MLflowRun]


# by the key under `tracking`, which is also the name of the extra that installs the package
LOCAL = {
    "tensorboard": Local("TensorBoard", "tensorboard", TensorBoardRun),
    "mlflow": Local("MLflow", "mlflow", MLflowRun),
}


def asked_for(spec: StudySpec) -> Iterator[tuple[str, Local]]:
    """The local mirrors of a study, by their keys."""
    return ((key, local) for key, local in LOCAL.items() if getattr(spec.tracking, key))


def refuse_missing(spec: StudySpec, place: str) -> None:
    """Refuses a mirror whose package is not installed.

    Args:
        spec: The study.
        place: Its file.

    Raises:
        InputError: There is such a mirror.
    """
    for key, local in asked_for(spec):
        if importlib.util.find_spec(local.package) is None:
            rule = f"{local.name} is not installed"
            todo = f"install it, as by pip install 'glifr-studies[{key}]', or leave tracking.{key} out"
            raise InputError(Problem(rule, f"{place}: tracking.{key}", True, todo=todo))


def local_mirrors(layout: Layout, tracked: TrackedStudy, computed: Computation) -> list[JobMirror]:
    """The local mirrors of a job that is so computed."""
    return [
        JobMirror(local.name, partial(local.run, layout, tracked, computed)) for _, local in asked_for(tracked.spec)
    ]
