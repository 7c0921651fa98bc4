"""What a neuron model is: the contract that every engine, network, table and report reads.

A model says what a neuron carries from step to step (`State`), what is learned about it (`Parameter`), what all neurons
share (`Constant`), how many synaptic inputs it takes (`gates`), and one pure function, its step:

    step(s, states, parameters, constants, mask) -> new states

s: synaptic input `[*,B,H]`, for gates G > 1 a tuple of G of them. states, parameters, constants: named tuples of the
names below; states `[*,B,H]` or `[J,*,B,H]`, parameters `[*,1,H]` or `[J,*,1,H]`, constants numbers. mask:
broadcastable to `[*,B,H]`, or None for ones; it multiplies what the neuron sends. The new states have the shapes of the
old ones; the first is what neurons send to each other and to the readout.

The step is elementwise over samples and neurons. When a model is defined, its step is traced, and the trace and its
derivative are compared with the step and autograd in float64: what could not be computed is refused then, with the
reason.

Names that mean something: a state `voltage` has its neurons' curves and step responses reported, a state `ascurrents`
is shown as their after-spike currents, and a constant `dt` is the network's time step [ms].

Shapes: B batch, H neurons, J parts of a state, `*` nothing or a replica dimension R.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from glifr import checks
from glifr.engine import graph as graphs
from glifr.engine.tracing import StepGraph, UnknownOperationError, apply, refusal, trace
from glifr.errors import InputError, Problem
from glifr.parameters import read_decay, read_multiplier, store_decay, store_multiplier

VOLTAGE, AFTER_SPIKE = "voltage", "ascurrents"
_REPLICAS, _BATCH, _HIDDEN = 2, 2, 3  # of the comparison: each more than one


@dataclass(frozen=True)
class Transform:
    """How a parameter is stored without constraint.

    Attributes:
        name: Its name.
        read: From the stored number to the value.
        store: The inverse of `read`.
        low: Lower bound of the value, which it never reaches.
        high: Upper bound, likewise.
    """

    name: str
    read: Callable[[Tensor], Tensor]
    store: Callable[[Tensor], Tensor]
    low: float  # bounds of the value, which it never reaches
    high: float


IDENTITY = Transform("identity", lambda stored: stored, lambda value: value, -torch.inf, torch.inf)
DECAY = Transform("decay", read_decay, store_decay, 0.0, 1.0)
MULTIPLIER = Transform("multiplier", read_multiplier, store_multiplier, -1.0, 1.0)


@dataclass(frozen=True)
class State:
    """What a neuron carries from step to step.

    Attributes:
        name: Its name; see the module for names with a meaning.
        count: J, or None for one number.
        unit: Unit of its numbers, "" for none.
    """

    name: str
    count: int | None = None
    unit: str = ""


@dataclass(frozen=True)
class Parameter:
    """A number of each neuron, or J of them, that may be learned.

    Attributes:
        name: Its name.
        count: J, or None for one number.
        transform: How it is stored.
        meaning: What it is, for tables and figures.
        unit: Its unit, "" for none.
        homogeneous: Centre and half-width of its uniform start.
        heterogeneous: The same for the heterogeneous start; None for the homogeneous one.
        spread: Name of the hyperparameter that scales the half-widths.
        start_per_ms: Whether the starts are rates [1/ms], dt times which is the value.
    """

    name: str
    count: int | None = None
    transform: Transform = IDENTITY
    meaning: str = ""
    unit: str = ""
    homogeneous: tuple[float, float] = (0.0, 0.0)
    heterogeneous: tuple[float, float] | None = None
    spread: str = "neuron_spread"
    start_per_ms: bool = False

    def start(self, heterogeneous: bool) -> tuple[float, float]:
        """Centre and half-width of its start."""
        return self.heterogeneous if heterogeneous and self.heterogeneous is not None else self.homogeneous


@dataclass(frozen=True)
class Constant:
    """A number that all neurons share.

    Attributes:
        name: Its name.
        default: Its value unless another is set.
        meaning: What it is.
        positive: Whether it must be above zero.
    """

    name: str
    default: float
    meaning: str = ""
    positive: bool = False

    def check(self, value: Any) -> float:
        """`value` as a number; InputError if it cannot be one."""
        return checks.number(self.name, value, above=0.0) if self.positive else checks.number(self.name, value)


@dataclass(frozen=True, eq=False)
class NeuronModel:
    """A neuron model: its states, parameters, constants and step; see the head of this module.

    Args:
        name: Its name.
        states: What a neuron carries; the first is what it sends.
        parameters: What may be learned about it.
        constants: What all neurons share.
        step: The pure function from one step to the next.
        gates: Synaptic inputs per neuron G.
        source: Where its equations are published.

    Attributes:
        State: Named tuple of the states.
        Parameters: Named tuple of the parameters.
        Constants: Named tuple of the constants.
        unknown: The operation because of which the step has no graph; "" if it has one.

    Raises:
        InputError: A name is not an identifier or occurs twice, or no engine can run the step.
    """

    name: str
    states: Sequence[State]
    parameters: Sequence[Parameter]
    constants: Sequence[Constant]
    step: Callable[[Any, Any, Any, Any, Tensor | None], Sequence[Tensor]]
    gates: int = 1
    source: str = ""
    State: Any = field(init=False, repr=False)  # named tuples of the three lists
    Parameters: Any = field(init=False, repr=False)
    Constants: Any = field(init=False, repr=False)
    unknown: str = field(init=False, default="")  # why the step has no graph: the operation that no table has

    def __post_init__(self) -> None:
        checks.size("gates", self.gates)
        if not self.states:
            raise InputError(Problem("a neuron model has a state, which it sends", "states", [], "one or more"))
        if self.states[0].count is not None:
            rule = "the first state of a neuron model is what it sends: one number"
            raise InputError(Problem(rule, "states", self.states[0].name, "a state without a count"))
        for kind, entries in (("State", self.states), ("Parameters", self.parameters), ("Constants", self.constants)):
            object.__setattr__(self, kind, _tuple_of(kind, [e.name for e in entries]))
        _check_elementwise(self)
        try:
            traced = {masked: trace(self, masked) for masked in (False, True)}
            for each in traced.values():
                stored_reads(self, each.graph)
        except UnknownOperationError as unknown:
            object.__setattr__(self, "unknown", str(unknown))
            return
        object.__setattr__(self, "_traced", traced)
        for masked in (False, True):
            _check_graph(self, masked)

    def defaults(self) -> Any:
        """The constants at their defaults."""
        return self.Constants(*(c.default for c in self.constants))

    def traced(self, masked: bool) -> StepGraph:
        """The step's graph; InputError if it has none."""
        if self.unknown:
            rule = f"the neuron model {self.name!r} cannot be compiled: no table has {self.unknown}"
            raise InputError(
                Problem(rule, "step", self.unknown, ", ".join(sorted(graphs.OPERATIONS)), "backend torch runs it")
            )
        found: StepGraph = self._traced[masked]  # type: ignore[attr-defined]
        return found

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the step and its derivative, whatever the machine and versions; "" for a step without a graph."""
        if self.unknown:
            return ""
        reads = stored_reads(self, self.traced(False).graph).values()
        steps = [node for masked in (False, True) for node in _with_gradients(self, masked)]
        return graphs.digest([*steps, *reads])


def _tuple_of(kind: str, names: list[str]) -> Any:
    try:
        return namedtuple(kind, names)
    except ValueError as error:
        raise InputError(
            Problem(f"these are no names of a neuron model: {error}", kind.lower(), names, "identifiers")
        ) from None


def inputs_of(model: NeuronModel) -> list[graphs.Input]:
    """What a step's gradient is taken of: gates, states and parameters, part by part."""
    found = [graphs.Input("synaptic", str(gate)) for gate in range(model.gates)]
    for kind, entries in (("state", model.states), ("parameter", model.parameters)):
        found += [graphs.Input(kind, e.name, j) for e in entries for j in parts(e)]
    return found


def parts(entry: State | Parameter) -> range:
    """The numbers of an entry's parts."""
    return range(1 if entry.count is None else entry.count)


def stored_reads(model: NeuronModel, graph: graphs.Graph) -> dict[graphs.Node, graphs.Node]:
    """Of each parameter's input its value, where that input is the parameter as it is stored."""
    inputs = [(p, graph.input("parameter", p.name, j)) for p in model.parameters for j in parts(p)]
    return {node: apply(p.transform.read, graph, model.name, node) for p, node in inputs}


def backward_of(model: NeuronModel, masked: bool) -> list[graphs.Node]:
    """The gradients of `inputs_of`, made of the inputs "gradient" of each new state."""
    traced = model.traced(masked)
    seeds = [traced.graph.input("gradient", s.name, j) for s in model.states for j in parts(s)]
    wanted = [traced.graph.input(*each) for each in inputs_of(model)]
    return graphs.pullback(traced.graph, traced.outputs, seeds, wanted)


def _with_gradients(model: NeuronModel, masked: bool) -> list[graphs.Node]:
    return [*model.traced(masked).outputs, *backward_of(model, masked)]


def _sample(model: NeuronModel) -> tuple[Any, Any, Any, Any, Tensor]:
    """Arguments of a step in float64, every number another."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int, low: float = -1.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)

    def leading(entry: State | Parameter) -> tuple[int, ...]:
        return () if entry.count is None else (entry.count,)

    shape = (_REPLICAS, _BATCH, _HIDDEN)
    gates = tuple(draw(*shape) for _ in range(model.gates))
    states = model.State(*(draw(*leading(s), *shape) for s in model.states))
    limits = [(max(p.transform.low, -1.0) + 0.05, min(p.transform.high, 1.0) - 0.05) for p in model.parameters]
    parameters = model.Parameters(
        *(
            draw(*leading(p), _REPLICAS, 1, _HIDDEN, low=a, high=b)
            for p, (a, b) in zip(model.parameters, limits, strict=True)
        )
    )
    constants = model.Constants(*(c.default + 0.1 * (n + 1) for n, c in enumerate(model.constants)))
    return gates[0] if model.gates == 1 else gates, states, parameters, constants, draw(*shape, low=0.5)


def _tensors(sample: tuple[Any, ...]) -> list[Tensor]:
    gates, states, parameters = sample[:3]
    return [*([gates] if isinstance(gates, Tensor) else gates), *states, *parameters]


def _check_elementwise(model: NeuronModel) -> None:
    """Changes one neuron, then one sample, and looks whether others notice. Raises InputError if they do."""
    sample = _sample(model)
    with torch.no_grad():
        before = model.step(*sample)
        if len(before) != len(model.states):
            raise refusal(
                model.name, "it gives another number of states than it takes", len(before), str(len(model.states))
            )
        for what, axis in (("neurons", -1), ("samples", -2), ("replicas", -3)):
            gates, states, parameters, constants, mask = _sample(model)
            tensors = [t for t in _tensors((gates, states, parameters)) if t.shape[axis] > 1]
            for tensor in [*tensors, mask]:
                tensor.select(axis, 0).mul_(0.9)
            after = model.step(gates, states, parameters, constants, mask)
            for state, old, new in zip(model.states, before, after, strict=True):
                if not torch.equal(old.narrow(axis, 1, old.shape[axis] - 1), new.narrow(axis, 1, new.shape[axis] - 1)):
                    rule = f"its new state {state.name!r} of one of the {what} depends on another's"
                    raise refusal(model.name, rule, state.name, f"a step that is elementwise over {what}")


@torch.enable_grad()
def _check_graph(model: NeuronModel, masked: bool) -> None:
    """Compares graph and derivative with the step and autograd. Raises InputError where they differ."""
    sample = _sample(model)
    gates, states, parameters, constants, mask = sample
    leaves = [t.requires_grad_() for t in _tensors(sample)]
    new = model.step(gates, states, parameters, constants, mask if masked else None)
    seeds = [torch.cos(torch.arange(n.numel(), dtype=torch.float64)).view(n.shape) for n in new]
    total = torch.stack([(n * g).sum() for n, g in zip(new, seeds, strict=True)]).sum()
    gradients: Sequence[Tensor] = [torch.zeros_like(leaf) for leaf in leaves]
    if total.requires_grad:
        gradients = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    entries: list[State | Parameter] = [*model.states, *model.parameters]
    named: dict[tuple[str, str], Tensor] = {
        **{("state", name): tensor for name, tensor in states._asdict().items()},
        **{("gradient", name): tensor for name, tensor in zip(states._fields, seeds, strict=True)},
        **{("parameter", name): tensor for name, tensor in parameters._asdict().items()},
    }
    whole = {("parameter" if isinstance(e, Parameter) else "state", e.name) for e in entries if e.count is None}

    def read(which: graphs.Input) -> Tensor:
        if which.kind == "mask":
            return mask
        if which.kind == "synaptic":
            return leaves[int(which.name)]
        if which.kind == "constant":
            return mask.new_tensor(getattr(constants, which.name))
        tensor = named[which.kind, which.name]
        kind = "state" if which.kind == "gradient" else which.kind
        return tensor if (kind, which.name) in whole else tensor[which.part]

    with torch.no_grad():
        found = graphs.evaluate(_with_gradients(model, masked), read, mask)
    results = _by_parts(model.states, new)
    expected = [
        *results,
        *gradients[: model.gates],
        *_by_parts(entries, gradients[model.gates :]),
    ]
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        ours = _summed(ours.expand((ours + theirs).shape), theirs)
        if not torch.allclose(ours, theirs.detach(), rtol=1e-9, atol=1e-11):
            what = "the result" if number < len(results) else "the derivative"
            error = (ours - theirs).abs().max().item()
            rule = f"{what} of its graph is not that of the step itself"
            allowed = "a step that is elementwise over neurons, samples and replicas"
            raise refusal(model.name, rule, f"a difference of {error:.1e}", allowed)


def _by_parts(entries: Sequence[Any], tensors: Sequence[Tensor]) -> list[Tensor]:
    pairs = zip(entries, tensors, strict=True)
    return [part for entry, t in pairs for part in ([t] if entry.count is None else t.unbind(0))]


def _summed(ours: Tensor, theirs: Tensor) -> Tensor:
    """Gradients of each sample, summed where the input was shared by them."""
    if ours.ndim >= 2 and theirs.ndim >= 2 and theirs.shape[-2] == 1 and ours.shape[-2] != 1:
        return ours.sum(-2, keepdim=True)
    return ours
