"""A network of any torch module that maps [B,T,I] to [B,T,O], computed by the module itself and plain autograd.

A module begins and draws from streams of its seed alone, so that a run can be repeated and resumed: while it is built
and called, torch's global generator is seeded from them, and then put back. Replicas are computed one after the other.
Shapes: R replicas, B batch, T steps, I inputs, H neurons, O outputs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor, nn

from glifr import checks
from glifr.conditions import HYPERPARAMETERS, Condition, NetworkKind, Setting
from glifr.definitions.definition import BuildOptions, NetworkDefinition
from glifr.errors import InputError, Problem
from glifr.networks.base import Activity, BaseNetwork, When
from glifr.networks.layer import stack
from glifr.networks.replicas import forward_replicas

_ABLE = ("auto", "torch", "reference")  # all the same here: the module's own forward and autograd
_SIZES = 3  # the first arguments of what builds a module: I, H, O
_SEEDS = 2**62
_NO_CALL = (0, 0, 0)


class ModuleNetwork(BaseNetwork):
    """A module with its hidden tensor.

    Args:
        module: The module.
        options: How the network is built.
        hidden: The part of the module that the hidden tensor leaves, "" where none is named.
    """

    def __init__(self, module: nn.Module, options: BuildOptions, hidden: str) -> None:
        super().__init__(options.sizes, options.dropout_prob, options.backend)
        self.module, self.dt = module, options.dt
        self.has_hidden = bool(hidden)
        self._mask: Tensor | None = None  # of the call in progress, [B or 1,T or 1,H]
        self._shape = _NO_CALL  # B, T, H of it
        self._step = 0
        self._kept: list[Tensor] | None = None
        if hidden:
            module.get_submodule(hidden).register_forward_hook(self._leaves)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs [B,T,O] of inputs [B,T,I]. InputError if the inputs do not fit."""
        return forward_replicas([self], inputs)[0]

    @classmethod
    def run(cls, networks: Sequence[Self], inputs: Tensor, mask: Tensor | None, readout: When) -> Tensor:
        def of(tensor: Tensor, replica: int) -> Tensor:
            return tensor[replica if len(tensor) > 1 else 0]

        outputs = [n._call(of(inputs, r), None if mask is None else of(mask, r)) for r, n in enumerate(networks)]
        return stack(outputs if readout == "all" else [each[:, -1] for each in outputs])

    def alike(self) -> tuple[Hashable, ...]:
        return (type(self.module).__qualname__,)

    def recurrent_state(self) -> dict[str, Tensor]:
        rule = "which arrays of a module are its readout is not known: its start cannot be drawn from a trained network"
        raise InputError(Problem(rule, type(self.module).__name__, todo="start it from its prior, or from a file"))

    def activity(self, inputs: Tensor) -> Activity:
        self._kept = []
        try:
            forward_replicas([self], inputs)
            kept = self._kept
        finally:
            self._kept = None
        if not kept:
            return Activity(inputs.new_empty(*inputs.shape[:2], 0))
        return Activity(kept[0] if kept[0].ndim == 3 else torch.stack(kept, 1))

    def _call(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None and not self.has_hidden:
            rule = "the neurons of this network cannot be silenced or dropped: it names no hidden tensor"
            raise InputError(Problem(rule, "hidden", "", todo='give it: network_of_module(..., hidden="cell")'))
        self._mask, self._shape, self._step = mask, (*inputs.shape[:2], self.hidden_size), 0
        try:
            with seeded(self._seed(inputs.device), inputs.device):
                outputs = self.module(inputs)
        finally:
            self._mask, self._shape = None, _NO_CALL
        todo = "return one tensor: for each sample and step as many numbers as the module was given for `outputs`"
        checks.shape("the module's output", outputs, (*inputs.shape[:2], self.out_size), todo)
        return outputs  # type: ignore[no-any-return]

    def _seed(self, device: torch.device) -> int:
        """What the module draws from in this call: in training the stream of its dropout, else always the same."""
        if not self.training:
            return 0
        generator = self.dropout_generator
        place = device if generator is None else generator.device
        return int(torch.randint(_SEEDS, (), generator=generator, device=place))

    def _leaves(self, part: nn.Module, given: Any, output: Any) -> Any:
        """Masks the hidden tensor [B,T,H], or [B,H] of one step after the other, as it leaves its part."""
        del part, given
        if self._shape == _NO_CALL:  # someone calls the part by itself
            return output
        hidden = output[0] if isinstance(output, tuple) else output
        batch, steps, neurons = self._shape
        if not isinstance(hidden, Tensor) or hidden.shape not in ((batch, steps, neurons), (batch, neurons)):
            found = tuple(hidden.shape) if isinstance(hidden, Tensor) else type(hidden).__name__
            allowed = f"[B,T,H] = {[batch, steps, neurons]}, or [B,H] at each step"
            raise InputError(Problem("the shape of the hidden tensor does not fit", "hidden", found, allowed))
        if self._mask is not None:
            mask = self._mask
            if hidden.ndim == 2:
                mask = mask[:, self._step if mask.shape[1] > 1 else 0]
            hidden = hidden * mask
        self._step += 1
        if self._kept is not None:
            self._kept.append(hidden)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden


class ModuleNetworks(NetworkDefinition):
    """The networks that a function, or a module's class, builds; see `network_of_module`."""

    def __init__(self, build: Callable[..., nn.Module], hidden: str = "") -> None:
        self.make: Callable[..., Any] = build
        self.hidden = hidden
        self._counted: dict[tuple[Any, ...], int] = {}
        arguments = [*inspect.signature(build).parameters.values()]
        plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        if len(arguments) < _SIZES or any(a.kind not in plain for a in arguments[:_SIZES]):
            rule = "what builds a network takes the numbers of its inputs, neurons and outputs first"
            raise InputError(
                Problem(rule, _name(build), [a.name for a in arguments], "(in_size, hidden_size, out_size)")
            )
        self._own = {a.name: a.default for a in arguments[_SIZES:] if a.kind not in _COLLECTING}
        self._settings = {n: v for n, v in self._own.items() if n != "dt" and n not in HYPERPARAMETERS}
        for name, default in self._settings.items():
            if not isinstance(default, bool | int | float | str):
                rule = f"the setting {name!r} of a network has no default that a study could write"
                found = "no default" if default is inspect.Parameter.empty else default
                raise InputError(Problem(rule, _name(build), found, "a number, a text, true or false"))

    @cached_property
    def kind(self) -> NetworkKind:
        settings: tuple[tuple[str, Setting], ...] = tuple(self._settings.items())
        silenced = f"what leaves its part `{self.hidden}`" if self.hidden else ""
        spreads = tuple(name for name in HYPERPARAMETERS if name in self._own)
        return NetworkKind(
            ("dt",) if "dt" in self._own else (),
            settings,
            spreads=spreads,
            spreads_heterogeneous=spreads,
            silenced=silenced,
        )

    def neuron(self, condition: Condition) -> None:
        return None

    def trained_parameters(
        self, condition: Condition, in_size: int, out_size: int, hidden_size: int, output_weight: bool
    ) -> int:
        sizes, given = (in_size, hidden_size, out_size), self._given(condition, 1.0, {})
        key = (*sizes, *sorted(given.items()))
        if key not in self._counted:
            try:
                with torch.device("meta"):  # without memory and draws
                    module = self._made(sizes, given)
            except (NotImplementedError, RuntimeError):  # as for a start that reads its own numbers
                with seeded(0, torch.device("cpu")):
                    module = self._made(sizes, given)
            self._counted[key] = sum(p.numel() for p in module.parameters() if p.requires_grad)
        return self._counted[key]

    def build(self, condition: Condition, options: BuildOptions) -> BaseNetwork:
        if not options.output_weight:
            rule = "a module has its own readout: its neurons cannot be the outputs"
            raise InputError(Problem(rule, condition.architecture, todo="use a neuron model, or another task"))
        checks.size("hidden_size", options.hidden_size)
        seed = int(torch.randint(_SEEDS, (), generator=options.generator))
        given = self._given(condition, options.dt, options.hyperparameters)
        with seeded(seed, torch.device("cpu")):
            module = self._made(options.sizes, given)
        if not any(p.requires_grad for p in module.parameters()):
            rule, todo = (
                "the network has nothing that could be trained",
                "give its module parameters that require a gradient",
            )
            raise InputError(Problem(rule, condition.architecture, todo=todo))
        return ModuleNetwork(module, options, self.hidden)

    def engine(self, condition: Condition, backend: str, device: torch.device | str) -> str:
        if backend not in _ABLE:
            rule = f"the backend {backend!r} cannot run {condition.architecture}: a module computes itself"
            raise InputError(Problem(rule, "backend", backend, ", ".join(_ABLE)))
        return "torch"

    @property
    def recordable(self) -> bool:
        """A module may do in Python what a recording would repeat, as to draw or to branch."""
        return False

    def _given(self, condition: Condition, dt: float, spreads: Mapping[str, float]) -> dict[str, Any]:
        own = condition.all_settings
        found: dict[str, Any] = {name: own.get(name, default) for name, default in self._settings.items()}
        found |= {name: spreads.get(name, 1.0) for name in self._own if name in HYPERPARAMETERS}
        return found | ({"dt": dt} if "dt" in self._own else {})

    def _made(self, sizes: tuple[int, int, int], given: Mapping[str, Any]) -> nn.Module:
        module = self.make(*sizes, **given)
        if not isinstance(module, nn.Module):
            rule = "what builds a network gives no torch module"
            raise InputError(Problem(rule, _name(self.make), module, "a torch.nn.Module"))
        if self.hidden and self.hidden not in (known := [name for name, _ in module.named_modules() if name]):
            rule = f"the network has no part {self.hidden!r} that its hidden tensor could leave"
            raise InputError(Problem(rule, _name(self.make), self.hidden, ", ".join(known)))
        return module


_COLLECTING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def network_of_module(build: Callable[..., nn.Module], hidden: str = "") -> ModuleNetworks:
    """Makes a kind of network of a torch module; a study names the result as `module:object`.

    Args:
        build: The module's class, or a function, called with the numbers of inputs, neurons and outputs, then by name
            with its own settings, which are its further arguments with their defaults. Of these `dt` receives the time
            step [ms], and `weight_spread` is a hyperparameter that a search tries.
        hidden: The part of the module, by its dotted name, whose output is the hidden tensor [B,T,H], or [B,H] step by
            step; silencing and dropout act on it.

    Returns:
        The kind of network.

    Raises:
        InputError: It cannot be built so.
    """
    return ModuleNetworks(build, hidden)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Lets torch's global generators draw from `seed`; after it they go on as if nothing had been drawn."""
    with torch.random.fork_rng([device] if device.type == "cuda" else [], device_type="cuda"):
        torch.manual_seed(seed)
        yield


def _name(build: Any) -> str:
    return f"{getattr(build, '__module__', '')}.{getattr(build, '__qualname__', build)}"
