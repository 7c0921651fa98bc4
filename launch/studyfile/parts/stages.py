"""The stages of a study file: search, confirmation, final networks, silencing."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    Discriminator,
    Field,
    Tag,
)

from launch.studyfile import values as v
from launch.studyfile.dimensions import Space
from launch.studyfile.search.known import LearnFrom, StartAt
from launch.studyfile.search.pruners import PRUNERS, Pruner
from launch.studyfile.search.samplers import SAMPLERS, Sampler, one_of_these
from launch.studyfile.sections import Section


class Search(Section):
    """The search of each condition.

    Attributes:
        trials: Of one search; a grid determines their number.
        epochs: Of one trial, null for those of training.
        seeds_per_trial: Seeds that a trial is trained on; its score is their mean.
        spaces: What is searched, for each family of networks.
        sampler: Proposes trials.
        pruner: Stops trials early.
        repeats: Independent searches of each condition, each with its own confirmation and its share of the final
            seeds.
        start_at: Points that every condition tries first, as far as it has their dimensions; they count as trials.
        learn_from: A study of the same conditions, task and dimensions, whose trials teach the sampler.
    """

    later = frozenset({"start_at", "learn_from"})

    trials: Annotated[int, Field(ge=1, le=100_000, description="a whole number from 1 to 100000")] | None = None
    epochs: v.Count | None = None
    seeds_per_trial: v.Seeds
    spaces: Annotated[dict[v.Family, Space], Field(description="a space file or a space for each family")]
    sampler: Annotated[Sampler, Field(discriminator="name", description=one_of_these(SAMPLERS))]
    pruner: Annotated[Pruner, Field(discriminator="name", description=one_of_these(PRUNERS))]
    repeats: v.Repeats = 1
    start_at: StartAt = ()
    learn_from: LearnFrom | None = None


class Confirm(Section):
    """The confirmation of each search.

    Attributes:
        top: How many of a condition's best configurations are trained again, each on `seeds`.
        seeds: Fresh seeds for that; the best mean decides.
    """

    top: v.Count
    seeds: v.Seeds


class SeedLooks(Section):
    """How many final networks a condition has over all repeats, if looks decide it.

    After each look, conditions that are decided get no more; the error over all looks is held.

    Attributes:
        first: At the first look.
        step: More at each further look.
        most: At most.
    """

    first: Annotated[int, Field(ge=2, le=v.MAX_SEEDS, description="a whole number from 2: seeds at the first look")]
    step: Annotated[int, Field(ge=1, le=v.MAX_SEEDS, description="a whole number from 1: seeds more at each look")]
    most: Annotated[int, Field(ge=2, le=v.MAX_SEEDS, description="a whole number, `first` or more: seeds at the last")]


def _number_or_looks(value: Any) -> str:
    return v.LOOKS if isinstance(value, dict | SeedLooks) else v.NUMBER


class Final(Section):
    """The final networks of each condition.

    Attributes:
        seeds: How many networks, which seeds, or the looks that decide how many.
    """

    seeds: Annotated[
        Annotated[v.Seeds, Tag(v.NUMBER)] | Annotated[SeedLooks, Tag(v.LOOKS)],
        Discriminator(_number_or_looks),
        Field(description=f"{v.SEEDS_RULE}, or {{first: 10, step: 5, most: 40}}"),
    ]


class Silencing(Section):
    """The silencing of each final network.

    Attributes:
        fractions: Of its neurons.
        masks: Random choices of neurons at each fraction.
    """

    fractions: v.Fractions
    masks: v.Count
