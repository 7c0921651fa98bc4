"""The nodes of the cluster that this process has joined, and whether each sees the results folder and the same code."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from glifr.errors import InputError, Problem
from launch.code import code_version
from launch.placement import Node
from launch.probe import ASKED, touch

_PROBE_SECONDS = 120.0
_SEEN_SECONDS = 15.0  # a network file system may show a new file late


def alive() -> dict[str, Node]:
    """Node id -> node, of those that are up."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    found = [node for node in nodes if node["Alive"]]
    return {
        node["NodeID"]: Node(
            node["NodeManagerHostname"], node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0)
        )
        for node in found
    }


def refuse_unshared(root: Path) -> None:
    """Raises InputError unless every node reads and writes `root` as one folder and imports this very code.

    A task on each node reads a file written here and writes one that must be seen here. The folder above which
    nothing exists yet is taken, so that a refusal leaves nothing behind.
    """
    standing = next(path for path in (root, *root.parents) if path.is_dir())
    folder = standing / f".probe-{secrets.token_hex(4)}"
    word, nodes = secrets.token_hex(8), alive()
    folder.mkdir()
    try:
        (folder / ASKED).write_text(word)
        answers = {node: _ask(node, folder, word) for node in nodes}
        problems = [p for node, answer in answers.items() if (p := _problem(root, nodes[node], answer)) is not None]
        if not problems:
            problems = [
                _not_shared(root, nodes[node], "a file written there is not seen here")
                for node in _unseen(folder, list(nodes), word)
            ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if problems:
        raise InputError(*problems)


def _not_shared(root: Path, node: Node, reason: str) -> Problem:
    return Problem(
        f"a node of the cluster does not share the results folder ({reason})",
        str(root),
        f"node {node.name}",
        "a folder on a file system that all nodes share, at the same path on each",
        "give one with --results DIR",
    )


def _not_ready(node: Node, reason: str) -> Problem:
    return Problem(
        f"a node of the cluster cannot run this program ({reason})",
        "--address",
        f"node {node.name}",
        "the same Python and packages on every node",
        "install the project there as here (make setup), or take the node out of the cluster",
    )


def _ask(node: str, folder: Path, word: str) -> ray.ObjectRef:  # type: ignore[type-arg]
    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    task = ray.remote(num_cpus=0, max_retries=1)(touch).options(scheduling_strategy=strategy)
    return task.remote(str(folder), node, word)


def _problem(root: Path, node: Node, answer: ray.ObjectRef) -> Problem | None:  # type: ignore[type-arg]
    try:
        wrong, code = ray.get(answer, timeout=_PROBE_SECONDS)
    except ray.exceptions.GetTimeoutError:
        return _not_ready(node, f"it starts no worker within {_PROBE_SECONDS:.0f} s")
    except ray.exceptions.RayError as error:
        return _not_ready(node, str(error).strip().splitlines()[-1])
    if wrong:
        return _not_shared(root, node, wrong)
    return None if code == code_version() else _not_ready(node, "it imports another version of it")


def _unseen(folder: Path, nodes: Sequence[str], word: str) -> list[str]:
    deadline = time.monotonic() + _SEEN_SECONDS
    missing = list(nodes)
    while missing and time.monotonic() < deadline:
        missing = [n for n in missing if not (folder / n).is_file() or (folder / n).read_text() != word]
        if missing:
            time.sleep(0.2)
    return missing
