"""The nodes of the cluster that this process has joined, and whether each sees the results folder and the same code."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from glifr.errors import InputError, Problem
from launch.code import code_version, installed
from launch.executors.node_check import ASKED, NodeReport, touch
from launch.jobs import Result
from launch.planning.placement import BYTES_PER_GB, Node, Resources, trials_on

_PROBE_SECONDS = 120.0
_JOIN_SECONDS = 300.0
_KIND = "accelerator_type:"
_SEEN_SECONDS = 15.0  # a network file system may show a new file late


def alive() -> dict[str, Node]:
    """Node id -> node, of those that are up."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    found = [node for node in nodes if node["Alive"]]
    return {node["NodeID"]: _node(node["NodeManagerHostname"], node["Resources"]) for node in found}


def _node(name: str, offers: dict[str, float]) -> Node:
    return Node(name, offers.get("CPU", 0.0), offers.get("GPU", 0.0), offers.get("memory", 0.0) / BYTES_PER_GB)


def gpu_kinds() -> list[str]:
    """The kinds of GPU on the nodes that are up, as Ray names them."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    offers = {name for node in nodes if node["Alive"] for name in node["Resources"]}
    return sorted(name.removeprefix(_KIND) for name in offers if name.startswith(_KIND))


def alone_on_a_gpu(
    function: Callable[..., Result], values: Sequence[object], wanted: Resources, seconds: float
) -> Result:
    """`function` of the values in a process of its own on a whole GPU; TimeoutError if it takes longer."""
    task: Any = ray.remote(max_retries=0, max_calls=1, num_cpus=wanted.cpus, num_gpus=1)(function)
    asked = task.remote(*values)
    try:
        found: Result = ray.get(asked, timeout=seconds)
    except ray.exceptions.GetTimeoutError:
        ray.cancel(asked, force=True)
        raise TimeoutError(f"it was not done within {seconds:.0f} s") from None
    return found


def wait_for_nodes(count: int) -> None:
    """Returns once so many nodes are up; raises InputError if they are not after five minutes."""
    deadline = time.monotonic() + _JOIN_SECONDS
    while len(nodes := alive()) < count:
        if time.monotonic() > deadline:
            raise InputError(
                Problem(
                    f"too few nodes have joined the cluster within {_JOIN_SECONDS:.0f} s",
                    "--wait-for-nodes",
                    f"{len(nodes)}: {', '.join(sorted(node.name for node in nodes.values()))}",
                    f"at least {count}",
                    "look why the others do not start Ray, or ask for fewer",
                )
            )
        time.sleep(0.5)


def check_nodes(root: Path, mixed: bool, only: Collection[str] | None = None) -> list[str]:
    """Raises InputError unless every node reads and writes `root` as one folder, and imports this very code.

    A task on each node reads a file written here and writes one that must be seen here. The folder above which
    nothing exists yet is taken, so that a refusal leaves nothing behind.

    Args:
        root: the results folder.
        mixed: whether nodes may have other versions of Python, torch, numpy and numba than this one.
        only: ids of the nodes to ask; None for all.

    Returns:
        What differs between nodes, as 'torch 2.14.0 and 2.15.0'.
    """
    standing = next(path for path in (root, *root.parents) if path.is_dir())
    folder = standing / f".probe-{secrets.token_hex(4)}"
    word = secrets.token_hex(8)
    nodes = {node: what for node, what in alive().items() if only is None or node in only}
    folder.mkdir()
    try:
        (folder / ASKED).write_text(word)
        asked = {node: _ask(node, folder, word) for node in nodes}
        answers = {node: _answer(nodes[node], reference) for node, reference in asked.items()}
        problems = [p for node, answer in answers.items() if (p := _problem(root, nodes[node], answer, mixed))]
        if not problems:
            problems = [
                _not_shared(root, nodes[node], "a file written there is not seen here")
                for node in _unseen(folder, list(nodes), word)
            ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if problems:
        raise InputError(*problems)
    return _differences([answer.installed for answer in answers.values() if isinstance(answer, NodeReport)])


def _differences(environments: Sequence[dict[str, str]]) -> list[str]:
    found = {name: sorted({own.get(name, "none") for own in (installed(), *environments)}) for name in installed()}
    return [f"{name} {' and '.join(versions)}" for name, versions in found.items() if len(versions) > 1]


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


def _answer(node: Node, reference: ray.ObjectRef) -> NodeReport | Problem:  # type: ignore[type-arg]
    try:
        answer: NodeReport = ray.get(reference, timeout=_PROBE_SECONDS)
        return answer
    except ray.exceptions.GetTimeoutError:
        return _not_ready(node, f"it starts no worker within {_PROBE_SECONDS:.0f} s")
    except ray.exceptions.RayError as error:
        return _not_ready(node, str(error).strip().splitlines()[-1])


def _problem(root: Path, node: Node, answer: NodeReport | Problem, mixed: bool) -> Problem | None:
    if isinstance(answer, Problem):
        return answer
    if answer.wrong:
        return _not_shared(root, node, answer.wrong)
    if answer.code != code_version():
        return _not_ready(node, "it imports another version of it")
    here = installed()
    other = [
        f"{name} {version}, here {here[name]}" for name, version in answer.installed.items() if version != here[name]
    ]
    if not other or mixed:
        return None
    return Problem(
        "a node of the cluster has other versions of what computes the results",
        "--address",
        f"node {node.name}: {'; '.join(other)}",
        "the same Python, torch, numpy and numba on every node",
        "install the project there as here (make setup), or take the node out of the cluster; "
        "or add --allow-mixed-nodes, and the report will warn of it",
    )


def each_on_each_node(
    function: Callable[..., object], items: Sequence[tuple[object, ...]], share: Resources, seconds: float
) -> list[str]:
    """`function` of each item's values on each node that is up and takes such a share; returns what went wrong."""
    tasks: Any = ray.remote(max_retries=0, num_cpus=share.cpus, num_gpus=share.gpus)(function)
    nodes = {node: what.name for node, what in alive().items() if trials_on(what, share)}
    asked = {
        tasks.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(*item): name
        for node, name in nodes.items()
        for item in items
    }
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=seconds) if asked else ([], [])
    wrong = [f"{asked[task]}: not done within {seconds:.0f} s" for task in late]
    for task in late:
        ray.cancel(task, force=True)
    for task in done:
        try:
            ray.get(task)
        except ray.exceptions.RayError as error:
            wrong.append(f"{asked[task]}: {str(error).strip().splitlines()[-1]}")
    return list(dict.fromkeys(wrong))


def _unseen(folder: Path, nodes: Sequence[str], word: str) -> list[str]:
    deadline = time.monotonic() + _SEEN_SECONDS
    missing = list(nodes)
    while missing and time.monotonic() < deadline:
        missing = [n for n in missing if not (folder / n).is_file() or (folder / n).read_text() != word]
        if missing:
            time.sleep(0.2)
    return missing
