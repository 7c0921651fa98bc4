"""How many trials fit where: pure arithmetic over nodes, CPUs and fractions of GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glifr.errors import InputError, Problem

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Resources:
    """What one trial takes, and how many may run at once (None: as many as fit)."""

    cpus: float
    gpus: float
    max_concurrent: int | None

    def gpus_after(self, out_of_memory: int) -> float:
        """The share for a job that ran out of memory so often: doubled each time, up to a whole GPU."""
        return min(self.gpus * 2.0**out_of_memory, max(1.0, self.gpus))


@dataclass(frozen=True)
class Node:
    """A machine of the cluster and what it offers to trials."""

    name: str
    cpus: float
    gpus: float


def trials_on(node: Node, wanted: Resources) -> int:
    """How many trials run on `node` at once. A trial below one GPU shares a single one: shares never span two."""
    by_cpu = int(node.cpus / wanted.cpus + _ROUNDING)
    if wanted.gpus == 0:
        return by_cpu
    if wanted.gpus < 1:
        return min(by_cpu, int(node.gpus) * int(1 / wanted.gpus + _ROUNDING))
    return min(by_cpu, int(node.gpus / wanted.gpus + _ROUNDING))


def slots(nodes: Sequence[Node], wanted: Resources) -> int:
    """How many trials run at once on all nodes; at least 1."""
    fit = sum(trials_on(node, wanted) for node in nodes)
    return max(1, min(fit, wanted.max_concurrent or fit))


def refuse_what_cannot_fit(nodes: Sequence[Node], wanted: Resources) -> None:
    """Raises InputError if a trial fits no node: Ray would wait for one for ever."""
    if any(trials_on(node, wanted) for node in nodes):
        return
    problems = []
    for what, key, amount in (("CPU", "cpus", wanted.cpus), ("GPU", "gpus", wanted.gpus)):
        most = max((getattr(node, key) for node in nodes), default=0.0)
        if amount > most:
            rule = f"one trial asks for more {what}s than any node of the cluster has"
            todo = f"--set resources.{key}={int(most)}, or start the cluster with more"
            problems.append(Problem(rule, f"resources.{key}", amount, f"at most {most:g}", todo))
    raise InputError(*(problems or [_no_node_has_both(nodes, wanted)]))


def _no_node_has_both(nodes: Sequence[Node], wanted: Resources) -> Problem:
    have = ", ".join(f"{node.name}: {node.cpus:g} CPUs and {node.gpus:g} GPUs" for node in nodes)
    rule = "no node of the cluster has both the CPUs and the GPUs that one trial asks for"
    return Problem(rule, "resources", f"{wanted.cpus:g} CPUs and {wanted.gpus:g} GPUs", have, "ask for fewer")
