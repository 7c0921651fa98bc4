"""What a study file says of running it: the size to match, resources, mirrors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
)

from launch.studyfile import values as v
from launch.studyfile.sections import Section


class ParameterBudget(Section):
    """The network whose number of trained parameters `hidden_size: matched` meets.

    Attributes:
        condition: The condition that this network has.
        hidden_size: Its neurons.
    """

    condition: v.BaseName = "RNN"
    hidden_size: Annotated[int, Field(ge=1, le=4096, description="a whole number from 1 to 4096")] = 256


class Resources(Section):
    """What one trial needs.

    Attributes:
        cpus: Processor cores, which are also its threads.
        gpus: GPUs, or a fraction of one that several trials share; auto for what a probe of the largest trial says.
        memory: In GB, which a node must have free of other trials; null to go by what workers are measured to take.
        max_concurrent: Trials at the same time, null for as many as fit.
        retries: Further attempts at a failed unit.
        timeout_minutes: An epoch that takes longer is taken to hang, and its worker is ended; null for never.
    """

    cpus: v.Positive = 1.0
    gpus: v.Gpus = 0.0
    memory: v.Positive | None = None
    max_concurrent: v.Count | None = None
    retries: v.CountFromZero = 2
    timeout_minutes: v.Minutes | None = 120.0

    @property
    def on_gpu(self) -> bool:
        """True if trials compute on a GPU."""
        return self.gpus == "auto" or self.gpus > 0

    @property
    def gpus_at_most(self) -> float:
        """GPUs of one trial, before any probe: `auto` is at most a whole one."""
        return 1.0 if self.gpus == "auto" else self.gpus


class Wandb(Section):
    """The mirror at Weights & Biases.

    Attributes:
        mode: Where runs go; auto is $WANDB_MODE, else online where W&B finds a login, else offline.
        project: The project that has the runs.
        entity: Whose project it is; null for the login's own.
        runs: The stages whose units become runs.
        system_metrics: Whether each run has W&B's own metrics of processor, memory and GPU.
    """

    mode: Annotated[
        Literal["auto", "online", "offline", "disabled"], Field(description="auto, online, offline or disabled")
    ] = "auto"
    project: v.Project = "glifr-studies"
    entity: Annotated[str, Field(min_length=1, description="a W&B user or team")] | None = None
    runs: Annotated[Literal["all", "final"], Field(description="all or final")] = "all"
    system_metrics: v.Flag = False


class Tracking(Section):
    """Mirrors of the results, which a study can do without.

    Attributes:
        tensorboard: Whether each run also has TensorBoard's event files, in the folder tensorboard of the results.
        mlflow: Whether each run is also in a local MLflow store, in the folder mlflow of the results.
    """

    later = frozenset({"tensorboard", "mlflow"})

    wandb: Wandb = Wandb()
    tensorboard: v.Flag = False
    mlflow: v.Flag = False
