"""The mirrors that need no account, as `tracking` of a study asks for them: files beside the results."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from glifr.errors import InputError, Problem
from glifr.records import Layout
from launch.studyfile import StudySpec
from launch.studyfile.text.yaml_values import as_yaml
from launch.tracking.mlflow_run import MLflowRun, MLflowRuns
from launch.tracking.rows import Computation, TrackedStudy
from launch.tracking.tensorboard_run import TensorBoardRun, TensorBoardRuns
from launch.tracking.tracker import JobMirror


class Local(NamedTuple):
    """A mirror.

    Attributes:
        name: In words.
        package: The package that it needs.
        raises: The packages whose errors tell of its files.
        run: What writes a run.
        runs: What reads and removes those that stand.
    """

    name: str
    package: str
    raises: tuple[str, ...]
    run: type[TensorBoardRun] | type[MLflowRun]
    runs: type[TensorBoardRuns] | type[MLflowRuns]


# by the key under `tracking`, which is also the name of the extra that installs the package
LOCAL = {
    "tensorboard": Local("TensorBoard", "tensorboard", ("tensorboard",), TensorBoardRun, TensorBoardRuns),
    "mlflow": Local("MLflow", "mlflow", ("mlflow", "sqlalchemy", "alembic"), MLflowRun, MLflowRuns),
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
    for key, _ in asked_for(spec):
        refuse_not_installed(key, place, f"leave tracking.{key} out")


def refuse_not_installed(key: str, place: str, otherwise: str) -> None:
    """As `refuse_missing`, of one mirror. otherwise: what can be done instead of installing it."""
    local = LOCAL[key]
    if importlib.util.find_spec(local.package) is None:
        rule, todo = f"{local.name} is not installed", f"install it, as by pip install 'glifr-studies[{key}]', or"
        raise InputError(Problem(rule, f"{place}: tracking.{key}", as_yaml(True), todo=f"{todo} {otherwise}"))


def local_mirrors(layout: Layout, tracked: TrackedStudy, computed: Computation) -> list[JobMirror]:
    """The local mirrors of a job that is so computed."""
    return [
        JobMirror(local.name, partial(local.run, layout, tracked, computed)) for _, local in asked_for(tracked.spec)
    ]
