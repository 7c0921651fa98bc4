"""The conditions of a study: each a base, another condition of the study or a published one, and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from glifr.conditions import CONDITIONS, Condition
from glifr.errors import nearest
from launch.studyfile import values as v
from launch.studyfile.sections import Changes
from launch.studyfile.training import TrainingChanges
from launch.studyfile.tree import Fault

_OF_A_CONDITION = frozenset(f.name for f in fields(Condition))
_NOT_INHERITED = ("base", "control")


class ConditionSpec(Changes):
    """base: a condition of this study, or a published one; a published name is its own base. What is not given is the
    base's.

    delay: of the lateral connections, ms or words. fixed: hyperparameters of a study without search.
    start: homogeneous, heterogeneous, prior for the base's own, or learned: drawn from the network that `learned_from`
    has trained on the same seed; by default the study's condition that learns the same from a homogeneous start. from:
    a network that a study kept, its path from the study's folder; every seed begins with all of it.
    learned: which neuron parameters are trained. dt, tau: ms. output_weight: whether there is a readout.
    training: what differs from the study's training. control: equal to another condition on purpose.
    """

    later = frozenset(
        {"base", "learned_from", "num_ascs", "learned", "dt", "tau", "sigma_v", "R", "I0", "v_reset", "output_weight"}
        | {"training", "control"}
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

    @property
    def checkpoint(self) -> dict[str, str] | None:
        """`from`: the path of the network that it starts from; `sha256` of that file, once it has been read."""
        return self.start if isinstance(self.start, dict) else None

    def value(self, name: str) -> Condition:
        """What the condition is; of one that has been `completed`."""
        root = CONDITIONS[self.base or name]
        changes = {k: value for k, value in self.given.items() if k in _OF_A_CONDITION and k != "start"}
        changes = {k: value for k, value in changes.items() if value is not None}
        if root.start is not None and self.start != "prior" and self.checkpoint is None:
            changes["start"] = "homogeneous" if self.start == "homogeneous" else "heterogeneous"
        return replace(root, name=name, **changes)


def completed(conditions: Mapping[str, ConditionSpec]) -> dict[str, ConditionSpec]:
    """Each condition with what it takes from its base, down to a published one; as given where a base is wrong."""
    if next(base_faults(conditions), None) is not None:
        return dict(conditions)
    return {name: _completed(conditions, name) for name in conditions}


def _completed(conditions: Mapping[str, ConditionSpec], name: str) -> ConditionSpec:
    own = conditions[name]
    base = own.base or name
    if base in conditions and base != name:
        parent = _completed(conditions, base)
        root = parent.base or base
        inherited: dict[str, Any] = {k: value for k, value in parent.given.items() if k not in _NOT_INHERITED}
    else:
        root = base
        inherited = {"delay": CONDITIONS[root].usual_delay, "hidden_size": "matched", "fixed": None, "start": "prior"}
    start = ConditionSpec.model_construct(_fields_set=set(inherited), **inherited)
    whole = own.over(start)
    values = {k: value for k, value in whole.given.items() if k != "base"} | ({"base": root} if root != name else {})
    return ConditionSpec.model_construct(_fields_set=set(values), **values)


def base_faults(conditions: Mapping[str, ConditionSpec]) -> Iterator[Fault]:
    """What is wrong with the bases of a study's conditions, at key paths of the study."""
    known = list(dict.fromkeys([*CONDITIONS, *conditions]))
    for name, own in conditions.items():
        path = ("conditions", name)
        published = ", ".join(CONDITIONS)
        if own.base is None and name not in CONDITIONS:
            rule = f"there is no condition {name!r} among the published ones, and this one has no base"
            todo = nearest(name, list(CONDITIONS)) or "name what it is made from: `base: LHetA`, beside its values"
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


def _in_a_circle(conditions: Mapping[str, ConditionSpec], name: str) -> bool:
    seen, at = {name}, conditions[name].base
    while at is not None and at in conditions and not (at in CONDITIONS and conditions[at].base in (None, at)):
        if at in seen:
            return True
        seen.add(at)
        at = conditions[at].base
    return False
