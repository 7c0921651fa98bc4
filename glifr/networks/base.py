"""What every network of a study is: H neurons that can be silenced and dropped, and outputs [B,T,O] of inputs [B,T,I].

How R of them are computed is its own affair (`run`): as one computation, or one after the other.
Shapes: R replicas, B batch, T steps, I inputs, H neurons, O outputs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from glifr import checks
from glifr.engine.backends import check_backend
from glifr.engine.definition import AFTER_SPIKE, VOLTAGE, NeuronModel
from glifr.errors import InputError, Problem
from glifr.networks.layer import stack

if TYPE_CHECKING:
    from glifr.engine.cpu.prepared import PreparedPass

When = Literal["last", "all"]


class Activity(NamedTuple):
    """What a network did with a batch: neurons [B,T,H], and after-spike currents, summed over j, where it has any."""

    neurons: Tensor
    after_spike: Tensor | None = None


class NeuronsAlone(NamedTuple):
    """Neurons without lateral input. parameters: values [1,H] or [J,1,H]. dt [ms]."""

    model: NeuronModel
    constants: Any
    parameters: Any
    dt: float
    hidden_size: int


def summed_currents(states: Any) -> Tensor | None:
    """The after-spike currents of a neuron's states, summed over j; None where it has none."""
    currents = getattr(states, AFTER_SPIKE, None)
    return None if currents is None or len(currents) == 0 else currents.sum(0)


def voltage_of(states: Any) -> Tensor:
    """The voltage of a neuron's states."""
    found: Tensor = getattr(states, VOLTAGE)
    return found


class BaseNetwork(nn.Module):
    """Sizes, dropout and silencing of a network.

    Args:
        sizes: Inputs I, neurons H, outputs O.
        dropout_prob: Probability of dropout.
        backend: One of `glifr.engine.backends.BACKENDS`.

    Attributes:
        dropout_generator: What dropout draws from in training; None for torch's global generator.
    """

    neuron_mask: Tensor | None
    dt: float  # [ms]

    def __init__(self, sizes: tuple[int, int, int], dropout_prob: float, backend: str) -> None:
        super().__init__()
        names = ("in_size", "hid_size", "out_size")
        sizes = tuple(checks.size(name, n) for name, n in zip(names, sizes, strict=True))  # type: ignore[assignment]
        self.in_size, self.hidden_size, self.out_size = sizes
        self.dropout_prob = checks.probability("dropout_prob", dropout_prob)
        self.backend = check_backend(backend)
        self.dropout_generator: torch.Generator | None = None
        self.register_buffer("neuron_mask", None, persistent=False)

    @classmethod
    @abstractmethod
    def run(cls, networks: Sequence[Self], inputs: Tensor, mask: Tensor | None, readout: When) -> Tensor:
        """Computes several networks that are `alike`.

        Args:
            networks: R networks.
            inputs: [R,B,T,I], or [1,B,T,I] where all read the same.
            mask: Multiplies what neurons send; broadcastable to [R,B,T,H], None for ones.
            readout: "all" for every step, "last" for the last one.

        Returns:
            Outputs [R,B,T,O], or [R,B,O] of the last step.
        """

    @classmethod
    def prepare(cls, networks: Sequence[Self], inputs: Tensor, readout: When) -> PreparedPass | None:
        """Prepares training steps; see `prepare_replicas`."""
        del networks, inputs, readout
        return None

    @abstractmethod
    def alike(self) -> tuple[Hashable, ...]:
        """What networks must have in common, beside sizes and settings of this class, to be computed together."""

    @abstractmethod
    def recurrent_state(self) -> dict[str, Tensor]:
        """All but the readout, by its names in the state dict: what a `learned` start draws anew."""

    @abstractmethod
    def activity(self, inputs: Tensor) -> Activity:
        """What the network does with inputs [B,T,I]."""

    def isolated(self) -> NeuronsAlone | None:
        """Its neurons by themselves; None where they are of no model, or of one without a voltage."""
        return None

    def batches_exactly(self, device: torch.device | str) -> bool:
        """True if a replica computed among others there has the bits that it has alone."""
        del device
        return False

    @property
    def has_readout(self) -> bool:
        """False where its neurons are its outputs."""
        return True

    def neuron_parameters(self) -> dict[str, Tensor]:
        """Parameters of the neurons by name, [1,H] or [J,1,H], in natural units; {} where there are none."""
        return {}

    def set_constant(self, name: str, value: float) -> bool:
        """Gives a constant that all neurons share another value; False where the network has none of that name."""
        del name, value
        return False

    def constants(self) -> dict[str, float]:
        """The constants of the neurons that may be set after the network is built."""
        return {}

    def trained_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def silence(self, idx: Any, *, persistent: bool = False) -> None:
        """Silences neurons until the next call; no neurons restores all.

        Args:
            idx: Indices of neurons, or H booleans.
            persistent: Whether `state_dict` has it, as "neuron_mask"; a network that loads such a state dict is
                silenced likewise.

        Raises:
            InputError: An index lies outside 0 .. H-1, or is not an index.
        """
        index = torch.as_tensor(idx).detach().cpu().flatten()
        if index.numel() == 0:
            self.register_buffer("neuron_mask", None, persistent=False)
            return
        problem = Problem("no such neurons", "idx", idx, f"integers from 0 to {self.hidden_size - 1}, or H booleans")
        if index.dtype == torch.bool:
            if len(index) != self.hidden_size:
                raise InputError(problem)
            index = index.nonzero().flatten()
        elif index.is_floating_point() or index.is_complex() or index.min() < 0 or index.max() >= self.hidden_size:
            raise InputError(problem)
        like = next(self.parameters())
        mask = torch.ones(self.hidden_size, dtype=like.dtype)
        mask[index.long()] = 0
        self.register_buffer("neuron_mask", mask.to(like.device), persistent=persistent)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if f"{prefix}neuron_mask" in state_dict:
            mask = next(self.parameters()).new_ones(self.hidden_size)
            self.register_buffer("neuron_mask", mask, persistent=True)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def draw_dropout(self, steps: int, batch: int, like: Tensor) -> Tensor | None:
        """A mask [T,B,H] of 0 and 1/(1-p), drawn per step, sample and neuron; None where nothing is dropped."""
        p = self.dropout_prob
        if not self.training or p == 0:
            return None
        shape = (steps, batch, self.hidden_size)
        if p == 1:
            return like.new_zeros(shape)
        generator = self.dropout_generator
        device = like.device if generator is None else generator.device
        drawn = torch.rand(shape, generator=generator, device=device, dtype=torch.float32)
        return (drawn >= p).to(like.device, like.dtype).div_(1 - p)


def mask_of(networks: Sequence[BaseNetwork], inputs: Tensor, neuron_masks: Tensor | None = None) -> Tensor | None:
    """Silencing times dropout, broadcastable to [R,B,T,H], of inputs [B,T,I]; None where nothing is masked."""
    batch, steps = inputs.shape[:2]
    mask = None if neuron_masks is None else neuron_masks.to(inputs)[:, None, None]
    if any(n.neuron_mask is not None for n in networks):
        ones = inputs.new_ones(networks[0].hidden_size)
        own = stack([ones if n.neuron_mask is None else n.neuron_mask.to(inputs) for n in networks])[:, None, None]
        mask = own if mask is None else mask * own
    dropped = [d for d in (n.draw_dropout(steps, batch, inputs) for n in networks) if d is not None]
    if not dropped:
        return mask
    dropout = stack(dropped).transpose(1, 2)  # memory stays [R,T,B,H], as the kernels read it
    return dropout if mask is None else dropout * mask
