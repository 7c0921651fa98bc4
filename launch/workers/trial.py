"""One job in a worker process: units that are computed together, epoch by epoch, published to the ledger from here.

The worker is told only which units of which results folder to run; what they are it reads from the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from glifr.configuration import TrainingSettings
from glifr.definitions import definition_of
from glifr.engine.notes import take_notes
from glifr.records import (
    EpochRecord,
    Layout,
    NetworkFile,
    Proposal,
    RecordError,
    SeedOutcome,
    SilencingRow,
    UnitId,
    UnitResult,
    read_sealed,
)
from glifr.records.storage import tensor_files as checkpoints
from glifr.records.storage.network_files import pack, unpack
from glifr.tasks import TaskDefinition
from glifr.training.silencing import silence
from glifr.training.train import Configuration, SeedRun, Training
from launch.failures import Failure, failure_of
from launch.jobs import DataSource, Step
from launch.ledger.attempts import Lease, SupersededError
from launch.ledger.durable import now
from launch.ledger.units import Ledger
from launch.planning.seed_batches import seeds_per_batch, training_settings
from launch.planning.steps import scores_by_step
from launch.studyfile import StudySpec, hyperparameters_in
from launch.tracking.local import local_mirrors
from launch.tracking.rows import Computation, TrackedStudy, commit_of, tracked
from launch.tracking.tracker import JobMirror, Trackers
from launch.workers.characteristics import keep_characteristics
from launch.workers.data import FromFiles
from launch.workers.in_turn import at_the_end
from launch.workers.memory import peak_resident
from launch.workers.watchdog import Watchdog


@dataclass(frozen=True)
class Context:
    """What every unit of a study shares, read from study.json; `data` is the study's data."""

    spec: StudySpec
    task: TaskDefinition
    data: DataSource
    tracked: TrackedStudy
    tracking_mode: str


def read_context(root: Path, tracking_mode: str, data: DataSource | None = None) -> Context:
    """The context of the results folder `root`. data: None to read it from its files."""
    body = read_sealed(Layout(root).study)
    study = tracked(body)
    data = data or FromFiles(study.spec.task.settings())
    return Context(study.spec, data.task, data, study, tracking_mode)


def device_for(spec: StudySpec) -> torch.device:
    """CUDA where the study gives its trials a GPU, else the CPU."""
    return torch.device("cuda" if spec.resources.on_gpu else "cpu")


def run_job(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None
) -> Generator[Step, None, None]:
    """Runs the units to their end and publishes their results; yields after every epoch.

    Whatever goes wrong inside becomes a typed failure in the last step, recorded in the attempts' folders.
    """
    yield from _job(root, units, tracking_mode, data, watched=False)


def run_watched_job(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None = None
) -> Generator[Step, None, None]:
    """As `run_job`, in a process of its own, which ends if an epoch takes longer than resources.timeout_minutes."""
    yield from _job(root, units, tracking_mode, data, watched=True)


def _job(
    root: Path, units: Sequence[UnitId], tracking_mode: str, data: DataSource | None, watched: bool
) -> Generator[Step, None, None]:
    leases: list[Lease] = []
    try:
        context = read_context(root, tracking_mode, data)
        torch.set_num_threads(max(1, int(context.spec.resources.cpus)))
        ledger = Ledger(root)
        proposals = [_proposal(ledger, unit) for unit in units]
        leases += [ledger.lease(unit) for unit in units]
        silencing = units[0].stage == "silencing"
        job = _silence(context, ledger, proposals, leases) if silencing else _train(context, ledger, proposals, leases)
        minutes = context.spec.resources.timeout_minutes if watched else None
        yield from job if minutes is None else _in_time(job, leases[0].hang_file, 60 * minutes)
    except SupersededError as error:
        yield Step({}, done=True, failure=Failure("preempted", str(error)))
    except Exception as error:
        failure = failure_of(error, root)
        for lease in leases:
            lease.fail(failure)
        yield Step({}, done=True, failure=failure)


def _in_time(job: Generator[Step, None, None], hang_file: Path, seconds: float) -> Iterator[Step]:
    with closing(job), Watchdog(hang_file, seconds) as watchdog:
        for step in job:
            watchdog.pause()
            yield step
            watchdog.restart()


def _proposal(ledger: Ledger, unit: UnitId) -> Proposal:
    found = ledger.proposal(unit)
    if found is None:
        raise FileNotFoundError(f"{unit} has no proposal")
    return found


def _configuration(spec: StudySpec, proposal: Proposal) -> Configuration:
    name = proposal.unit.condition
    condition = spec.at(name, proposal.hyperparameters).condition(name)
    values = hyperparameters_in(proposal.hyperparameters)
    return Configuration(condition, proposal.hidden_size, proposal.delay_steps, values)


def _train(
    context: Context, ledger: Ledger, proposals: Sequence[Proposal], leases: Sequence[Lease]
) -> Generator[Step, None, None]:
    unit = proposals[0].unit
    spec = context.spec.at(unit.condition, proposals[0].hyperparameters)
    together = seeds_per_batch(spec.training.seeds_per_batch, proposals)
    epochs, in_turn = spec.epochs(unit.stage, unit.condition), spec.in_turn(unit.stage, unit.condition)
    settings = training_settings(spec.training_of(unit.condition), epochs, together, in_turn is not None)
    started = time.perf_counter()
    seeds = [seed for proposal in proposals for seed in proposal.seeds]
    training = Training(
        context.task,
        context.data.tuning(),
        _configuration(spec, proposals[0]),
        settings,
        seeds,
        device_for(spec),
        trained=_learned_starts(ledger, proposals),
    )
    if (state := _own_start(ledger, spec, unit)) is not None:
        for run in training.runs:
            run.begin_with(state)
    runs = {p.unit: [r for r in training.runs if r.seed in p.seeds] for p in proposals}
    earlier = _resume(ledger, proposals, runs)
    with (
        _tracker(context, ledger.layout, proposals, leases) as tracker,
        at_the_end(tracker.epochs, wait=in_turn is not None) as tell,
    ):
        tell(earlier)
        while not training.finished:
            records = _by_unit(training.run_epoch(), proposals)
            for proposal, lease in zip(proposals, leases, strict=True):
                lease.refuse_superseded()
                if records[lease.unit]:
                    lease.append_epochs(records[lease.unit])
                    _checkpoint(spec, lease, proposal.identity, runs[lease.unit], settings)
            tell(records)
            while training.notes:
                ledger.event("warning", f"{proposals[0].unit}: {training.notes.pop(0)}")
            for note in take_notes():
                if all(event.get("message") != note for event in ledger.events()):  # another process has told it
                    ledger.event("warning", note)
            if not training.finished:
                yield Step(_scores(context.task, proposals, records, in_turn))
        outcomes = _outcomes(context, training, proposals[0], {lease.unit: lease for lease in leases}, runs)
        seconds = (time.perf_counter() - started) / len(seeds)
        for proposal, lease in zip(proposals, leases, strict=True):
            own = outcomes[proposal.unit]
            value = sum(o.score for o in own) / len(own)
            lease.publish(_result(context, proposal, lease, value, own, (), seconds * len(own), training.replicas))
            tracker.summary(proposal.unit, own)
    last = {unit: tuple(r.last for r in own if r.last is not None) for unit, own in runs.items()}
    yield Step(_scores(context.task, proposals, last, in_turn), done=True)


def _tracker(context: Context, layout: Layout, proposals: Sequence[Proposal], leases: Sequence[Lease]) -> Trackers:
    device = device_for(context.spec)
    try:
        sessions = read_sealed(layout.provenance)
    except (FileNotFoundError, RecordError):
        sessions = []
    backend = _backend(context.spec, proposals[0], device)
    computed = Computation(backend, _device_name(device), commit_of(sessions, leases[0].started_at))
    mirrors = [
        _wandb_mirror(context, layout, computed),
        *local_mirrors(layout, context.tracked, computed),
    ]
    return Trackers(layout, context.tracked, proposals, leases, [mirror for mirror in mirrors if mirror is not None])


def _wandb_mirror(context: Context, layout: Layout, computed: Computation) -> JobMirror | None:
    """W&B as a mirror of a job; None where it is disabled.

    Its package takes a second to import and leaves folders in the temporary one: only where it is used.
    """
    if context.tracking_mode == "disabled":
        return None
    from launch.tracking.wandb_run import wandb_mirror

    return wandb_mirror(layout, context.tracked, computed, context.tracking_mode)


def _backend(spec: StudySpec, proposal: Proposal, device: torch.device) -> str:
    """The engine that computes a unit there."""
    condition = _configuration(spec, proposal).condition
    return definition_of(condition).engine(condition, spec.training.backend, device)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else "cpu"


def _outcomes(
    context: Context,
    training: Training,
    proposal: Proposal,
    leases: dict[UnitId, Lease],
    runs: dict[UnitId, list[SeedRun]],
) -> dict[UnitId, tuple[SeedOutcome, ...]]:
    """How each unit's seeds ended. The test set is loaded here, in the final stage alone, and networks are kept."""
    if proposal.unit.stage != "final":
        found = training.outcomes()
    else:
        lease_of = {run.seed: leases[unit] for unit, own in runs.items() for run in own}
        test = context.data.test()
        found = training.outcomes(test, lambda run: _keep(run, context, proposal, lease_of[run.seed]))
        kept = {r.seed: keep_characteristics(r, context.task, test, lease_of[r.seed]) for r in training.runs}
        found = tuple(replace(outcome, characteristics=kept[outcome.seed]) for outcome in found)
    by_seed = {outcome.seed: outcome for outcome in found}
    return {unit: tuple(by_seed[run.seed] for run in own) for unit, own in runs.items()}


def _resume(
    ledger: Ledger, proposals: Sequence[Proposal], runs: dict[UnitId, list[SeedRun]]
) -> dict[UnitId, tuple[EpochRecord, ...]]:
    """Restores each unit from its last good checkpoint; the epochs that are thereby done."""
    done: dict[UnitId, tuple[EpochRecord, ...]] = {}
    for proposal in proposals:
        found = ledger.last_checkpoint(proposal)
        if found is None:
            continue
        state, done[proposal.unit] = found
        for run, saved in zip(runs[proposal.unit], state["seeds"], strict=True):
            run.restore(saved)
    return done


def _checkpoint(
    spec: StudySpec, lease: Lease, identity: str, runs: Sequence[SeedRun], settings: TrainingSettings
) -> None:
    """Keeps the state every so many epochs, but not at the end. Seeds in turn count the epochs of all."""
    done, whole = runs[0].epoch, settings.epochs
    if settings.seeds_in_turn:
        done, whole = sum(run.epoch for run in runs), len(runs) * settings.epochs
    if done % spec.training.checkpoint_every == 0 and done < whole:
        lease.checkpoint(done, identity, [run.checkpoint() for run in runs])


def _by_unit(records: Sequence[EpochRecord], proposals: Sequence[Proposal]) -> dict[UnitId, tuple[EpochRecord, ...]]:
    return {p.unit: tuple(r for r in records if r.seed in p.seeds) for p in proposals}


def _scores(
    task: TaskDefinition,
    proposals: Sequence[Proposal],
    records: dict[UnitId, tuple[EpochRecord, ...]],
    in_turn: int | None,
) -> dict[str, tuple[int, float]]:
    """Of each unit the last step that the records complete."""
    found = {p.unit: scores_by_step(task, p, records[p.unit], in_turn) for p in proposals}
    return {str(unit): max(scores.items()) for unit, scores in found.items() if scores}


def _keep(run: SeedRun, context: Context, proposal: Proposal, lease: Lease) -> NetworkFile:
    """Stores the network with what is needed to build it again."""
    packed = pack(run.network, context.task, _configuration(context.spec, proposal))
    return lease.keep_network({**packed, "seed": run.seed, "diverged": run.diverged})


def _result(
    context: Context,
    proposal: Proposal,
    lease: Lease,
    value: float | None,
    seeds: tuple[SeedOutcome, ...],
    silencing: tuple[SilencingRow, ...],
    seconds: float,
    seeds_in_batch: int,
) -> UnitResult:
    device = device_for(context.spec)
    return UnitResult(
        unit=proposal.unit,
        identity=proposal.identity,
        attempt=lease.token,
        status="complete",
        value=value,
        seeds=seeds,
        silencing=silencing,
        started_at=lease.started_at,
        finished_at=now(),
        seconds=seconds,
        backend=_backend(context.spec, proposal, device),
        device=_device_name(device),
        threads=torch.get_num_threads(),
        seeds_in_batch=seeds_in_batch,
        processors=lease.processors,
        peak_bytes=peak_resident(),
    )


def _silence(
    context: Context, ledger: Ledger, proposals: Sequence[Proposal], leases: Sequence[Lease]
) -> Generator[Step, None, None]:
    spec, task = context.spec, context.task
    if spec.silencing is None:
        raise ValueError("the study has no silencing stage")
    test = context.data.test().to(device_for(spec))
    for number, (proposal, lease) in enumerate(zip(proposals, leases, strict=True), 1):
        began = time.perf_counter()
        saved, path = _network_of(ledger, str(proposal.source))
        rows = silence(
            unpack(saved, path, spec.training.backend).to(device_for(spec)),
            task,
            test.part(proposal.seeds[0]),
            seed=proposal.seeds[0],
            fractions=spec.silencing.fractions,
            masks=spec.silencing.masks,
            diverged=saved["diverged"],
        )
        seconds = time.perf_counter() - began
        lease.publish(_result(context, proposal, lease, None, (), rows, seconds, 1))
        yield Step({}, done=number == len(proposals))


def _learned_starts(ledger: Ledger, proposals: Sequence[Proposal]) -> list[dict[str, torch.Tensor]] | None:
    """For each seed the trained network that its start draws from; None where units have their condition's own start.

    Only final units, of a seed each, start so.
    """
    sources = [proposal.start_from for proposal in proposals if proposal.start_from is not None]
    return [_network_of(ledger, source)[0]["network"] for source in sources] or None


def _own_start(ledger: Ledger, spec: StudySpec, unit: UnitId) -> dict[str, torch.Tensor] | None:
    """The state dict of the network of the user's own that a condition starts from, if it does."""
    given = spec.conditions[unit.condition].checkpoint
    if given is None:
        return None
    state: dict[str, torch.Tensor] = checkpoints.load(ledger.layout.start(given["sha256"]), given["sha256"])["network"]
    return state


def _network_of(ledger: Ledger, final: str) -> tuple[dict[str, Any], Path]:
    """What `_keep` stored of a final unit's network, and where."""
    result = ledger.result(UnitId.parse(final))
    file = result.seeds[0].network if result else None
    if file is None:
        raise FileNotFoundError(f"{final} has no network")
    path = ledger.layout.inside(file.path)
    return checkpoints.load(path, file.sha256), path
