"""What the layers of all neuron models have in common: their tensors, and how a network calls them.

Shapes: B batch, T steps, I inputs, H neurons, J after-spike currents.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from glifr import checks
from glifr.engine.definition import NeuronModel
from glifr.engine.sequence import LayerTensors

# Computes a whole sequence x [B,T,I]: what the neurons sent [B,T,H], and the network's state after it. A network calls
# its layer with one, so that the layer's hooks fire, once for a sequence.
Engine = Callable[[Tensor], tuple[Any, ...]]
Device = torch.device | str | int | None


class Setting:
    """A number of a layer that may be set later and is checked each time."""

    def __init__(self, check: Callable[[str, Any], float]) -> None:
        self.check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, layer: nn.Module, owner: type | None = None) -> float:
        value: float = layer.__dict__[f"_{self.name}"]
        return value

    def __set__(self, layer: nn.Module, value: Any) -> None:
        layer.__dict__[f"_{self.name}"] = self.check(self.name, value)


def place(module: nn.Module, device: Device, dtype: torch.dtype | None) -> None:
    """Takes a module that was begun on the CPU, so that its start is the same everywhere, to where it is to be."""
    checks.placement(device, dtype)
    if device is not None or dtype is not None:
        module.to(device=device, dtype=dtype)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """torch.stack, without a copy where there is one tensor."""
    return tensors[0].unsqueeze(dim) if len(tensors) == 1 else torch.stack(list(tensors), dim)


class Layer(nn.Module):
    """Neurons of one model and their tensors. stored: the names of these, two weights and the model's parameters."""

    stored: tuple[str, ...]
    input_size: int
    hidden_size: int

    @property
    @abstractmethod
    def model(self) -> NeuronModel:
        """The model that its neurons follow."""

    def tensors(self) -> tuple[Tensor, ...]:
        """What is stored."""
        return tuple(getattr(self, name) for name in self.stored)

    def views(self, weight_in: Tensor, weight_lat: Tensor, *parameters: Tensor) -> LayerTensors:
        """Tensors like those of `tensors`, as engines take them."""
        return LayerTensors(weight_in, weight_lat, self._parts(parameters))

    def extra_repr(self) -> str:
        sizes = f"{self.input_size}, {self.hidden_size}"
        fixed = [name for name, t in zip(self.stored, self.tensors(), strict=True) if not t.requires_grad]
        return ", ".join([sizes, *self._own_words(), *([f"fixed: {' '.join(fixed)}"] if fixed else [])])

    def _own_words(self) -> list[str]:
        """Settings, as `extra_repr` shows them."""
        return []

    def _parts(self, parameters: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], ...]:
        pairs = zip(self.model.parameters, parameters, strict=True)
        return tuple(
            (part,) for p, t in pairs for part in ((t,) if p.count is None else t.unbind(0) if p.count else ())
        )

    def values(self) -> Any:
        """The model's parameters, [1,H] or [J,1,H]."""
        pairs = zip(self.model.parameters, self.tensors()[2:], strict=True)
        return self.model.Parameters(*(p.transform.read(stored) for p, stored in pairs))

    def _synaptic(self, x: Tensor, delayed: Tensor) -> Tensor:
        weight_in, weight_lat = self.tensors()[:2]
        return x @ weight_in + delayed @ weight_lat
