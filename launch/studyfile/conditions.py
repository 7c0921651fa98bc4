"""The conditions of a study: each a base, another condition of the study or a published one, and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, Self

from glifr.conditions import CONDITIONS, NOT_READ, Condition, NetworkKind, Setting, Start
from glifr.errors import InputError, Problem, nearest
from launch.studyfile import values as v
from launch.studyfile.sections import Changes
from launch.studyfile.training import TrainingChanges
from launch.studyfile.tree import Fault, Mark, Tree

_OF_A_CONDITION = frozenset(f.name for f in fields(Condition))
_MADE_OTHERWISE = {"start", "settings", "outside"}
_NOT_INHERITED = ("base", "control")


class ConditionSpec(Changes):
    """A condition in a study file. What is not given is the base's.

    Attributes:
        hidden_size: Neurons; matched for as many as meet the parameter budget.
        num_ascs: After-spike currents of each neuron.
        sigma_v: Width of GLIFR neurons' sigmoid; towards 0 they spike.
        R: Membrane resistance of GLIFR neurons.
        I0: Constant current into each GLIFR neuron.
        v_reset: The voltage to which firing pulls a GLIFR neuron.
        base: A condition of this study, or a published one; a published name is its own base.
        delay: Delay of the lateral connections, in ms or words.
        fixed: Hyperparameters of a study without search.
        start: homogeneous; heterogeneous; prior, for the base's own; learned: drawn from the network that
            `learned_from` has trained on the same seed; or `from`: the path, from the study's folder, of a network that
            a study kept, all of which every seed begins with.
        learned_from: By default the study's condition that learns the same from a homogeneous start.
        learned: Which neuron parameters are trained.
        dt: Time step, in ms.
        tau: Time constant of spiking, in ms; follows dt by default.
        output_weight: Whether there is a readout.
        training: What differs from the study's training.
        control: Whether it is equal to another condition on purpose.
        network: A network from outside, instead of a base.
        settings: The network's own settings that are not at their default.
    """

    later = frozenset(
        {"base", "learned_from", "num_ascs", "learned", "dt", "tau", "sigma_v", "R", "I0", "v_reset", "output_weight"}
        | {"training", "control", "network", "settings"}
    )

    otherwise = "the base's"

    delay: v.Delay = "none"
    hidden_size: v.HiddenSize = "matched"
    fixed: dict[v.Hyperparameter, v.FromZero] | None = None
    start: v.StartOf = "prior"
    base: v.BaseName | None = None
    learned_from: v.ConditionName | None = None
    num_ascs: v.Currents | None = None
    learned: v.Learned | None = None
    dt: v.Time | None = None
    tau: v.Time | None = None
    sigma_v: v.Positive | None = None
    R: v.Number | None = None
    I0: v.Number | None = None
    v_reset: v.Number | None = None
    output_weight: v.Flag | None = None
    training: TrainingChanges | None = None
    control: v.Flag = False
    network: v.NetworkOf | None = None
    settings: dict[v.SettingName, v.OwnSetting] | None = None

    @property
    def outside(self) -> NetworkKind | None:
        """What is known of its network from outside; None for the project's own, and while the code is not read."""
        if not isinstance(self.network, dict):
            return None
        return NetworkKind.from_json({key: value for key, value in self.network.items() if key != "name"})

    @property
    def network_name(self) -> str | None:
        """The name of its network from outside."""
        return self.network["name"] if isinstance(self.network, dict) else self.network

    def over(self, other: Self) -> Self:
        """The changes of `other` and then these; settings one by one."""
        found = super().over(other)
        if self.settings is None or other.settings is None:
            return found
        given = {**found.given, "settings": {**other.settings, **self.settings}}
        return type(self).model_construct(_fields_set=set(given), **given)

    @property
    def checkpoint(self) -> dict[str, str] | None:
        """`from`: the path of the network that it starts from; `sha256` of that file, once it has been read."""
        return self.start if isinstance(self.start, dict) else None

    def value(self, name: str) -> Condition:
        """What the condition is; of one that has been `completed`."""
        root = CONDITIONS[self.base or name] if self.network_name is None else self._from_outside(self.network_name)
        changes = {k: value for k, value in self.given.items() if k in _OF_A_CONDITION - _MADE_OTHERWISE}
        changes = {k: value for k, value in changes.items() if value is not None}
        if root.start is not None and self.start != "prior" and self.checkpoint is None:
            changes["start"] = "homogeneous" if self.start == "homogeneous" else "heterogeneous"
        return replace(root, name=name, **changes)

    def _from_outside(self, network: str) -> Condition:
        """A condition of a network from outside, its neurons learned from a homogeneous start."""
        kind = self.outside or NOT_READ
        usual = dict(kind.settings)
        own = {name: float(x) if _is_float(usual.get(name)) and v.is_whole(x) else x for name, x in self._own.items()}
        changed = tuple(sorted((name, x) for name, x in own.items() if name not in usual or usual[name] != x))
        start: Start | None = "homogeneous" if kind.parameters else None
        return Condition(network, network, 0, start, bool(kind.parameters), settings=changed, outside=self.outside)

    @property
    def _own(self) -> dict[str, Setting]:
        return self.settings or {}


def _is_float(value: Any) -> bool:
    return isinstance(value, float)


def completed(conditions: Mapping[str, ConditionSpec]) -> dict[str, ConditionSpec]:
    """Each condition with what it takes from its base, down to a published one; as given where a base is wrong."""
    if next(base_faults(conditions), None) is not None:
        return dict(conditions)
    return {name: _completed(conditions, name) for name in conditions}


def _completed(conditions: Mapping[str, ConditionSpec], name: str) -> ConditionSpec:
    own = conditions[name]
    base = own.base or name
    root: str | None = base
    inherited: dict[str, Any]
    if own.network is not None:
        root, usual = None, "none" if own.outside is None else own.outside.delay
        inherited = {"delay": usual, "hidden_size": "matched", "fixed": None, "start": "prior"}
    elif base in conditions and base != name:
        parent = _completed(conditions, base)
        root = None if parent.network is not None else parent.base or base
        inherited = {k: value for k, value in parent.given.items() if k not in _NOT_INHERITED}
    else:
        inherited = {"delay": CONDITIONS[base].usual_delay, "hidden_size": "matched", "fixed": None, "start": "prior"}
    start = ConditionSpec.model_construct(_fields_set=set(inherited), **inherited)
    whole = own.over(start)
    values = {k: value for k, value in whole.given.items() if k != "base"} | (
        {"base": root} if root not in (name, None) else {}
    )
    return ConditionSpec.model_construct(_fields_set=set(values), **values)


def base_faults(conditions: Mapping[str, ConditionSpec]) -> Iterator[Fault]:
    """What is wrong with the bases of a study's conditions, at key paths of the study."""
    known = list(dict.fromkeys([*CONDITIONS, *conditions]))
    for name, own in conditions.items():
        path = ("conditions", name)
        published = ", ".join(CONDITIONS)
        if own.network is not None and (own.base is not None or name in CONDITIONS):
            other = f"the base {own.base}" if own.base is not None else "the published network of this name"
            rule, todo = f"{name} has a network from outside and {other}", "keep one; a published name is its own base"
            yield Fault((*path, "network"), rule, own.network_name, "one of the two", todo)
        elif own.network is not None:
            continue
        elif own.base is None and name not in CONDITIONS:
            rule = f"there is no condition {name!r} among the published ones, and this one has no base"
            todo = nearest(name, list(CONDITIONS)) or _NO_BASE
            yield Fault(path, rule, own.given, f"one of {published}; or any name with a `base`", todo)
        elif own.base is not None and own.base not in known:
            rule, others = f"there is no condition {own.base!r} that could be a base", [n for n in known if n != name]
            yield Fault((*path, "base"), rule, own.base, f"one of {', '.join(others)}", nearest(own.base, others))
        elif name in CONDITIONS and own.base not in (None, name):
            rule = f"{name} is the name of a published condition, and this one is made from {own.base}"
            yield Fault((*path, "base"), rule, own.base, name, "give the condition a name of its own")
        elif _in_a_circle(conditions, name):
            rule = f"{name} is its own base in the end"
            yield Fault((*path, "base"), rule, own.base, "a base that does not lead back here")


_NO_BASE = "name what it is made from: `base: LHetA`, beside its values; or `network: my_lab:gru` of your own code"


def _in_a_circle(conditions: Mapping[str, ConditionSpec], name: str) -> bool:
    seen, at = {name}, conditions[name].base
    while at is not None and at in conditions and not (at in CONDITIONS and conditions[at].base in (None, at)):
        if at in seen:
            return True
        seen.add(at)
        at = conditions[at].base
    return False


def networks_in(data: Any) -> dict[str, str]:
    """The network from outside that each condition names, of a study as it was read, unchecked."""
    given = data.get("conditions") if isinstance(data, dict) else None
    found = {}
    for name, own in given.items() if isinstance(given, dict) else ():
        network = own.get("network") if isinstance(own, dict) else None
        network = network.get("name") if isinstance(network, dict) else network
        if isinstance(network, str) and v.is_outside_network(network):
            found[name] = network
    return found


def with_networks(tree: Tree) -> tuple[Tree, list[Problem]]:
    """`tree` with what is known of each network from outside, whose code is imported; and what is wrong with them."""
    problems = []
    for name, network in networks_in(tree.data).items():
        from glifr.definitions.build import load_network  # torch, for which other studies' refusals need not wait

        path = ("conditions", name, "network")
        try:
            known = {"name": network, **load_network(network).kind.to_json()}
        except InputError as error:
            problems += [replace(problem, place=tree.place(path)) for problem in error.problems]
            continue
        mark = tree.marks.get(path, Mark("", ()))
        tree = tree.replaced(path, Tree(known, {(): mark}))
    return tree, problems
