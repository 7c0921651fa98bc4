"""The training recipe of a study, and what a condition may change of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from glifr.configuration import OPTIMIZERS, SCHEDULES, OptimizerName, ScheduleName
from launch.studyfile import values as v
from launch.studyfile.sections import Changes, Section, changes_of


class Adam(Section):
    """Settings of the optimisers adam and adamw.

    Attributes:
        beta1: Decay of the mean of gradients.
        beta2: Decay of the mean of their squares.
        epsilon: Added to the root of that mean.
        weight_decay: Of every trained number, 0 for none.
        decoupled: Whether weight decay is decoupled from the gradient's moments, as in adamw: the older way to ask for
            it.
    """

    later = frozenset({"weight_decay", "decoupled"})

    beta1: v.BelowOne = 0.9
    beta2: v.BelowOne = 0.999
    epsilon: v.Positive = 1e-8
    weight_decay: v.FromZero = 0.0
    decoupled: v.Flag = False


class Sgd(Section):
    """Settings of the optimiser sgd.

    Attributes:
        momentum: Share of the last step that the next one keeps.
        nesterov: Whether it looks ahead by the momentum.
        weight_decay: As of adam, and not decoupled.
    """

    momentum: v.BelowOne = 0.0
    nesterov: v.Flag = False
    weight_decay: v.FromZero = 0.0


class Schedule(Section):
    """The schedule of the learning rate, as a fraction of it, from one training step to the next.

    Attributes:
        name: constant; cosine, down to `end` along half a cosine; or step, times `factor` after every `every` epochs.
        warmup_epochs: Epochs over which it first rises linearly, from nearly 0; a fraction of an epoch is possible.
        end: Of cosine: the fraction of the learning rate in the last step.
        every: Of step: epochs between two steps.
        factor: Of step: what each multiplies the learning rate by.
    """

    name: Annotated[ScheduleName, Field(description=v.either(SCHEDULES))] = "constant"
    warmup_epochs: v.FromZero = 0.0
    end: v.Fraction = 0.0
    every: v.Count = 1
    factor: v.UpToOne = 0.1


class Annealing(Section):
    """A setting that goes from `start` in the first epoch to `end` in the last, linearly in epochs.

    Attributes:
        start: In the first epoch.
        end: In the last epoch.
    """

    start: v.Positive
    end: v.Positive


class Training(Section):
    """How every network is trained.

    Attributes:
        epochs: Passes over the training data.
        batch_size: Samples of one training step.
        optimizer: adam, adamw (Adam with decoupled weight decay) or sgd; its settings are in `adam` or in `sgd`.
        clip_norm: The largest norm of a network's whole gradient; a larger one is scaled down to it; null for no limit.
        schedule: Schedule of the learning rate.
        dropout: Of neurons, per step and sample.
        sigma_v: Width of GLIFR neurons' sigmoid, null for 1 throughout; towards 0 they spike.
        checkpoint_every: In epochs.
        backend: The engine that computes the networks; auto for the fastest that this device and network have.
        seeds_per_batch: Seeds trained as one computation; auto for a number by device and size.
        cuda_graphs: Whether, on CUDA, a training step is recorded once and replayed.
    """

    later = frozenset({"optimizer", "sgd", "clip_norm", "schedule"})

    epochs: v.Count
    batch_size: v.Count
    optimizer: Annotated[OptimizerName, Field(description=v.either(OPTIMIZERS))] = "adam"
    adam: Adam = Adam()
    sgd: Sgd = Sgd()
    clip_norm: v.Positive | None = None
    schedule: Schedule = Schedule()
    dropout: v.Fraction = 0.0
    sigma_v: Annealing | None = None
    checkpoint_every: v.Count = 1
    backend: Annotated[
        Literal["auto", "reference", "torch", "cpu", "triton"],
        Field(description="auto, reference, torch, cpu or triton"),
    ] = "auto"
    seeds_per_batch: v.SeedsPerBatch = "auto"
    cuda_graphs: v.Flag = True


EXECUTION = ("checkpoint_every", "backend", "seeds_per_batch", "cuda_graphs")  # one for the whole study
RECIPE = tuple(name for name in Training.model_fields if name not in EXECUTION)

if TYPE_CHECKING:
    TrainingChanges = Changes
else:
    TrainingChanges = changes_of(Training, RECIPE)
