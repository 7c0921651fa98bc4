"""Follows a cluster whose nodes join and leave: autoscaled, of spot machines, or of several small jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from glifr.errors import InputError
from launch.executors.ray_nodes import alive, check_nodes
from launch.planning.placement import Node, Resources, trials_on

_POLL_SECONDS = 5.0
_EMPTY_SECONDS = 1800.0  # how long a study waits for a node that a trial fits on


class Membership:
    """Watches, while entered, which nodes are up and have been checked.

    Args:
        resources: What a trial takes.
        root: The results folder, which a new node must share.
        mixed: Whether its versions may differ.
        hear: Called with which nodes joined or left. From a thread, as the others.
        differ: Called with what the versions of nodes that joined differ in, if they do and may.
        halt: Called with the reason if a node that joined must not compute for this study, or none has been left for
            half an hour.
    """

    def __init__(
        self,
        resources: Resources,
        root: Path,
        mixed: bool,
        hear: Callable[[str], None],
        differ: Callable[[Sequence[str]], None],
        halt: Callable[[str], None],
    ) -> None:
        self._resources, self._root, self._mixed = resources, root, mixed
        self._hear, self._differ, self._halt = hear, differ, halt
        self._nodes = alive()
        self._empty_since: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="membership", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(timeout=_POLL_SECONDS)  # it may be waiting for a node that does not answer

    @property
    def nodes(self) -> list[Node]:
        """Those that are up and have been checked."""
        return list(self._nodes.values())

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            try:
                self._look()
            except InputError as error:
                return self._halt(f"a node that joined is not like the others.\n{error}")
            except Exception:
                continue

    def _look(self) -> None:
        nodes, known = alive(), self._nodes
        joined, left = nodes.keys() - known.keys(), known.keys() - nodes.keys()
        if joined and (differences := check_nodes(self._root, self._mixed, only=joined)):
            self._differ(differences)
        if joined or left:
            self._nodes = nodes
            self._hear("; ".join([*_told(joined, nodes, "joined"), *_told(left, known, "left")]))
        self._note_empty(nodes.values())

    def _note_empty(self, nodes: Iterable[Node]) -> None:
        if any(trials_on(node, self._resources) for node in nodes):
            self._empty_since = None
            return
        self._empty_since = self._empty_since or time.monotonic()
        if time.monotonic() - self._empty_since > _EMPTY_SECONDS:
            self._halt(f"for {_EMPTY_SECONDS / 60:.0f} minutes no node was up that a trial fits on")


def _told(changed: Iterable[str], nodes: dict[str, Node], what: str) -> list[str]:
    names = sorted(nodes[node].name for node in changed)
    return [f"{what}: {', '.join(names)}"] if names else []
