"""One training step of R seeds - forward, loss, backward, optimiser - eagerly, prepared, or recorded as a CUDA graph.

A prepared step, on the CPU, is the same compiled functions without autograd between them and new memory around them.

A recorded step is the same kernels on the same memory without the host's work between them, which takes most of the
time of a small network. What is recorded is fixed: shapes, memory, generators. So the last, smaller batch of an epoch
runs eagerly, and so does every step with dropout, whose draws a recording would repeat. The first steps of a run are
ordinary ones on a side stream (libraries and kernels prepare themselves), then one is recorded, then all are replayed.
Shapes: R replicas, B batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from glifr.configuration import TrainingSettings
from glifr.networks import forward_replicas
from glifr.networks.replicas import prepare_replicas
from glifr.tasks import Split, TaskDefinition
from glifr.training.evaluation import Heard, Tally
from glifr.training.optimizer import OptimizersTogether
from glifr.training.seed_run import SeedRun

if TYPE_CHECKING:
    from glifr.engine.cpu.prepared import PreparedPass

_WARM_UP = 3  # steps before the recording, as PyTorch advises


class StepRunner(Protocol):
    """Trains R seeds step by step. tally: losses and hits since its last reset."""

    @property
    def tally(self) -> Tally:
        """Sums over the steps since it was last reset."""

    def run(self, index: Tensor) -> None:
        """One step of each replica on its samples, index [R,B] int64, on the device."""


class Recorder(Protocol):
    """Records what a device does in a function."""

    def warm_up(self, step: Callable[[], None]) -> None:
        """Runs `step` in the surroundings in which it will be recorded."""

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        """Records `step` without running it; returns what runs it. RuntimeError if that is not possible."""


class EagerSteps:
    """A `StepRunner` that calls one kernel after another."""

    def __init__(self, task: TaskDefinition, split: Split, group: Sequence[SeedRun]) -> None:
        self._task, self._split, self._group = task, split, group
        self._networks = [run.network for run in group]
        self._optimizers = OptimizersTogether([run.optimizer for run in group], group[0].settings.clip_norm)
        self.tally = Tally(task, len(group), split.targets.device)

    def run(self, index: Tensor) -> None:
        inputs, targets = self._split.batch(index)
        heard = Heard(self._task, targets, self._split.lengths_of(index))
        losses, outputs = self._learn(inputs, heard)
        self._optimizers.step()
        self.tally.add(losses.double() * index.shape[1], heard.of(outputs), targets)

    def _learn(self, inputs: Tensor, heard: Heard) -> tuple[Tensor, Tensor]:
        """Losses [R] and outputs; the gradients are set."""
        for run in self._group:
            run.optimizer.zero_grad(set_to_none=True)
        outputs = forward_replicas(self._networks, inputs, readout=heard.readout)
        losses = heard.losses(outputs, torch.mean)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        return losses.detach(), outputs.detach()


class PreparedSteps(EagerSteps):
    """The same, to the bit, in less time: backend "cpu" prepares steps of `batch_size` samples where that pays."""

    def __init__(self, task: TaskDefinition, split: Split, group: Sequence[SeedRun], batch_size: int) -> None:
        super().__init__(task, split, group)
        self._batch_size = batch_size
        self._tried = False
        self._prepared: PreparedPass | None = None

    def _learn(self, inputs: Tensor, heard: Heard) -> tuple[Tensor, Tensor]:
        if inputs.shape[1] == self._batch_size and not self._tried:
            self._tried = True
            self._prepared = prepare_replicas(self._networks, inputs, heard.readout)
        if self._prepared is None or not self._prepared.fits(inputs):
            return super()._learn(inputs, heard)
        return self._prepared.learn(inputs, lambda outputs: heard.losses(outputs, torch.mean))


class RecordedSteps:
    """A `StepRunner` that records a step and replays it.

    Args:
        eager: Runs steps of another size, and all of them if nothing can be recorded.
        batch_size: Samples of a recorded step.
        recorder: What records.
        note: Called with the reason why nothing could be recorded.
    """

    def __init__(self, eager: EagerSteps, batch_size: int, recorder: Recorder, note: Callable[[str], None]) -> None:
        self._eager, self._batch_size, self._recorder, self._note = eager, batch_size, recorder, note
        self._before_recording = _WARM_UP
        self._index: Tensor | None = None  # which samples: the one input of a recorded step
        self._replay: Callable[[], None] | None = None
        self._failed = False

    @property
    def tally(self) -> Tally:
        return self._eager.tally

    def run(self, index: Tensor) -> None:
        if self._failed or index.shape[1] != self._batch_size:
            return self._eager.run(index)
        if self._before_recording:
            self._before_recording -= 1
            return self._recorder.warm_up(lambda: self._eager.run(index))
        if self._index is None or self._replay is None:
            return self._begin(index)
        self._index.copy_(index)
        return self._replay()

    def _begin(self, index: Tensor) -> None:
        """Records the step and runs it for the first time."""
        static = index.clone()
        try:
            self._replay = self._recorder.record(lambda: self._eager.run(static))
        except RuntimeError as error:
            self._failed = True
            first_line = next(iter(str(error).splitlines()), type(error).__name__)
            self._note(f"the training step could not be recorded as a CUDA graph and runs eagerly: {first_line}")
            return self._eager.run(index)
        self._index = static
        return self._replay()


class CudaRecorder:
    """A `Recorder` of CUDA graphs. Graphs share one memory pool: they never run at the same time."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, step: Callable[[], None]) -> None:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            step()
        torch.cuda.current_stream().wait_stream(self._stream)

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            step()
        return graph.replay


def recorder_for(settings: TrainingSettings, device: torch.device) -> Recorder | None:
    """What records training steps there; None where they run eagerly."""
    wanted = device.type == "cuda" and settings.cuda_graphs and settings.dropout == 0
    return CudaRecorder() if wanted else None
