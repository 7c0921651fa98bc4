"""What every engine takes and gives: a whole sequence through one layer of neurons, R replicas at once.

Shapes: R replicas, B batch, T steps, I inputs, H neurons, G gates, J parts of a state, D delay in steps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from glifr.engine.definition import NeuronModel


class SequenceInput(NamedTuple):
    """One layer's work. Gradients flow to x, weights, parameters, initial and history; none to the mask.

    Attributes:
        model: The neuron model.
        x: Inputs [R,B,T,I], or [1,B,T,I] where all replicas read the same.
        weight_in: [R,I,G*H], gates side by side.
        weight_lat: [R,H,G*H], likewise.
        parameters: The model's, [R,1,H] or [J,R,1,H].
        constants: The model's.
        delay: D, at least 1.
        mask: Broadcastable to [R,B,T,H], None for ones.
        initial: The state before the first step, None for zeros.
        history: What was sent in the D steps before the first, oldest first [R,B,D,H]; None for zeros.
        stored: Whether `parameters` are as they are stored, not their values.
    """

    model: NeuronModel
    x: Tensor
    weight_in: Tensor
    weight_lat: Tensor
    parameters: Any
    constants: Any
    delay: int
    mask: Tensor | None = None
    initial: Any = None
    history: Tensor | None = None
    stored: bool = False

    @property
    def values(self) -> Any:
        """The parameters' values."""
        if not self.stored:
            return self.parameters
        pairs = zip(self.model.parameters, self.parameters, strict=True)
        return self.model.Parameters(*(p.transform.read(tensor) for p, tensor in pairs))


class LayerTensors(NamedTuple):
    """One layer's tensors as they are stored, or views of them.

    Attributes:
        weight_in: [I,G*H].
        weight_lat: [H,G*H].
        parameters: For each part of the model's parameters the tensors [1,H] whose sum it is.
    """

    weight_in: Tensor
    weight_lat: Tensor
    parameters: tuple[tuple[Tensor, ...], ...]


class Recurrence(NamedTuple):
    """A layer beside its tensors: what layers must have in common to be computed as one."""

    model: NeuronModel
    constants: Any
    delay: int


class SequenceResult(NamedTuple):
    """sent: what the neurons sent [R,B,T,H]. final: the state after the last step."""

    sent: Tensor
    final: Any


def start_of(sequence: SequenceInput) -> Any:
    """The state before the first step: what was given, or zeros."""
    if sequence.initial is not None:
        return sequence.initial
    weight = sequence.weight_lat
    shape = (*weight.shape[:-2], sequence.x.shape[-3], weight.shape[-2])
    zeros = weight.new_zeros(shape)
    states = (zeros if s.count is None else weight.new_zeros(s.count, *shape) for s in sequence.model.states)
    return sequence.model.State(*states)


def gates_of(model: NeuronModel, synaptic: Tensor) -> Any:
    """Synaptic input [*,G*H] as a step takes it."""
    return synaptic if model.gates == 1 else synaptic.chunk(model.gates, -1)


def mask_at(mask: Tensor | None, steps: int) -> list[Tensor | None]:
    """The mask of each step, each broadcastable to [R,B,H]; one shared tensor where it does not change."""
    if mask is None:
        return [None] * steps
    if mask.shape[-2] == 1:
        return [mask.select(-2, 0)] * steps
    return list(mask.unbind(-2))


def over_time(steps: list[Tensor]) -> Tensor:
    """[*,B,H] of each step -> [*,B,T,H], laid out in memory as [*,T,B,H]."""
    return torch.stack(steps, -3).transpose(-3, -2)
