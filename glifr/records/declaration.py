"""The declaration of a study: how its conditions will be judged, fixed before there are results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Self

from glifr.conditions import CONDITIONS, Condition
from glifr.records.envelope import digest
from glifr.records.factors import Factor, is_published

Primary = str  # accuracy, loss, or a metric of the task's own
ALPHA = 0.05
SMALLEST_ACCURACY = 0.005  # half a percentage point
SMALLEST_SHARE_OF_CHANCE = 0.01  # for a loss: of the loss of chance


@dataclass(frozen=True)
class Contrast:
    """The mean over some conditions minus the mean over others, within each seed.

    Attributes:
        name: Its name.
        of: The conditions that count positively.
        minus: Those that count negatively.
    """

    name: str
    of: tuple[str, ...]
    minus: tuple[str, ...]

    @property
    def conditions(self) -> tuple[str, ...]:
        """Every condition that must have a network of a seed for the seed to count."""
        return (*self.of, *self.minus)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(body["name"], tuple(body["of"]), tuple(body["minus"]))


@dataclass(frozen=True)
class Declaration:
    """What a study declares before it runs.

    Attributes:
        primary: What is compared, on test data.
        smallest_effect: The smallest difference that matters, in the recorded unit (a share of 1 for accuracy).
        alpha: Level of the tests; of a family's after Holm's correction.
        contrasts: The planned family.
        factors: What is crossed; their effects are another family.
    """

    primary: Primary
    smallest_effect: float
    alpha: float
    contrasts: tuple[Contrast, ...]
    factors: tuple[Factor, ...] = ()

    @property
    def hash(self) -> str:
        """SHA-256 of the declaration; see `declaration_hash`."""
        return declaration_hash(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """What is recorded; factors only where there are some."""
        factors = {"factors": [factor.to_json() for factor in self.factors]} if self.factors else {}
        return {
            "primary": self.primary,
            "smallest_effect": self.smallest_effect,
            "alpha": self.alpha,
            "contrasts": [{"name": c.name, "of": list(c.of), "minus": list(c.minus)} for c in self.contrasts],
            **factors,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        contrasts = tuple(Contrast.from_json(c) for c in body["contrasts"])
        factors = tuple(Factor.from_json(f) for f in body.get("factors", ()))
        return cls(**{**body, "contrasts": contrasts, "factors": factors})


def declaration_hash(body: dict[str, Any]) -> str:
    """Hashes a declaration as it is recorded.

    The published factors are left out: studies were judged by them before they were declared, under this hash.

    Args:
        body: The recorded declaration.

    Returns:
        SHA-256, hexadecimal.
    """
    factors = [Factor.from_json(f) for f in body.get("factors", ())]
    return digest({k: v for k, v in body.items() if k != "factors" or not is_published(factors)})


def pair(of: str, minus: str) -> Contrast:
    """One condition minus another."""
    return Contrast(f"{of} \N{MINUS SIGN} {minus}", (of,), (minus,))


def default_contrasts(
    names: Sequence[str], reference: str, conditions: Mapping[str, Condition] = CONDITIONS
) -> tuple[Contrast, ...]:
    """Makes the contrasts of a study that declares none.

    They are each condition minus the reference; then the networks that the study takes apart, each as a whole against
    every other network; then these against each other. The networks taken apart are those that stand in several
    conditions and have neuron parameters, or the reference. Others are compared by the reference alone where one of two
    has it, and by each of their conditions where they have neuron parameters.

    Args:
        names: The conditions of the study.
        reference: The condition that others are compared with.
        conditions: What each name is.

    Returns:
        The contrasts.
    """
    found = [pair(name, reference) for name in names if name != reference and reference in names]
    kinds = _by_network(names, conditions)
    apart = [network for network, own in kinds.items() if _taken_apart(own, reference, conditions)]
    order = [*apart, *(n for n, own in kinds.items() if n not in apart and not conditions[own[0]].kind.parameters)]
    for first, second in combinations(order, 2):
        if first in apart:
            found.append(_whole(kinds, first, second))
        elif reference not in (*kinds[first], *kinds[second]):
            found.append(_whole(kinds, second, first))
    return tuple({contrast.name: contrast for contrast in reversed(found)}.values())[::-1]


def _taken_apart(own: tuple[str, ...], reference: str, conditions: Mapping[str, Condition]) -> bool:
    return len(own) > 1 and (reference in own or bool(conditions[own[0]].kind.parameters))


def _whole(kinds: Mapping[str, tuple[str, ...]], of: str, minus: str) -> Contrast:
    return Contrast(f"{of} \N{MINUS SIGN} {minus}", kinds[of], kinds[minus])


def _by_network(names: Sequence[str], conditions: Mapping[str, Condition]) -> dict[str, tuple[str, ...]]:
    """The conditions of each kind of network: those of the published kinds first, then the others as they come."""
    order = [c.architecture for c in CONDITIONS.values()] + [
        conditions[n].architecture for n in names if n in conditions
    ]
    kinds = {
        network: tuple(n for n in names if n in conditions and conditions[n].architecture == network)
        for network in dict.fromkeys(order)
    }
    return {network: own for network, own in kinds.items() if own}


def default_smallest_effect(primary: Primary, chance_loss: float) -> float:
    """Half a percentage point of accuracy; 1 % of the loss of chance."""
    return SMALLEST_ACCURACY if primary == "accuracy" else SMALLEST_SHARE_OF_CHANCE * chance_loss
