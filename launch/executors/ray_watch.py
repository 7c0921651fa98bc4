"""Watches the cluster that a driver hangs on: Ray itself ends the process a minute after the head, without a word."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import ray

_POLL_SECONDS = 1.0
_CONNECT_SECONDS = 5.0
_HEAD_SECONDS = 30.0  # a head that is restarted has half of the minute that Ray gives it
_NODE_SECONDS = 1.0  # a node's own Ray never comes back


class ClusterWatch:
    """While entered: calls on_lost with a sentence, once, if the head or this node's own Ray no longer answers."""

    def __init__(self, on_lost: Callable[[str], None]) -> None:
        self._on_lost = on_lost
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="cluster-watch", daemon=True)

    def __enter__(self) -> Self:
        context = ray.get_runtime_context()
        nodes = ray.nodes()  # type: ignore[no-untyped-call]
        own = next(node for node in nodes if node["NodeID"] == context.get_node_id())
        self._watched = [
            ("this node's own Ray", own["NodeManagerAddress"], int(own["NodeManagerPort"]), _NODE_SECONDS),
            ("the head of the Ray cluster", *_split(context.gcs_address), _HEAD_SECONDS),
        ]
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        answered = [time.monotonic()] * len(self._watched)
        while not self._ended.wait(_POLL_SECONDS):
            for number, (what, host, port, patience) in enumerate(self._watched):
                if _answers(host, port):
                    answered[number] = time.monotonic()
                elif time.monotonic() - answered[number] > patience and not self._ended.is_set():
                    return self._on_lost(f"{what} at {host}:{port} has ended or cannot be reached")


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
