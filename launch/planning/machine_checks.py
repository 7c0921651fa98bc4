"""Checks of the machine before a study starts."""

from __future__ import annotations

import math
import os
from dataclasses import replace

import torch

from glifr.definitions import definition_of
from glifr.errors import InputError, Problem
from launch.planning.plan import StudyPlan
from launch.studyfile import StudySpec

_COPIES = 4  # weights, gradients, two moments


def refuse_impossible(spec: StudySpec, address: str | None) -> None:
    """Refuses what this machine cannot run. A cluster is asked once connected to.

    Args:
        spec: The study.
        address: Of a cluster, None for this machine.

    Raises:
        InputError: A trial asks for more than this machine has, or for a backend that its device cannot run.
    """
    if spec.resources.gpus == 0 or address is None:
        _refuse_backend(spec)
    if address is not None:
        return
    gpus, cpus = torch.cuda.device_count(), os.cpu_count() or 1
    problems = []
    if math.ceil(spec.resources.gpus) > gpus:
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


def _refuse_backend(spec: StudySpec) -> None:
    problems: dict[Problem, None] = {}
    for condition in spec.values.values():
        try:
            device = "cuda" if spec.resources.gpus > 0 else "cpu"
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
    if address is not None or plan.study.spec.resources.gpus > 0:
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name, condition in plan.conditions.items():
        needed = _COPIES * condition.trained_parameters * torch.float32.itemsize
        if needed > memory:
            rule = f"one network of {name} needs more memory than this machine has"
            found = f"{condition.hidden_size:,} neurons: {needed / 2**30:,.0f} GiB to train"
            allowed = f"at most {memory / 2**30:,.0f} GiB"
            place = f"conditions.{name}.hidden_size"
            raise InputError(Problem(rule, place, found, allowed, "give fewer neurons, or train it on a cluster"))
