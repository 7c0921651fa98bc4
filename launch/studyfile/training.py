"""How networks are trained: the study's recipe, and what a condition may change of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from launch.studyfile import values as v
from launch.studyfile.sections import Changes, Section, changes_of


class Adam(Section):
    """weight_decay: of every trained number, 0 for none; decoupled from the gradient's moments it makes AdamW."""

    later = frozenset({"weight_decay", "decoupled"})

    beta1: v.BelowOne = 0.9
    beta2: v.BelowOne = 0.999
    epsilon: v.Positive = 1e-8
    weight_decay: v.FromZero = 0.0
    decoupled: v.Flag = False


class Annealing(Section):
    """A setting that goes from `start` in the first epoch to `end` in the last, linearly in epochs."""

    start: v.Positive
    end: v.Positive


class Training(Section):
    """epochs: passes over the training data. checkpoint_every: in epochs. dropout: of neurons, per step and sample.

    sigma_v: of GLIFR neurons, null for 1 throughout; towards 0 they spike.
    seeds_per_batch: seeds trained as one computation, auto for one by device and size. cuda_graphs: replay a step.
    """

    epochs: v.Count
    batch_size: v.Count
    adam: Adam = Adam()
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
