"""What the machine must have before a study starts."""

from __future__ import annotations

import math
import os

import torch

from glifr.errors import InputError, Problem
from launch.spec import StudySpec


def refuse_impossible(spec: StudySpec, address: str | None) -> None:
    """Raises InputError if a trial asks for more than this machine has. A cluster is asked once connected to."""
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
