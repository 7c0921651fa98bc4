"""The declaration of a study: how its conditions will be judged, fixed before there are results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, Self

from glifr.conditions import CONDITIONS, Condition
from glifr.records.envelope import digest
from glifr.records.factors import Factor, is_published

Primary = Literal["accuracy", "loss"]
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

    They are each condition minus the reference; then the GLIFR conditions together against each other network, and
    these against each other. A network is compared as a whole with those of the same kind taken together; two kinds of
    which one has the reference are compared by that alone.

    Args:
        names: The conditions of the study.
        reference: The condition that others are compared with.
        conditions: What each name is.

    Returns:
        The contrasts.
    """
    found = [pair(name, reference) for name in names if name != reference and reference in names]
    kinds = _by_network(names, conditions)
    glifr = kinds.pop("GLIFR", ())
    for network, own in kinds.items():
        if len(glifr) > 1:
            found.append(Contrast(f"GLIFR \N{MINUS SIGN} {network}", glifr, own))
    found += [
        Contrast(f"{later} \N{MINUS SIGN} {first}", kinds[later], kinds[first])
        for first, later in combinations(kinds, 2)
        if reference not in (*kinds[first], *kinds[later])
    ]
    return tuple({contrast.name: contrast for contrast in reversed(found)}.values())[::-1]


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
