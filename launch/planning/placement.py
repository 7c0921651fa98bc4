"""Counts the trials that fit on each node: pure arithmetic over CPUs, memory and fractions of GPUs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from glifr.errors import InputError, Problem

BYTES_PER_GB = 10**9
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Resources:
    """What one trial takes, and how many may run at once (None for as many as fit).

    Attributes:
        memory: In GB; 0 for any.
    """

    cpus: float
    gpus: float
    max_concurrent: int | None
    memory: float = 0.0

    def gpus_after(self, out_of_memory: int) -> float:
        """The share for a job that ran out of memory so often: doubled each time, up to a whole GPU."""
        return min(self.gpus * 2.0**out_of_memory, max(1.0, self.gpus))


@dataclass(frozen=True)
class Node:
    """A machine of the cluster and what it offers to trials.

    Attributes:
        memory: In GB.
    """

    name: str
    cpus: float
    gpus: float
    memory: float = math.inf


def trials_on(node: Node, wanted: Resources) -> int:
    """How many trials run on `node` at once. A trial below one GPU shares a single one: shares never span two."""
    fit = int(node.cpus / wanted.cpus + _ROUNDING)
    if wanted.memory and node.memory < math.inf:
        fit = min(fit, int(node.memory / wanted.memory + _ROUNDING))
    if wanted.gpus == 0:
        return fit
    if wanted.gpus < 1:
        return min(fit, int(node.gpus) * int(1 / wanted.gpus + _ROUNDING))
    return min(fit, int(node.gpus / wanted.gpus + _ROUNDING))


def slots(nodes: Sequence[Node], wanted: Resources) -> int:
    """How many trials run at once on all nodes; at least 1."""
    fit = sum(trials_on(node, wanted) for node in nodes)
    return max(1, min(fit, wanted.max_concurrent or fit))


def refuse_what_cannot_fit(nodes: Sequence[Node], wanted: Resources) -> None:
    """Raises InputError if a trial fits no node: Ray would wait for one for ever."""
    if any(trials_on(node, wanted) for node in nodes):
        return
    problems = []
    asked = (("CPUs", "cpus", wanted.cpus), ("GPUs", "gpus", wanted.gpus), ("memory", "memory", wanted.memory))
    for what, key, amount in asked:
        most = max((getattr(node, key) for node in nodes), default=0.0)
        if amount > most:
            rule = f"one trial asks for more {what} than any node of the cluster has"
            todo = f"--set resources.{key}={int(most)}, or start the cluster with more"
            problems.append(Problem(rule, f"resources.{key}", amount, f"at most {most:g}", todo))
    raise InputError(*(problems or [_no_node_has_all(nodes, wanted)]))


def _no_node_has_all(nodes: Sequence[Node], wanted: Resources) -> Problem:
    have = ", ".join(f"{node.name}: {_words(node.cpus, node.gpus, node.memory)}" for node in nodes)
    rule = "no node of the cluster has all that one trial asks for"
    return Problem(rule, "resources", _words(wanted.cpus, wanted.gpus, wanted.memory), have, "ask for fewer")


def _words(cpus: float, gpus: float, memory: float) -> str:
    words = f"{cpus:g} CPUs and {gpus:g} GPUs"
    return f"{words}, {memory:g} GB of memory" if 0 < memory < math.inf else words
