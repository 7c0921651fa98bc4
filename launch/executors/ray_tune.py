"""Runs jobs on Ray: Tune places them over the cluster, one class of actors computes them.

One Tuner runs the whole study. Its searcher and scheduler are thin: they only pass on what the `Scheduler` says.
Workers are reused from trial to trial (starting one costs seconds). Tune's storage is scratch and its retries are off.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import ray
from ray import tune
from ray.tune import Stopper
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from glifr.records import Layout
from launch.executors.ray_connect import Cluster, connect, disconnect
from launch.executors.ray_data import SharedData, bytes_of
from launch.executors.ray_joining import Membership
from launch.executors.ray_nodes import (
    alive,
    alone_on_a_gpu,
    check_nodes,
    each_on_each_node,
    gpu_kinds,
    wait_for_nodes,
)
from launch.executors.ray_watch import ClusterWatch
from launch.executors.ray_worker import Worker
from launch.failures import Failure, failure_of_lost
from launch.full_disk import disk_is_full, full_disk
from launch.jobs import DataSource, Result, Scheduler, Step, StopRequest, Work
from launch.ledger.abandoned import mark, remove, remove_abandoned
from launch.outside.modules import NO_CODE, OutsideCode
from launch.planning.measured_memory import MeasuredMemory
from launch.planning.placement import BYTES_PER_GB, Node, Resources, refuse_what_cannot_fit, trials_on
from launch.workers.trial import run_watched_job

_MOST_JOBS = 10_000_000  # Tune wants a total; the searcher says when it is over
_MOST_AT_ONCE = 100_000  # without a limit Tune lets one trial alone wait for its worker; the searcher has the real one


class RayExecutor:
    """Connected to Ray as a context.

    cluster: where; an address alone may be given. work: what a worker does with a job. data: given to the workers
    through Ray's object store; None where each reads the files. environment: of the workers; Ray logs it. on_lost:
    called, from a thread, with a sentence, if the cluster dies under the driver. differences: in what its nodes differ,
    once connected. code: from outside, for the workers. on_slots: called, from a thread too, with the slots, why they
    have changed ("nodes", "memory") and a sentence. on_differences: called, from a thread, with what the versions of
    nodes that joined differ in. measured: bytes that a worker took in earlier sessions.
    """

    differences: Sequence[str] = ()
    measured: int = 0
    on_slots: Callable[[int, str, str], None] = staticmethod(lambda *_: None)
    on_differences: Callable[[Sequence[str]], None] = staticmethod(lambda _: None)

    def __init__(  # noqa: PLR0913 - what a worker is given
        self,
        root: Path,
        tracking_mode: str,
        resources: Resources,
        cluster: Cluster | str | None,
        *,
        work: Work = run_watched_job,
        data: DataSource | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
        on_lost: Callable[[str], None] | None = None,
        code: OutsideCode = NO_CODE,
    ) -> None:
        self._environment, self._code = dict(environment), code
        self._root, self._mode, self._resources, self._work, self._data = root, tracking_mode, resources, work, data
        self._cluster = cluster if isinstance(cluster, Cluster) else Cluster(cluster)
        self._nodes: Callable[[], Sequence[Node]] = lambda: list(alive().values())
        self._room = self._room_for(resources)
        self._watch = None if on_lost is None else ClusterWatch(on_lost)

    def __enter__(self) -> Self:
        _quiet()
        env_vars = {"WANDB_MODE": self._mode, "WANDB_SILENT": "true"} | self._environment
        self._folders = connect(self._cluster, env_vars, bytes_of(self._data) if self._data else 0, self._code)
        try:
            wait_for_nodes(self._cluster.nodes)
            refuse_what_cannot_fit(self.nodes, self._resources)
            if self._cluster.address is not None:
                self.differences = check_nodes(self._root, self._cluster.mixed)
            if self._watch is not None:
                self._watch.__enter__()
        except BaseException:
            disconnect(self._folders)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.__exit__(None, None, None)
        disconnect(self._folders)

    def _room_for(self, one: Resources) -> MeasuredMemory:
        return MeasuredMemory(one, lambda: self._nodes(), lambda n, told: self.on_slots(n, "memory", told))

    def take(self, wanted: Resources) -> None:
        """From now on a trial takes this; InputError if no node has it."""
        refuse_what_cannot_fit(self.nodes, wanted)
        self._resources, self._room = wanted, self._room_for(wanted)

    @property
    def slots(self) -> int:
        """How many jobs run at once."""
        return self._room.slots

    @property
    def nodes(self) -> Sequence[Node]:
        """Those that are up."""
        return list(alive().values())

    @property
    def gpu_kinds(self) -> list[str]:
        """What kinds of GPU they have."""
        return gpu_kinds()

    def alone_on_a_gpu(self, function: Callable[..., Result], values: Sequence[object], seconds: float) -> Result:
        """`function` of the values in a process of its own on a whole GPU; TimeoutError if it takes longer."""
        return alone_on_a_gpu(function, values, self._resources, seconds)

    def map(self, function: Callable[..., Result], items: Sequence[tuple[object, ...]]) -> list[Result]:
        """`function` of each item's values, on as much of a node as a trial takes and as many at once."""
        own = self._resources
        memory: dict[str, Any] = {"memory": int(own.memory * BYTES_PER_GB)} if own.memory else {}
        task: Any = ray.remote(max_retries=0, num_cpus=own.cpus, num_gpus=own.gpus, **memory)(function)
        found: list[Result] = []
        for begin in range(0, len(items), self.slots):
            found += ray.get([task.remote(*item) for item in items[begin : begin + self.slots]])
        return found

    def on_each_node(
        self, function: Callable[..., object], items: Sequence[tuple[object, ...]], seconds: float
    ) -> list[str]:
        """`function` of each item's values on each node that is up, as many at once as fit; returns what went wrong.

        What is not done after so many seconds is ended.
        """
        return each_on_each_node(function, items, self._resources, seconds)

    def run(self, decider: Scheduler, stop: StopRequest) -> None:
        """Runs until the decider has finished or a stop is requested. A worker's death ends its job alone."""
        with contextlib.ExitStack() as stack:
            self._follow(decider, stack)
            self._room.grew(self.measured)
            self._run(decider, stop)

    def _follow(self, decider: Scheduler, stack: contextlib.ExitStack) -> None:
        """From now on knows which nodes are up; on a cluster they come and go."""
        if self._cluster.address is None:
            fixed = list(alive().values())
            self._nodes = lambda: fixed
            return

        def changed(told: str) -> None:
            slots = self._room.slots if any(trials_on(node, self._resources) for node in followed.nodes) else 0
            self.on_slots(self._room.slots, "nodes", f"{told}: {slots} slots now")

        differ: Callable[[Sequence[str]], None] = lambda what: self.on_differences(what)  # noqa: E731 - set later
        followed = Membership(self._resources, self._root, self._cluster.mixed, changed, differ, decider.halt)
        self._nodes = lambda: followed.nodes
        stack.enter_context(followed)

    def _run(self, decider: Scheduler, stop: StopRequest) -> None:
        scratch, live = _own_scratch(Layout(self._root).scratch), _Live(decider, stop, self._room)
        shared = None if self._data is None else SharedData(self._data)
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(Worker, work=self._work, data=shared), partial(_share, self._resources)
            ),
            param_space={"root": str(self._root), "tracking": self._mode},
            tune_config=tune.TuneConfig(
                search_alg=_Searcher(live),
                scheduler=_Scheduler(live),
                num_samples=_MOST_JOBS,
                max_concurrent_trials=_MOST_AT_ONCE,
                reuse_actors=True,
                trial_name_creator=_trial_name,
                trial_dirname_creator=_trial_name,
            ),
            run_config=tune.RunConfig(
                name="run",
                storage_path=str(scratch),
                stop=_StopOnRequest(live),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=0),
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            ),
        )
        try:
            tuner.fit()
        except Exception as error:
            if not disk_is_full(error):
                raise
            decider.halt(full_disk(error, self._root))  # Tune could not write its scratch
        finally:
            remove(scratch)
            with contextlib.suppress(OSError):  # another session's lies there
                scratch.parent.rmdir()


def _own_scratch(parent: Path) -> Path:
    """A folder for Tune that no other session of the study writes to, or removes: one that stood still may wake up."""
    remove_abandoned(parent)
    parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    mark(folder)
    return folder


def _share(resources: Resources, config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """What a job takes of a node."""
    gpus = resources.gpus_after(config["out_of_memory"])
    memory = int(config["memory"] * BYTES_PER_GB)
    amounts = {"CPU": resources.cpus, "GPU": gpus, "memory": memory}
    return tune.PlacementGroupFactory([{what: amount for what, amount in amounts.items() if amount}])


class _Live:
    """Holds what lives in this driver alone. Tune pickles and copies its searcher; this stays behind, or the same."""

    def __init__(self, decider: Scheduler, stop: StopRequest, room: MeasuredMemory) -> None:
        self.decider, self.stop, self.room = decider, stop, room
        self.last_words: dict[str, str] = {}  # what Ray said of a trial whose worker was lost

    def __deepcopy__(self, memo: object) -> _Live:
        return self

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        return (object, ())


def _step_of(result: dict[str, Any] | None) -> Step | None:
    """The step in a Tune result; None if the trial reported nothing (its worker died)."""
    text = (result or {}).get("step")
    if text is None:
        return None
    found = json.loads(text)
    failure = Failure(**found["failure"]) if found["failure"] else None
    scores = {u: (e, s) for u, (e, s) in found["scores"].items()}
    return Step(scores, found["done"], failure, found["seconds"], found["cpu_seconds"], found["peak_bytes"])


class _Searcher(Searcher):
    """Passes the decider's jobs to Tune and their ends to the decider."""

    def __init__(self, live: _Live) -> None:
        super().__init__(metric="step", mode="min")
        self._live = live
        self._keys: dict[str, str] = {}

    def suggest(self, trial_id: str) -> Any:
        if self._live.decider.finished or self._live.stop.requested:  # Tune asks for ever where nothing runs
            return Searcher.FINISHED
        if len(self._keys) >= self._live.room.slots:
            return None
        job = self._live.decider.next_job()
        if job is None:
            return None
        self._keys[trial_id] = job.key
        units, memory = [str(unit) for unit in job.units], self._live.room.asked
        return {"units": units, "key": job.key, "out_of_memory": job.out_of_memory, "memory": memory}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        key = self._keys.pop(trial_id, None)
        if key is None:
            return
        if error:
            self._live.decider.ended(key, None, failure_of_lost(self._live.last_words.pop(trial_id, "")))
        else:
            step = _step_of(result)
            self._live.room.grew(step.peak_bytes if step is not None else 0)
            self._live.decider.ended(key, step)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to keep: a run is never restored by Tune."""
        Path(checkpoint_path).write_text("{}")

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""


class _Scheduler(FIFOScheduler):
    """Stops a trial early when the decider says so. Tune never forgets a trial, so each is made small at its end."""

    def __init__(self, live: _Live) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._live = live
        self._waiting: list[Any] = []

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._waiting.append(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """The newest that waits: it has no worker yet, so it takes one that has become free.

        Tune's own choice, the oldest, gives the free worker to a trial whose own is starting, and ends that one: where
        jobs are shorter than a worker's start, few workers would ever be up.
        """
        self._waiting = [trial for trial in self._waiting if trial.status == "PENDING"]
        return self._waiting[-1] if self._waiting else None

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        step = _step_of(result)
        self._live.room.grew(step.peak_bytes if step is not None else 0)
        stop = step is not None and self._live.decider.step(trial.config["key"], step)
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Drops Tune's statistics of the trial's numbers, most of what a trial leaves in the driver's memory."""
        trial.metric_analysis.clear()
        trial.metric_n_steps.clear()

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Tune asks the scheduler before the searcher, and tells the searcher less."""
        if trial.error_file is not None:
            self._live.last_words[trial.trial_id] = Path(trial.error_file).read_text(errors="replace")


class _StopOnRequest(Stopper):
    def __init__(self, live: _Live) -> None:
        self._live = live

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._live.stop.requested


def _trial_name(trial: Any) -> str:
    return str(trial.config["key"]).replace("/", "_") + "_" + str(trial.trial_id)


def _quiet() -> None:
    """Our own progress is what the user sees; Tune's loggers and signal handling are off."""
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    os.environ.setdefault("TUNE_FORCE_TRIAL_CLEANUP_S", "5")  # a job that is asked to stop in a long epoch
    os.environ.setdefault("TUNE_RESULT_BUFFER_LENGTH", "1")  # a stopped trial must not run ahead
    os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
    os.environ.setdefault("TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S", "600")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # the failures of trials are on record in the ledger
