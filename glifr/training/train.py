"""Trains several seeds of one configuration together; each seed's result is its own.

A seed batch groups execution and is never identity: each seed has its own network, optimiser and random streams. The
seeds of a batch are one computation with a leading replica dimension R: on CUDA, and on the CPU where the backend keeps
each replica's bits (`glifr.engine.backends.batches_exactly`). Elsewhere on the CPU each seed is computed by itself.
Shapes: R replicas (seeds), B batch, N samples.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from glifr.characterise import summarise
from glifr.configuration import Configuration, TrainingSettings
from glifr.definitions import definition_of
from glifr.records import EpochRecord, NetworkFile, ParameterSummary, SeedOutcome
from glifr.tasks import Split, TaskData, TaskDefinition
from glifr.training.evaluation import EVALUATION_BATCH, Performance, chance, evaluate, sample_losses
from glifr.training.seed_run import SeedRun
from glifr.training.steps import EagerSteps, PreparedSteps, RecordedSteps, StepRunner, recorder_for
from glifr.training.streams import stream


class Training:
    """R seeds of one configuration, trained epoch by epoch.

    Call `run_epoch` until `finished`; `checkpoint` and `restore` of each of `runs` between epochs; `outcomes` at the
    end.

    Args:
        task: The task.
        data: Its training and validation data.
        configuration: What is trained.
        settings: How it is trained.
        seeds: The seeds.
        device: Where they are trained.
        learning_rates: One per seed; by default all have that of the configuration.
        trained: For each seed the state dict of the network that its `learned` start draws from; by default all have
            the condition's own start.

    Attributes:
        runs: One `SeedRun` per seed.
        notes: What was not done as asked, though nothing is lost by it.
    """

    def __init__(
        self,
        task: TaskDefinition,
        data: TaskData,
        configuration: Configuration,
        settings: TrainingSettings,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
        learning_rates: Sequence[float] | None = None,
        trained: Sequence[Mapping[str, Tensor]] | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.task, self.settings, self.configuration = task, settings, configuration
        self.train = data.train.to(self.device)
        self.validation = data.validation.to(self.device) if data.validation else None
        rates: Sequence[float | None] = [None] * len(seeds) if learning_rates is None else learning_rates
        starts: Sequence[Mapping[str, Tensor] | None] = [None] * len(seeds) if trained is None else trained
        self.runs = [
            SeedRun(seed, task, configuration, settings, self.device, rate, start)
            for seed, rate, start in zip(seeds, rates, starts, strict=True)
        ]
        network = definition_of(configuration.condition)
        exactly = network.batches_exactly(configuration.condition, settings.backend, self.device)
        alone = self.device.type == "cpu" and not exactly
        self.replicas = 1 if alone else min(settings.seeds_per_batch or len(seeds), max(1, len(seeds)))
        self.notes: list[str] = []
        self._recorder = recorder_for(settings, self.device) if network.recordable else None
        self._steps: dict[tuple[tuple[int, int], ...], StepRunner] = {}

    @property
    def epoch(self) -> int:
        """Epochs that all seeds have done."""
        return min(run.epoch for run in self.runs)

    @property
    def finished(self) -> bool:
        return self.epoch >= self.settings.epochs

    def run_epoch(self) -> tuple[EpochRecord, ...]:
        """Trains one epoch of the seeds that have done least; where seeds take turns, of the first that is not done.

        Returns:
            Their records. Of diverged seeds the epoch is only counted.
        """
        behind = self._next()
        alive = [run for run in behind if not run.diverged]
        for run in alive:
            run.begin_epoch(self.device)
        groups = [alive[begin : begin + self.replicas] for begin in range(0, len(alive), self.replicas)]
        self._steps = {_identity(group): self._steps_of(group) for group in groups}
        for group in groups:
            self._train_group(group)
        for run in behind:
            if run.diverged:
                run.last = _diverged_record(run)
            run.epoch += 1
        return tuple(run.last for run in behind if run.last is not None)

    def _next(self) -> list[SeedRun]:
        if self.settings.seeds_in_turn:
            return [run for run in self.runs if run.epoch < self.settings.epochs][:1]
        return [run for run in self.runs if run.epoch == self.epoch]

    def _steps_of(self, group: Sequence[SeedRun]) -> StepRunner:
        """The steps of a group as in the epoch before, or new ones if it has changed."""
        known = self._steps.get(_identity(group))
        if known is not None:
            return known
        size = min(self.settings.batch_size, self._samples)
        if self._recorder is None:
            return PreparedSteps(self.task, self.train, group, size)
        return RecordedSteps(EagerSteps(self.task, self.train, group), size, self._recorder, self._note)

    def _note(self, text: str) -> None:
        self.notes.append(text)
        warnings.warn(text, RuntimeWarning, stacklevel=2)

    def _train_group(self, group: Sequence[SeedRun]) -> None:
        started = time.perf_counter()
        trained = self._train_on_all(group)
        validated = self._validate(group) if self.validation else [None] * len(group)
        seconds = (time.perf_counter() - started) / len(group)
        for run, train, validation in zip(group, trained, validated, strict=True):
            run.diverged = not (math.isfinite(train.loss) and (validation is None or math.isfinite(validation.loss)))
            held_out = None if run.diverged else validation
            run.last = EpochRecord(
                seed=run.seed,
                epoch=run.epoch + 1,
                train_loss=None if run.diverged else train.loss,
                train_accuracy=None if run.diverged else train.accuracy,
                validation_loss=held_out.loss if held_out else None,
                validation_accuracy=held_out.accuracy if held_out else None,
                diverged=run.diverged,
                seconds=seconds,
                validation_metrics=_finite(held_out.metrics) if held_out else {},
            )

    def _train_on_all(self, group: Sequence[SeedRun]) -> list[Performance]:
        """Each seed in its own order; the last batch may be smaller. The device is not waited for before the end."""
        steps, size = self._steps[_identity(group)], self.settings.batch_size
        steps.tally.reset()
        done, begins = 0, range(0, self._samples, size)
        for orders in self._orders(group):
            for begin in begins:
                for run in group:
                    run.begin_step(done, self.task.passes * len(begins))
                steps.run(orders[:, begin : begin + size])
                done += 1
        return steps.tally.read(self.task.passes * self._samples)

    @property
    def _samples(self) -> int:
        """How many samples a seed sees in a pass."""
        return len(self.train) // self.train.problems

    def _validate(self, group: Sequence[SeedRun]) -> list[Performance]:
        assert self.validation is not None
        if self.validation.problems == 1:
            return evaluate([run.network for run in group], self.task, self.validation)
        return [evaluate([run.network], self.task, self.validation.part(run.seed))[0] for run in group]

    def _orders(self, group: Sequence[SeedRun]) -> Iterator[Tensor]:
        """In which order each seed sees the samples in each pass of this epoch, [R,N] int64."""
        generators = [stream(run.seed, "order", run.epoch) for run in group]
        for _ in range(self.task.passes):
            orders = [torch.randperm(self._samples, generator=generator) for generator in generators]
            first = torch.tensor([[self.train.rows(run.seed).start] for run in group])
            yield (torch.stack(orders) + first).to(self.device)

    def outcomes(
        self, test: Split | None = None, keep: Callable[[SeedRun], NetworkFile] | None = None
    ) -> tuple[SeedOutcome, ...]:
        """Tells how each seed ended.

        Args:
            test: The test split, given in the final stage only, and read here only.
            keep: Stores a seed's network.

        Returns:
            One outcome per seed.
        """
        held = test.to(self.device) if test is not None else None
        return tuple(self._outcome(run, held, keep(run) if keep else None) for run in self.runs)

    def _outcome(self, run: SeedRun, test: Split | None, file: NetworkFile | None) -> SeedOutcome:
        last = run.last
        if last is None:
            raise ValueError(f"seed {run.seed} has not been trained")
        tested = self._test(run, test) if test is not None else None
        return SeedOutcome(
            seed=run.seed,
            epochs=run.epoch,
            diverged=run.diverged,
            score=self.task.score(last),
            train_loss=last.train_loss,
            train_accuracy=last.train_accuracy,
            validation_loss=last.validation_loss,
            validation_accuracy=last.validation_accuracy,
            test_loss=tested.loss if tested else None,
            test_accuracy=tested.accuracy if tested else None,
            test_metrics=tested.metrics if tested else {},
            network=file,
            parameters=(*run.start, *summarise(run.network, "end"), *self._target_parameters(run.seed)),
        )

    def _target_parameters(self, seed: int) -> tuple[ParameterSummary, ...]:
        """What the seed's network was to recover, where the task knows it."""
        return () if self.task.target is None else summarise(self.task.target(seed), "target")

    def _test(self, run: SeedRun, test: Split) -> Performance:
        if run.diverged:
            return chance(self.task)
        found = evaluate([run.network], self.task, test.part(run.seed))[0]
        finite = all(map(math.isfinite, (found.loss, *found.metrics.values())))
        return found if finite else chance(self.task)


def _identity(group: Sequence[SeedRun]) -> tuple[tuple[int, int], ...]:
    return tuple(run.identity for run in group)


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _diverged_record(run: SeedRun) -> EpochRecord:
    return EpochRecord(run.seed, run.epoch + 1, None, None, None, None, diverged=True, seconds=0.0)


__all__ = [
    "EVALUATION_BATCH",
    "Configuration",
    "Performance",
    "SeedRun",
    "Training",
    "TrainingSettings",
    "evaluate",
    "sample_losses",
]
