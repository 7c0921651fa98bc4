"""Counts the networks of a condition whose neurons fall into groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.statistics.clusters import CLUSTERS, CONTINUUM, UNSTABLE, ClusterFinding, Clustering


@dataclass(frozen=True)
class ClusteredNetwork:
    """One network's neurons judged."""

    condition: str
    seed: int
    clustering: Clustering


@dataclass(frozen=True)
class Groups:
    """The networks of a condition.

    Attributes:
        computed: Those that could be judged.
        reasons: Why others could not.
    """

    condition: str
    networks: int
    computed: tuple[Clustering, ...]
    reasons: tuple[str, ...]

    @property
    def found(self) -> tuple[Clustering, ...]:
        """The networks with groups beyond the null that are found again."""
        return tuple(c for c in self.computed if c.structured)

    @property
    def beyond(self) -> tuple[Clustering, ...]:
        """The networks with structure beyond the null, stable or not."""
        return tuple(c for c in self.computed if c.beyond)

    @property
    def structured(self) -> bool:
        """True if more than half of the networks have groups: one in twenty may by chance."""
        return 2 * len(self.found) > len(self.computed)

    @property
    def finding(self) -> ClusterFinding:
        """What more than half of the networks have, where some could be judged."""
        if self.structured:
            return CLUSTERS
        return UNSTABLE if 2 * len(self.beyond) > len(self.computed) else CONTINUUM


def groups(clustered: Sequence[ClusteredNetwork]) -> list[Groups]:
    """One row per condition, in the order of its first network."""
    by_condition: dict[str, list[Clustering]] = {}
    for network in clustered:
        by_condition.setdefault(network.condition, []).append(network.clustering)
    return [
        Groups(
            condition=condition,
            networks=len(own),
            computed=tuple(c for c in own if not c.reason),
            reasons=tuple(sorted({c.reason for c in own if c.reason})),
        )
        for condition, own in by_condition.items()
    ]
