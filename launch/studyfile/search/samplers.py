"""The samplers of Optuna that a study may name, each with its own settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from launch.studyfile import values as v
from launch.studyfile.sections import Section


class Named(Section):
    """A section that one of several types describes, distinguished by `name`.

    Attributes:
        needs: Packages that Optuna needs for it.
    """

    needs: ClassVar[tuple[str, ...]] = ()


def one_of_these(kinds: Sequence[type[Named]]) -> str:
    """Their names, in words."""
    return "one of " + ", ".join(name_of(kind) for kind in kinds)


def name_of(kind: type[BaseModel]) -> str:
    """The one `name` that a type has."""
    (name,) = get_args(kind.model_fields["name"].annotation)
    return str(name)


class WithFormer(Named):
    """Keeps, without effect, the keys of the type that it shared with `former` when it was first hashed.

    A profile that changes the name inherits them from the study, and hashes of earlier studies have them.
    """

    former: ClassVar[type[Named]]
    _kept: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def former_keys(cls) -> dict[str, Any]:
        """The keys and their defaults."""
        fields = cls.former.model_fields.items()
        return {name: info.default for name, info in fields if name != "name" and name not in cls.former.later}

    @model_validator(mode="wrap")
    @classmethod
    def _split(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(data, dict):
            return handler(data)
        former = cls.former_keys()
        made = handler({key: value for key, value in data.items() if key not in former})
        made._kept = former | {key: value for key, value in data.items() if key in former}
        return made

    @model_serializer(mode="wrap")
    def _with_former(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {**handler(self), **self._kept}


class TpeSampler(Named):
    """Optuna's tree-structured Parzen estimator: for mixed spaces and parallel trials, from about ten trials on.

    Attributes:
        startup_trials: Drawn at random before the model proposes.
        candidates: Optuna's n_ei_candidates.
        multivariate: Whether dimensions are modelled together.
        constant_liar: Whether open trials count as bad ones, so that parallel proposals spread.
        group: Whether dimensions that occur together form groups, each with a model.
    """

    name: Annotated[Literal["tpe"], Field(description="tpe")]
    startup_trials: v.CountFromZero = 10
    candidates: v.Count = 24
    multivariate: v.Flag = True
    constant_liar: v.Flag = True
    group: v.Flag = False


class RandomSampler(WithFormer):
    """Independent draws: for a first look, and where the search must repeat whole."""

    former = TpeSampler

    name: Annotated[Literal["random"], Field(description="random")]


class GpSampler(Named):
    """Optuna's Gaussian process with expected improvement: for few, costly trials in a few dimensions.

    Attributes:
        startup_trials: Drawn at random before the model proposes.
        deterministic: Whether trials are without noise.
    """

    needs = ("scipy", "torch")

    name: Annotated[Literal["gp"], Field(description="gp")]
    startup_trials: v.CountFromZero = 10
    deterministic: v.Flag = False


class CmaesSampler(Named):
    """Optuna's CMA-ES: for numbers alone and hundreds of trials; choices are drawn at random.

    Attributes:
        startup_trials: Drawn at random before the first generation.
        population: Trials per generation, null for 4 + 3 ln(d) in d dimensions.
        separable: Whether the covariance is diagonal.
        margin: Whether whole numbers keep a margin.
        adapt_rate: Whether the rate of learning adapts to noise.
        pruned_trials: Whether these count, with their last value.
    """

    needs = ("cmaes",)

    name: Annotated[Literal["cmaes"], Field(description="cmaes")]
    startup_trials: v.CountFromZero = 1
    population: Annotated[int, Field(ge=4, le=v.MAX_COUNT, description="a whole number from 4")] | None = None
    separable: v.Flag = False
    margin: v.Flag = False
    adapt_rate: v.Flag = False
    pruned_trials: v.Flag = False


class QmcSampler(Named):
    """Optuna's quasi-Monte Carlo draws: like random, but more even; 2, 4, 8, ... trials for sobol.

    Attributes:
        sequence: The sequence of points.
        scramble: Whether the sequence is shuffled by the study's seed; otherwise it begins at the lower ends.
    """

    needs = ("scipy",)

    name: Annotated[Literal["qmc"], Field(description="qmc")]
    sequence: Annotated[Literal["sobol", "halton"], Field(description="sobol or halton")] = "sobol"
    scramble: v.Flag = True


class GridSampler(Named):
    """Optuna's grid: every combination once, in an order shuffled by the study's seed; it gives the number of trials.

    Its values are those of `choices`, the whole numbers of a range, or `points` values of a range.
    """

    name: Annotated[Literal["grid"], Field(description="grid")]


Sampler = TpeSampler | RandomSampler | GpSampler | CmaesSampler | QmcSampler | GridSampler
SAMPLERS: tuple[type[Named], ...] = (TpeSampler, RandomSampler, GpSampler, CmaesSampler, QmcSampler, GridSampler)
LEARNING = (TpeSampler, GpSampler, CmaesSampler)  # proposals follow from results, once there are enough of them
