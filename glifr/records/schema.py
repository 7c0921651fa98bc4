"""The records of a study. Losses are mean cross entropy (nats) or mean squared error, as the task says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

Stage = Literal["search", "confirm", "final", "silencing"]
STAGES: tuple[Stage, ...] = ("search", "confirm", "final", "silencing")

When = Literal["start", "end", "target"]
Value = float | str  # of a hyperparameter, as it was proposed: also a whole number, or true and false

_UNIT = re.compile(rf"({'|'.join(STAGES)})/([^/@]+)(?:@([1-9][0-9]*))?/([0-9]+)")

# complete: ran to its last epoch. pruned: stopped early by its condition's pruner.
Status = Literal["complete", "pruned"]


@dataclass(frozen=True, order=True)
class UnitId:
    """One unit of work.

    Attributes:
        stage: The stage that it belongs to.
        condition: The condition.
        number: The number of the proposal in search and confirm; the seed in final and silencing.
        repeat: Which of the study's independent searches it belongs to, counted from 0.
    """

    stage: Stage
    condition: str
    number: int
    repeat: int = 0

    @property
    def search_name(self) -> str:
        """The condition, in all repeats but the first with the repeat: Hom, Hom@1, Hom@2."""
        return search_name(self.condition, self.repeat)

    def __str__(self) -> str:
        return f"{self.stage}/{self.search_name}/{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Inverts `str`.

        Args:
            text: stage/condition/number, or stage/condition@repeat/number.

        Returns:
            The unit.

        Raises:
            ValueError: `text` is neither.
        """
        found = _UNIT.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no unit: stage/condition/number, with a stage of {', '.join(STAGES)}")
        stage, condition, repeat, number = found.groups()
        return cls(stage, condition, int(number), int(repeat or 0))  # type: ignore[arg-type]


def search_name(condition: str, repeat: int | Literal["*"]) -> str:
    """How one of a condition's independent searches is called; the first one as the condition. *: a pattern of all."""
    return f"{condition}@{repeat}" if repeat else condition


@dataclass(frozen=True)
class Proposal:
    """What a unit will run, written before it starts.

    Attributes:
        unit: The unit.
        identity: Hash of what decides the result (hyperparameters, seeds, size, delay, task, training, source network).
        hyperparameters: By name.
        seeds: Seeds that are trained.
        hidden_size: Neurons H.
        trained_parameters: Trained numbers.
        delay_steps: Delay D of the lateral input in steps; None without delay.
        source: For a confirm or final unit the unit whose hyperparameters it takes; for silencing its network's unit.
        start_from: The unit whose trained network a `learned` start resamples, or None.
        code_version: Version of the code that proposed it.
        proposed_at: When, in UTC.
        data: Fingerprint of the task's data ('' in folders of earlier versions).
        seeds_per_batch: Seeds trained as one computation, of this unit or, in the final stage, with other units of its
            job; for silencing that of its network's training; None in records from before it was kept. Not part of the
            identity.
        neuron: Digest of the neuron's step; '' for the published one, and in records from before it was kept.
        open: For a search unit the numbers of the trials that were open when it was proposed, by which its search is
            rebuilt in the order in which it grew; None for others, and in records from before it was kept.
    """

    unit: UnitId
    identity: str
    hyperparameters: dict[str, Value]
    seeds: tuple[int, ...]
    hidden_size: int
    trained_parameters: int
    delay_steps: int | None
    source: str | None
    start_from: str | None
    code_version: str
    proposed_at: str
    data: str = ""
    seeds_per_batch: int | None = None
    neuron: str = ""
    open: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        body = {**asdict(self), "unit": str(self.unit), "seeds": list(self.seeds)}
        return {**body, "open": list(self.open)} if self.open is not None else _without(body, "open")

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        still_open = None if body.get("open") is None else tuple(body["open"])
        return cls(**{**body, "unit": UnitId.parse(body["unit"]), "seeds": tuple(body["seeds"]), "open": still_open})


def _without(body: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != key}


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of one seed.

    Attributes:
        seed: The seed.
        epoch: The epoch, counted from 1.
        train_loss: Mean loss of the training samples.
        train_accuracy: Their accuracy; None where the task has none.
        validation_loss: Mean loss of the validation samples; None where the task has none.
        validation_accuracy: Their accuracy, likewise.
        diverged: Whether the seed's loss had become non-finite by this epoch.
        seconds: Wall time of the epoch divided by the seeds trained in it.
        validation_metrics: Of the task's own, by name, where `validation_loss` is; without those that are not finite.
    """

    seed: int
    epoch: int
    train_loss: float | None
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    diverged: bool
    seconds: float
    validation_metrics: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What is recorded; metrics only where there are some."""
        body = asdict(self)
        return body if self.validation_metrics else _without(body, "validation_metrics")

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(**body)


@dataclass(frozen=True)
class NetworkFile:
    """A file of a trained network, relative to the results folder, with its SHA-256."""

    path: str
    sha256: str


@dataclass(frozen=True)
class ParameterSummary:
    """One neuron parameter of one network over its H neurons, in natural units (rates in 1/ms).

    Attributes:
        parameter: thresh, k_m, k_j, r_j or a_j.
        index: The after-spike current j, 0 for thresh and k_m.
        when: 'start' or 'end' of training; 'target' for the network that is to be recovered, where the task has one.
    """

    parameter: str
    index: int
    when: When
    mean: float
    sd: float
    minimum: float
    q05: float
    q25: float
    median: float
    q75: float
    q95: float
    maximum: float


@dataclass(frozen=True)
class SeedOutcome:
    """How one seed ended.

    Attributes:
        seed: The seed.
        epochs: Epochs done.
        diverged: Whether its loss or a parameter became non-finite.
        score: What the search minimises: the validation loss after the last epoch (training loss where the task has no
            split), capped at twice the loss of chance, which is also the score of a diverged seed.
        train_loss: After the last epoch.
        train_accuracy: After the last epoch.
        validation_loss: After the last epoch.
        validation_accuracy: After the last epoch.
        test_loss: In the final stage only; that of chance for a diverged seed.
        test_accuracy: Likewise.
        network: File of its weights.
        parameters: Its neuron parameters.
        characteristics: See `glifr.records.characteristics`; None for a diverged network and in folders of earlier
            versions.
        test_metrics: Of the task's own, by name, where `test_loss` is.
    """

    seed: int
    epochs: int
    diverged: bool
    score: float
    train_loss: float | None
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    test_loss: float | None = None
    test_accuracy: float | None = None
    network: NetworkFile | None = None
    parameters: tuple[ParameterSummary, ...] = ()
    characteristics: NetworkFile | None = None
    test_metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        network, characteristics = body.get("network"), body.get("characteristics")
        return cls(
            **{
                **body,
                "network": NetworkFile(**network) if network else None,
                "characteristics": NetworkFile(**characteristics) if characteristics else None,
                "parameters": tuple(ParameterSummary(**p) for p in body.get("parameters", ())),
            }
        )


@dataclass(frozen=True)
class SilencingRow:
    """Test performance of one network with one random set of its neurons silenced."""

    fraction: float
    mask: int
    silenced: int
    test_loss: float
    test_accuracy: float | None
    test_metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FailureRecord:
    """Why an attempt at a unit ended without a result.

    Attributes:
        attempt: Its lease token.
        kind: The kind of failure.
        message: What happened, in a sentence.
        at: When, in UTC.
        node: Host name and address; '' where unknown.
        traceback: Of the exception; the stack where it hung, or what Ray said of the worker that was lost.
    """

    attempt: str
    kind: str
    message: str
    at: str
    node: str = ""
    traceback: str = ""

    @classmethod
    def from_json(cls, attempt: str, body: dict[str, Any]) -> Self:
        return cls(attempt, **body)


@dataclass(frozen=True)
class UnitResult:
    """What a finished unit found; published once.

    Attributes:
        unit: The unit.
        identity: Hash of what decided the result.
        attempt: Lease token of the attempt that published it.
        status: How it ended.
        value: Mean score over the seeds (None for silencing).
        seeds: How each seed ended.
        silencing: Rows of the silencing stage.
        started_at: In UTC.
        finished_at: In UTC.
        seconds: Wall time of the publishing attempt's share.
        backend: The backend that computed it.
        device: The device.
        threads: The number of threads.
        seeds_in_batch: Seeds that were in fact trained as one computation in the publishing attempt.
        processors: Kinds of processor of its attempts, in order and without repeats; more than one if it was tried
            again elsewhere. () in folders of earlier versions.
        peak_bytes: Most memory that the publishing attempt's worker had taken by then; 0 if that is not on record.
    """

    unit: UnitId
    identity: str
    attempt: str
    status: Status
    value: float | None
    seeds: tuple[SeedOutcome, ...]
    silencing: tuple[SilencingRow, ...]
    started_at: str
    finished_at: str
    seconds: float
    backend: str
    device: str
    threads: int
    seeds_in_batch: int
    processors: tuple[str, ...] = ()
    peak_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """What is recorded; metrics only where there are some."""
        body = {**asdict(self), "unit": str(self.unit)}
        for part in ("seeds", "silencing"):
            body[part] = [own if own["test_metrics"] else _without(own, "test_metrics") for own in body[part]]
        return body

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(
            **{
                **body,
                "unit": UnitId.parse(body["unit"]),
                "seeds": tuple(SeedOutcome.from_json(s) for s in body["seeds"]),
                "silencing": tuple(SilencingRow(**r) for r in body["silencing"]),
                "processors": tuple(body.get("processors", ())),
            }
        )
