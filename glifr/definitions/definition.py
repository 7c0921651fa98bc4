"""What the system needs to know of a kind of network: one definition each, for GLIFR, RNN and LSTM as for others'.

A definition says what may be set, searched and learned (`kind`), which neurons it has, how many numbers it trains at a
size, how it is built, and what computes it. Nothing else in the project asks for a network by its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch

from glifr import checks
from glifr.conditions import Condition, NetworkKind
from glifr.engine.backends import choose_backend
from glifr.engine.definition import NeuronModel, parts
from glifr.networks.base import BaseNetwork


@dataclass(frozen=True)
class BuildOptions:
    """How a network is built.

    Attributes:
        in_size: Inputs I.
        hidden_size: Neurons H.
        out_size: Outputs O.
        dt: Time step [ms].
        delay_steps: Delay D of the lateral input in steps; None without delay.
        hyperparameters: Spreads, 1 where absent; others do not concern the start.
        dropout_prob: Probability of dropout.
        backend: One of `glifr.engine.backends.BACKENDS`.
        output_weight: Whether there is a readout.
        generator: What the start is drawn from; torch's global generator if None.
    """

    in_size: int
    hidden_size: int
    out_size: int
    dt: float
    delay_steps: int | None
    hyperparameters: Mapping[str, float] = field(default_factory=dict)
    dropout_prob: float = 0.0
    backend: str = "auto"
    output_weight: bool = True
    generator: torch.Generator | None = None

    @property
    def sizes(self) -> tuple[int, int, int]:
        return self.in_size, self.hidden_size, self.out_size

    def spread(self, name: str) -> float:
        """A hyperparameter of the start."""
        return self.hyperparameters.get(name, 1.0)


class SizesInFile(NamedTuple):
    """Inputs and outputs of a network in a file, and whether it has a readout."""

    in_size: int
    out_size: int
    output_weight: bool


class NetworkDefinition(ABC):
    """One kind of network."""

    @property
    @abstractmethod
    def kind(self) -> NetworkKind:
        """What a study knows of it without building one."""

    @abstractmethod
    def neuron(self, condition: Condition) -> NeuronModel | None:
        """The model of its neurons; None for a network that is not made of one."""

    @abstractmethod
    def trained_parameters(
        self, condition: Condition, in_size: int, out_size: int, hidden_size: int, output_weight: bool
    ) -> int:
        """How many numbers a network of these sizes trains, its readout with its bias included, if it has one."""

    @abstractmethod
    def build(self, condition: Condition, options: BuildOptions) -> BaseNetwork:
        """A network at its start. Raises InputError for what cannot be meant."""

    @abstractmethod
    def engine(self, condition: Condition, backend: str, device: torch.device | str) -> str:
        """The concrete backend that computes it there; InputError for one that cannot."""

    def batches_exactly(self, condition: Condition, backend: str, device: torch.device | str) -> bool:
        """True if a replica computed among others has the bits that it has alone."""
        return torch.device(device).type == "cpu" and self.engine(condition, backend, device) == "cpu"

    @property
    def recordable(self) -> bool:
        """True if a training step may be recorded as a CUDA graph: it is the same kernels each time."""
        return True

    def published(self, condition: Condition) -> bool:
        """True if its neurons have a published step: units with one are identified without its digest."""
        del condition
        return False

    def sizes_in(self, weights: Mapping[str, torch.Tensor], hidden_size: int) -> SizesInFile | None:
        """The sizes that a state dict shows; None where they do not follow from it."""
        del weights, hidden_size
        return None


class NeuronNetworkDefinition(NetworkDefinition):
    """A recurrent layer of neurons of one model, and a linear readout, through an engine made from the model's step.

    Attributes:
        input_weight: The tensor of the layer that reads the inputs, and which of its dimensions they are.
    """

    input_weight: ClassVar[tuple[str, int]] = ("weight_in", 0)

    @abstractmethod
    def neuron(self, condition: Condition) -> NeuronModel:
        """The model of its neurons."""

    def numbers_a_neuron(self, condition: Condition) -> int:
        """How many numbers of each neuron are trained, beside its weights."""
        return sum(len(parts(p)) for p in self.neuron(condition).parameters if p.name in condition.learned_parameters)

    def trained_parameters(
        self, condition: Condition, in_size: int, out_size: int, hidden_size: int, output_weight: bool
    ) -> int:
        weights = self.neuron(condition).gates * hidden_size * (in_size + hidden_size)
        readout = hidden_size * out_size + out_size if output_weight else 0
        return weights + self.numbers_a_neuron(condition) * hidden_size + readout

    def engine(self, condition: Condition, backend: str, device: torch.device | str) -> str:
        return choose_backend(backend, device, model=self.neuron(condition))

    def sizes_in(self, weights: Mapping[str, torch.Tensor], hidden_size: int) -> SizesInFile:
        name, dimension = self.input_weight
        bias = weights.get("output_linear.bias")
        outputs = hidden_size if bias is None else len(bias)
        return SizesInFile(weights[f"neuron_layer.{name}"].shape[dimension], outputs, bias is not None)


def delay_of(options: BuildOptions) -> float:
    """The delay of the lateral connections [ms]."""
    return checks.size("delay_steps", options.delay_steps) * options.dt
