"""Checks of the machine before a study starts."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace

import torch

from glifr.definitions import definition_of
from glifr.errors import InputError, Problem
from launch.planning.plan import StudyPlan
from launch.studyfile import Study, StudySpec


def fitted(study: Study, address: str | None, tell: Callable[[str], None]) -> Study:
    """The study as it runs there, with no GPU for `auto` where there is none; InputError if it cannot run."""
    if address is None:
        study = without_gpus_here(study, torch.cuda.device_count(), tell)
    refuse_impossible(study.spec, address)
    return study


def without_gpus_here(study: Study, gpus: int, tell: Callable[[str], None]) -> Study:
    """The study as a machine with so many GPUs runs it: `auto` is none where there is none."""
    if study.spec.resources.gpus != "auto" or gpus > 0:
        return study
    budget = study.spec.budget
    if budget is not None and budget.gpu_hours is not None:
        rule = "there is no GPU, so trials would run on the CPU (resources.gpus: auto) and spend no GPU-hours"
        todo = "write `hours`, or run it where there is a GPU"
        raise InputError(Problem(rule, "budget.gpu_hours", budget.gpu_hours, "hours or epochs", todo))
    tell("GPU: none, so trials run on the CPU, as with resources.gpus: 0 (it is auto).")
    return study.without_gpus()


def refuse_impossible(spec: StudySpec, address: str | None) -> None:
    """Refuses what this machine cannot run. A cluster is asked once connected to.

    Args:
        spec: The study.
        address: Of a cluster, None for this machine.

    Raises:
        InputError: A trial asks for more than this machine has, or for a backend that its device cannot run.
    """
    if not spec.resources.on_gpu or address is None:
        refuse_backend(spec)
    if address is not None:
        return
    gpus, cpus = torch.cuda.device_count(), os.cpu_count() or 1
    problems = []
    if math.ceil(spec.resources.gpus_at_most) > gpus:
        problems.append(
            Problem(
                "a trial asks for a GPU, and this machine has none"
                if gpus == 0
                else "a trial asks for more GPUs than this machine has",
                "resources.gpus",
                spec.resources.gpus,
                f"at most {gpus}",
                f"--set resources.gpus={gpus}, or --address HOST:PORT of a Ray cluster that has them",
            )
        )
    if spec.resources.cpus > cpus:
        problems.append(
            Problem(
                "a trial asks for more CPUs than this machine has",
                "resources.cpus",
                spec.resources.cpus,
                f"at most {cpus}",
                f"--set resources.cpus={cpus}, or --address HOST:PORT of a Ray cluster that has them",
            )
        )
    if problems:
        raise InputError(*problems)


def refuse_backend(spec: StudySpec) -> None:
    """Raises InputError for a backend that the trials' device cannot run."""
    problems: dict[Problem, None] = {}
    for condition in spec.values.values():
        try:
            device = "cuda" if spec.resources.on_gpu else "cpu"
            definition_of(condition).engine(condition, spec.training.backend, device)
        except InputError as error:
            problems |= dict.fromkeys(replace(problem, place="training.backend") for problem in error.problems)
    if problems:
        raise InputError(*problems)


def refuse_too_large(plan: StudyPlan, address: str | None) -> None:
    """Refuses networks that this machine's memory cannot hold. A cluster's memory is not known here.

    Args:
        plan: The plan.
        address: Of a cluster, None for this machine.

    Raises:
        InputError: The weights, gradients and Adam's two moments of one training exceed the memory.
    """
    if address is not None or plan.study.spec.resources.on_gpu:
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name, condition in plan.conditions.items():
        needed = condition.bytes_to_train
        if needed > memory:
            rule = f"one network of {name} needs more memory than this machine has"
            found = f"{condition.hidden_size:,} neurons: {needed / 2**30:,.0f} GiB to train"
            allowed = f"at most {memory / 2**30:,.0f} GiB"
            place = f"conditions.{name}.hidden_size"
            raise InputError(Problem(rule, place, found, allowed, "give fewer neurons, or train it on a cluster"))
