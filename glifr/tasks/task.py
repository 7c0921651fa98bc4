"""Definition of a task: sequences with targets, splits, loss, and the loss of chance.

Shapes: N samples, T steps, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

if TYPE_CHECKING:  # a study file is read, and refused, without torch
    import torch
    from torch import Tensor

    from glifr.networks.base import BaseNetwork
    from glifr.records import EpochRecord

ARRAYS = "arrays"  # the task whose data are a study's own file
NPZ = "npz"  # its source
TrainOn = Literal["train", "train+validation"]
Readout = Literal["last", "all"]
SplitName = Literal["train", "validation", "test"]
OwnLoss: TypeAlias = "Callable[[Tensor, Tensor, Tensor | None], Tensor]"


@dataclass(frozen=True)
class Metric:
    """A further measure of a network on test data, beside loss and accuracy.

    Attributes:
        name: Its name, letters, digits and _; the tables have it as `test_<name>`.
        of: As `TaskDefinition.own_loss`: from outputs, targets and lengths to a value of each sample [B], of which the
            mean counts.
        better: "higher" for a share, at most 1, as an accuracy; "lower" for an error, at least 0.
        chance: Its value for a network that has learned nothing, which a diverged one has too.
        smallest_effect: The smallest difference that matters, where a study says nothing.
    """

    name: str
    of: OwnLoss = field(repr=False)
    better: Literal["higher", "lower"]
    chance: float
    smallest_effect: float

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "of"}


@dataclass(frozen=True)
class ArraySettings:
    """What a study says of its own arrays.

    Attributes:
        path: The file.
        loss: As in `TaskDefinition`.
        readout: As in `TaskDefinition`.
        time_step_ms: dt of the network [ms].
    """

    path: Path
    loss: Literal["cross_entropy", "mse"]
    readout: Readout
    time_step_ms: float


@dataclass(frozen=True)
class TaskSettings:
    """What a study says of its task.

    Attributes:
        name: The task.
        source: Where its data come from.
        data_root: Where the files are, None for the usual places.
        train_on: Whether the validation split is trained on too.
        frequencies: Frequencies [1/ms], for tasks that have them among their `options`; None for the task's own.
        noise: Standard deviation of noise on the inputs, likewise.
        arrays: For the task of that name.
    """

    name: str
    source: str
    data_root: Path | None = None
    train_on: TrainOn = "train"
    frequencies: tuple[float, ...] | None = None
    noise: float = 0.0
    arrays: ArraySettings | None = None


@dataclass(frozen=True)
class Split:
    """Samples held in memory as stored; `batch` gives them as the network takes them.

    Attributes:
        stored: [N, ...] as `decode` expects, kept small (bytes, where the source has bytes) and whole on the device.
        targets: Class indices [N], or values [N,T,O] for regression.
        decode: From stored rows [B, ...] to float32 inputs [B,T,I], each row by itself, on the rows' device.
        problems: Number of equal consecutive parts, of which a seed sees one (`part`).
        lengths: Steps of each sequence [N] from 1 to T, int64; None where all have T. What stands after a sequence's
            end is padding: it is given as zeros, and neither loss nor readout hears it.
    """

    stored: Tensor
    targets: Tensor
    decode: Callable[[Tensor], Tensor] = field(repr=False)
    problems: int = 1
    lengths: Tensor | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Gives samples as the network takes them.

        Args:
            index: Which samples [B] or [R,B], int64.

        Returns:
            Inputs [...,T,I], float32, and targets.
        """
        flat = index.flatten()
        inputs, targets = self.decode(self.stored.index_select(0, flat)), self.targets.index_select(0, flat)
        lengths = self.lengths_of(flat)
        inputs = inputs if lengths is None else without_padding(inputs, lengths)
        if index.ndim == 1:
            return inputs, targets
        return inputs.view(*index.shape, *inputs.shape[1:]), targets.view(*index.shape, *targets.shape[1:])

    def to(self, device: torch.device) -> Split:
        lengths = None if self.lengths is None else self.lengths.to(device)
        return replace(self, stored=self.stored.to(device), targets=self.targets.to(device), lengths=lengths)

    def lengths_of(self, index: Tensor) -> Tensor | None:
        """The steps of samples [B] or [R,B]; None where all have the same."""
        return None if self.lengths is None else self.lengths[index]

    def take(self, rows: slice) -> Split:
        """Some samples, as of one problem."""
        lengths = None if self.lengths is None else self.lengths[rows]
        return Split(self.stored[rows], self.targets[rows], self.decode, lengths=lengths)

    def rows(self, seed: int) -> slice:
        """Which samples a seed sees: all, or of several problems one."""
        size, problem = len(self) // self.problems, seed % self.problems
        return slice(problem * size, (problem + 1) * size)

    def part(self, seed: int) -> Split:
        """The samples that a seed sees."""
        return self.take(self.rows(seed))


def without_padding(values: Tensor, lengths: Tensor) -> Tensor:
    """`values` [N,T,...] with zeros after the end of each sequence, whatever stands there. lengths: [N]."""
    from glifr.networks.lengths import is_padding

    padding = is_padding(lengths, values.shape[1], values.device)
    return values.masked_fill(padding.view(*values.shape[:2], *[1] * (values.ndim - 2)), 0)


@dataclass(frozen=True)
class TaskData:
    """What tuning may see. The test split is not here: only `TaskDefinition.load_test` gives it.

    Attributes:
        train: The training split.
        validation: The validation split; None where everything is trained on (`train_on: train+validation`) or the task
            has no splits.
    """

    train: Split
    validation: Split | None


@dataclass(frozen=True)
class TaskDefinition:
    """A task as data.

    Attributes:
        name: Its name in a study.
        title: Its name in words.
        inputs: Inputs I.
        outputs: Outputs O.
        steps: Steps T.
        time_step_ms: dt of the network [ms].
        loss: "cross_entropy" or "mean_squared_error".
        readout: Whether every step is read, or the last one.
        primary: What is compared on test data: "accuracy", "loss", or the name of one of its `metrics`.
        chance_loss: Loss of a network that knows only how often each target occurs.
        chance_accuracy: Its accuracy; None for regression.
        sources: Where the data can come from; the first is the default.
        sizes: From the source to the samples in each split that exists.
        load: From the settings to what tuning may see.
        load_test: From the settings to the test split, or the training split of a task that holds nothing out.
        fingerprint: From the settings to the SHA-256 of the data, which is part of each unit's identity.
        passes: Passes over the training samples per epoch; more than one where a pass is too short to be recorded.
        options: Settings that the task has in addition to the source, such as `frequencies`.
        adapted: From the task and its settings to the task as they change it.
        problems: Number of problems, of which a seed has one.
        target: From the seed to the network whose outputs are its targets.
        neurons_are_outputs: Whether networks have no readout, and as many neurons as outputs.
        lengths: Steps of the shortest and of the longest sequence, where they differ.
        own_loss: Another loss of the same targets: from outputs [B,O], or [B,T,O] where every step is read, targets,
            and the steps of each sequence [B] (None where all have T), to losses [B]. `loss` then says what targets
            are.
        metrics: Further measures on test data.
    """

    name: str
    title: str
    inputs: int
    outputs: int
    steps: int
    time_step_ms: float
    loss: Literal["cross_entropy", "mean_squared_error"]
    readout: Readout
    primary: str
    chance_loss: float
    chance_accuracy: float | None
    sources: tuple[str, ...]
    sizes: Callable[[str], dict[SplitName, int]]
    load: Callable[[TaskSettings], TaskData]
    load_test: Callable[[TaskSettings], Split]
    fingerprint: Callable[[TaskSettings], str]
    passes: int = 1
    options: tuple[str, ...] = ()
    adapted: Callable[[TaskDefinition, TaskSettings], TaskDefinition] | None = None
    problems: int = 1
    target: Callable[[int], BaseNetwork] | None = None
    neurons_are_outputs: bool = False
    lengths: tuple[int, int] | None = None
    own_loss: OwnLoss | None = None
    metrics: tuple[Metric, ...] = ()

    def for_settings(self, settings: TaskSettings) -> TaskDefinition:
        """The task as a study sets it."""
        return self if self.adapted is None else self.adapted(self, settings)

    def without_data(self) -> TaskDefinition:
        """What the task is, to be sent to where its data are at hand already."""
        return replace(self, load=_not_here, load_test=_not_here, fingerprint=_not_here, adapted=None)

    def held_out(self, source: str) -> bool:
        """True if there are data that no network is trained on."""
        return "test" in self.sizes(source)

    @property
    def measures(self) -> tuple[str, ...]:
        """What networks can be compared by on test data."""
        accuracy = () if self.chance_accuracy is None else ("accuracy",)
        return (*accuracy, "loss", *(metric.name for metric in self.metrics))

    def smallest_effect(self, primary: str) -> float | None:
        """The smallest difference that matters of one of its `metrics`; None for accuracy and loss."""
        return next((metric.smallest_effect for metric in self.metrics if metric.name == primary), None)

    @property
    def worst_score(self) -> float:
        """The score of a diverged seed, and the cap of every other: twice the loss of chance."""
        return 2 * self.chance_loss

    def score(self, record: EpochRecord) -> float:
        """What the search minimises: the validation loss, or the training loss where nothing is held out."""
        loss = record.train_loss if record.validation_loss is None else record.validation_loss
        return self.worst_score if record.diverged or loss is None else min(loss, self.worst_score)

    @property
    def classes(self) -> int | None:
        return self.outputs if self.loss == "cross_entropy" else None

    def samples_trained_on(self, settings: TaskSettings) -> int:
        """How many samples one pass has."""
        sizes = self.sizes(settings.source)
        everything = settings.train_on == "train+validation"
        return (sizes["train"] + (sizes.get("validation", 0) if everything else 0)) // self.problems

    def samples_validated_on(self, settings: TaskSettings) -> int:
        """How many samples are evaluated after each epoch."""
        everything = settings.train_on == "train+validation"
        return 0 if everything else self.sizes(settings.source).get("validation", 0) // self.problems

    def samples_tested_on(self, source: str) -> int:
        """How many samples `load_test` gives."""
        sizes = self.sizes(source)
        return sizes.get("test", sizes["train"]) // self.problems


def task_record(task: TaskDefinition, source: str) -> dict[str, Any]:
    """What study.json tells of a task, but for how the study trains on it; see `recorded_task`."""
    later: dict[str, Any] = {} if task.lengths is None else {"lengths": list(task.lengths)}
    later |= {"metrics": [metric.to_json() for metric in task.metrics]} if task.metrics else {}
    return {
        "name": task.name,
        "title": task.title,
        "primary": task.primary,
        "classes": task.classes,
        "chance_loss": task.chance_loss,
        "chance_accuracy": task.chance_accuracy,
        "source": source,
        "splits": task.sizes(source),
        "time_step_ms": task.time_step_ms,
        "steps": task.steps,
        "passes": task.passes,
        "inputs": task.inputs,
        "outputs": task.outputs,
        "problems": task.problems,
        **later,
    }


def recorded_task(body: Mapping[str, Any]) -> TaskDefinition:
    """The task of a `study.json`'s section `task`; of earlier versions without its numbers of inputs and outputs."""
    classes = body["classes"]
    return TaskDefinition(
        name=body["name"],
        title=body["title"],
        inputs=body.get("inputs", 1),
        outputs=body.get("outputs", classes or 1),
        steps=body["steps"],
        time_step_ms=body["time_step_ms"],
        loss="mean_squared_error" if classes is None else "cross_entropy",
        readout="all",
        primary=body["primary"],
        chance_loss=body["chance_loss"],
        chance_accuracy=body["chance_accuracy"],
        sources=(body["source"],),
        sizes=lambda source: dict(body["splits"]),
        load=_not_here,
        load_test=_not_here,
        fingerprint=lambda settings: str(body["fingerprint"]),
        passes=body.get("passes", 1),
        problems=body.get("problems", 1),
        lengths=tuple(body["lengths"]) if "lengths" in body else None,
        metrics=tuple(Metric(of=_not_here, **metric) for metric in body.get("metrics", ())),
    )


def _not_here(*settings: object) -> NoReturn:
    raise ValueError("this is a task without its data")
