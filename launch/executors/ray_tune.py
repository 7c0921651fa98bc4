"""Runs jobs on Ray: Tune places them over the cluster, one class of actors computes them.

One Tuner runs the whole study. Its searcher and scheduler are thin: they only pass on what the `Decider` says. Workers
are reused from trial to trial (starting one costs seconds). Tune's storage is scratch and its retries are off.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
import socket
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Self

import ray
from ray import tune
from ray.tune import Stopper
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from glifr.errors import InputError, Problem
from glifr.records import Layout, UnitId
from launch.executors.ray_auth import switch_to_token
from launch.executors.roles import Decider, Resources, Result, StopRequest
from launch.ledger import Failure
from launch.trial import Step, run_job

_MOST_JOBS = 10_000_000  # Tune wants a total; the searcher says when it is over
_CONNECT_SECONDS = 5.0


class RayExecutor:
    """Connected to Ray as a context. address None: a cluster of this machine alone; else 'auto' or HOST:PORT."""

    def __init__(self, root: Path, tracking_mode: str, resources: Resources, address: str | None) -> None:
        self._root, self._mode, self._resources, self._address = root, tracking_mode, resources, address

    def __enter__(self) -> Self:
        _quiet()
        _connect(self._address, {"WANDB_MODE": self._mode, "WANDB_SILENT": "true"})
        try:
            self._refuse_what_cannot_fit()
        except BaseException:
            ray.shutdown()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        ray.shutdown()

    @property
    def slots(self) -> int:
        """How many jobs run at once."""
        fit = sum(_fit(node, self._resources) for node in _nodes())
        return max(1, min(fit, self._resources.max_concurrent or fit))

    def run(self, decider: Decider, stop: StopRequest) -> None:
        """Runs until the decider has finished or a stop is requested. A worker's death ends its job alone."""
        scratch, live = Layout(self._root).scratch, _Live(decider, stop)
        per_trial = {"cpu": self._resources.cpus, "gpu": self._resources.gpus}
        tuner = tune.Tuner(
            tune.with_resources(_Worker, per_trial),
            param_space={"root": str(self._root), "tracking": self._mode},
            tune_config=tune.TuneConfig(
                search_alg=_Searcher(live),
                scheduler=_Scheduler(live),
                num_samples=_MOST_JOBS,
                max_concurrent_trials=self.slots,
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
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def call(self, function: Callable[[], Result]) -> Result:
        """What `function` returns in a process with the resources of one trial."""
        remote: Any = ray.remote(num_cpus=self._resources.cpus, num_gpus=self._resources.gpus, max_retries=0)(_called)
        result: Result = ray.get(remote.remote(function))
        return result

    def _refuse_what_cannot_fit(self) -> None:
        for name, key in (("CPU", "cpus"), ("GPU", "gpus")):
            wanted = getattr(self._resources, key)
            most = max((node.get(name, 0.0) for node in _nodes()), default=0.0)
            if wanted > most:
                raise InputError(
                    Problem(
                        f"one trial asks for more {name}s than any node of the cluster has",
                        f"resources.{key}",
                        wanted,
                        f"at most {most:g}",
                        f"--set resources.{key}={int(most)}, or start the cluster with more",
                    )
                )


class _Live:
    """Holds what lives in this driver alone. Tune pickles and copies its searcher; this stays behind, or the same."""

    def __init__(self, decider: Decider, stop: StopRequest) -> None:
        self.decider, self.stop = decider, stop

    def __deepcopy__(self, memo: object) -> _Live:
        return self

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        return (object, ())


class _Worker(tune.Trainable):
    """An actor that computes one job after another; one `step` is one epoch."""

    def setup(self, config: dict[str, Any]) -> None:
        self._steps: Generator[Step, None, None] | None = None
        self._begin(config)

    def _begin(self, config: dict[str, Any]) -> None:
        units = [UnitId.parse(name) for name in config["units"]]
        self._steps = run_job(Path(config["root"]), units, config["tracking"])

    def step(self) -> dict[str, Any]:
        assert self._steps is not None
        step = next(self._steps)
        return {"step": json.dumps(dataclasses.asdict(step)), "done": step.done}  # as text: Tune flattens dicts

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """Ends a stopped job: closes its W&B runs."""
        if self._steps is not None:
            self._steps.close()


def _called(function: Callable[[], Result]) -> Result:
    return function()


def _step_of(result: dict[str, Any] | None) -> Step | None:
    """The step in a Tune result; None if the trial reported nothing (its worker died)."""
    text = (result or {}).get("step")
    if text is None:
        return None
    found = json.loads(text)
    failure = Failure(**found["failure"]) if found["failure"] else None
    return Step({u: (e, s) for u, (e, s) in found["scores"].items()}, found["done"], failure)


class _Searcher(Searcher):
    """Passes the decider's jobs to Tune and their ends to the decider."""

    def __init__(self, live: _Live) -> None:
        super().__init__(metric="step", mode="min")
        self._live = live
        self._keys: dict[str, str] = {}

    def suggest(self, trial_id: str) -> Any:
        if self._live.decider.finished:
            return Searcher.FINISHED
        job = self._live.decider.next_job()
        if job is None:
            return None
        self._keys[trial_id] = job.key
        return {"units": [str(unit) for unit in job.units], "key": job.key}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        key = self._keys.pop(trial_id, None)
        if key is not None:
            self._live.decider.ended(key, None if error else _step_of(result))

    def save(self, checkpoint_path: str) -> None:
        """Nothing to keep: a run is never restored by Tune."""
        Path(checkpoint_path).write_text("{}")

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""


class _Scheduler(FIFOScheduler):
    """Stops a trial early when the decider says so."""

    def __init__(self, live: _Live) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._live = live

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        step = _step_of(result)
        stop = step is not None and self._live.decider.step(trial.config["key"], step)
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)


class _StopOnRequest(Stopper):
    def __init__(self, live: _Live) -> None:
        self._live = live

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._live.stop.requested


def _trial_name(trial: Any) -> str:
    return str(trial.config["key"]).replace("/", "_") + "_" + str(trial.trial_id)


def _nodes() -> list[dict[str, float]]:
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]


def _fit(node: dict[str, float], wanted: Resources) -> int:
    counts = [node.get("CPU", 0.0) / wanted.cpus]
    if wanted.gpus:
        counts.append(node.get("GPU", 0.0) / wanted.gpus)
    return int(min(counts) + 1e-9)


def _quiet() -> None:
    """Our own progress is what the user sees; Tune's loggers and signal handling are off."""
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    os.environ.setdefault("TUNE_RESULT_BUFFER_LENGTH", "1")  # a stopped trial must not run ahead
    os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
    os.environ.setdefault("TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S", "600")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    logging.getLogger("ray").setLevel(logging.ERROR)


def _connect(address: str | None, env_vars: dict[str, str]) -> None:
    common: dict[str, Any] = {
        "runtime_env": {"env_vars": env_vars},
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    if address is None:
        # A small object store: data are read by each worker, nothing large goes through Ray.
        ray.init(address="local", include_dashboard=False, object_store_memory=100 * 2**20, **common)
        return
    if address != "auto":
        _refuse_unreachable(address)
    try:
        _join(address, common)
    except InputError:
        if not switch_to_token():
            raise
        _join(address, common)


def _join(address: str, common: dict[str, Any]) -> None:
    try:
        ray.init(address=address, **common)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _unreachable(address, next(iter(str(error).splitlines()), type(error).__name__)) from None


def _refuse_unreachable(address: str) -> None:
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise InputError(
            Problem(
                "this is not the address of a Ray cluster",
                "--address",
                address,
                "auto, or HOST:PORT of the head node (ray:// is not supported)",
                "leave --address out to run on this machine alone",
            )
        )
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from None


def _unreachable(address: str, reason: str) -> InputError:
    return InputError(
        Problem(
            f"no Ray cluster answers there ({reason})",
            "--address",
            address,
            "auto, or HOST:PORT of a running head node",
            "start one with `ray start --head`; if it is there and asks for a token, put that into ~/.ray/auth_token "
            "and set RAY_AUTH_MODE=token; or leave --address out to run on this machine alone",
        )
    )
