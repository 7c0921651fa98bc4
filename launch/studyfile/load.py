"""From a study file to a `Study`: file and space files, then profile, then `--set`, then checks, then hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from glifr.errors import InputError, Problem, nearest
from glifr.outside import load_object, referenced
from glifr.records import digest
from glifr.tasks import TASKS, TaskDefinition
from glifr.tasks.task import task_record
from launch.outside.check import look, prepare, try_networks
from launch.outside.modules import NO_CODE, OutsideCode
from launch.outside.probe import Networks
from launch.studyfile.conditions import ConditionSpec, networks_in
from launch.studyfile.cost import KINDS
from launch.studyfile.models import StudySpec
from launch.studyfile.renamed import from_record, recorded
from launch.studyfile.resolve import StudyReading
from launch.studyfile.search.learned import Learned, learned
from launch.studyfile.tree import Fault, KeyPath, Tree

FULL = "full"

# what cannot change a result: words, how results are judged (hashed by itself), where and how it runs and is tracked
_NOT_HASHED = (
    ("description",),
    ("tracking",),
    ("analysis",),
    ("factors",),
    ("crossing",),
    ("resources",),
    ("training", "checkpoint_every"),
    ("training", "seeds_per_batch"),
    ("training", "cuda_graphs"),
    ("task", "data_root"),
    *(("budget", kind) for kind in KINDS),  # when to stop
)
# what came later: a study that leaves it at its default has the hash that it had before
_NOT_HASHED_AT = ((("search", "repeats"), 1),)


@dataclass(frozen=True)
class Study:
    """A study that has passed every check.

    Attributes:
        resolved: The whole study after profile and overrides, with spaces inlined and defaults filled in, JSON-able;
            `read_resolved` takes it back.
        profile: The profile, 'full' if none.
        hash: `study_hash(resolved)`.
        code: Code from outside.
        learned: Trials of another study with which its searches begin.
    """

    spec: StudySpec
    resolved: dict[str, Any]
    profile: str
    hash: str
    path: Path
    code: OutsideCode = NO_CODE
    learned: Learned | None = None

    def without_gpus(self) -> Study:
        """The study with trials that take no GPU."""
        resources = self.spec.resources.model_copy(update={"gpus": 0.0})
        resolved = {**self.resolved, "resources": {**self.resolved["resources"], "gpus": 0.0}}
        return replace(self, spec=self.spec.model_copy(update={"resources": resources}), resolved=resolved)


def load_study(
    path: Path,
    *,
    profile: str | None = None,
    overrides: Sequence[str] = (),
    code: Literal["tried", "looked at"] = "tried",
) -> Study:
    """Reads and checks a study file.

    Args:
        path: The file.
        profile: A name under `profiles` in the file.
        overrides: Texts `path.to.key=value`; of two for one key the later wins.
        code: Whether what the study names from outside is imported and tried, or only found and hashed. A task that is
            not imported is not known: what depends on it is unchecked.

    Returns:
        The study.

    Raises:
        InputError: With everything that is wrong in the file, its space files, its profiles and the overrides.
    """
    reading = StudyReading(path)
    base = reading.study()
    profiles = reading.profiles(base)
    base = base.without("profiles")
    if profile is not None and profile not in profiles:
        known = ", ".join(profiles) or "none"
        todo = nearest(profile, list(profiles)) or "name one of these, or leave --profile out for the whole study"
        reading.problems.append(Problem("the study has no such profile", "--profile", profile, known, todo))
        profile = None
    variants = {FULL: base} | {name: reading.with_spaces(base.merged(over)) for name, over in profiles.items()}
    chosen = profile or FULL
    tree = reading.overridden(variants[chosen], overrides)
    prepared = (prepare if code == "tried" else look)(tree.data, path.parent)
    reading.problems += [replace(wrong.problem, place=tree.place(wrong.path)) for wrong in prepared.wrong]
    if code == "tried" and not prepared.wrong:
        tree, reading.imports = with_source(tree), True
        reading.tried = frozenset(networks_in(tree.data).values())
    spec = reading.checked(tree)
    set_paths = [p for p, mark in tree.marks.items() if mark.file == "--set"]
    for name, variant in variants.items():
        if name != chosen:
            variant = with_source(variant) if reading.imports else variant
            reading.problems += reading.wrong_in(variant, set_paths, overrides)
    if spec is None or reading.problems:
        raise InputError(*{str(problem): problem for problem in reading.problems}.values())
    if code == "tried" and (networks := _to_try(spec)) is not None:
        failed = try_networks(networks, prepared.code)
        if failed is not None:
            raise InputError(replace(failed.problem, place=tree.place(failed.path)))
    spec, learnt = _with_learned(_with_checksums(spec, tree, path), tree, path)
    resolved = recorded(spec.model_dump(mode="json"))
    return Study(spec, resolved, chosen, study_hash(resolved), path, prepared.code, learnt)


def with_source(tree: Tree) -> Tree:
    """`tree` with the source that a task from outside has by default."""
    task = tree.data.get("task")
    name = task.get("name") if isinstance(task, dict) and "source" not in task else None
    if not isinstance(name, str) or name in TASKS or (reference := referenced(name, "tasks")) is None:
        return tree
    return tree.replaced(("task", "source"), Tree(load_object(reference, TaskDefinition).sources[0]))


def _to_try(spec: StudySpec) -> Networks | None:
    """What another process tries of the networks from outside; None where there are none."""
    own = {name: value for name, value in spec.values.items() if value.outside is not None}
    if not own:
        return None
    task = spec.task.definition
    body = task_record(task, spec.task.source) | {"fingerprint": "", "readout": task.readout}
    conditions = [
        {
            "condition": value.to_json(),
            "hidden_size": None if (size := spec.conditions[name].hidden_size) == "matched" else size,
            "delay_steps": spec.delay_steps(name),
            "silenced": spec.silencing is not None or spec.training_of(name).dropout > 0,
        }
        for name, value in own.items()
    ]
    budget = (spec.budget_network.to_json(), spec.parameter_budget.hidden_size)
    return Networks(task=body, budget=budget, conditions=conditions)


def _with_checksums(spec: StudySpec, tree: Tree, path: Path) -> StudySpec:
    """The study with the SHA-256 of each network that a condition starts from; InputError if one cannot be read."""
    conditions, problems = dict(spec.conditions), []
    for name, own in spec.conditions.items():
        if own.checkpoint is None:
            continue
        place = ("conditions", name, "start")
        try:
            found = hashlib.sha256((path.parent / own.checkpoint["from"]).read_bytes()).hexdigest()
        except (OSError, ValueError) as error:
            rule = f"the network that {name} would start from cannot be read ({getattr(error, 'strerror', error)})"
            allowed = "the path of a network.pt that a study kept, from the study's folder"
            problems.append(tree.problem(Fault(place, rule, own.checkpoint["from"], allowed)))
            continue
        start = {"from": own.checkpoint["from"], "sha256": found}
        conditions[name] = ConditionSpec.model_construct(_fields_set=set(own.given), **{**own.given, "start": start})
    if problems:
        raise InputError(*problems)
    return spec.model_copy(update={"conditions": conditions})


def _with_learned(spec: StudySpec, tree: Tree, path: Path) -> tuple[StudySpec, Learned | None]:
    """The study with the sum of the trials that it learns from, and these; InputError where it cannot."""
    if spec.search is None or spec.search.learn_from is None:
        return spec, None
    found = learned(spec, path.parent / spec.search.learn_from["from"])
    if not isinstance(found, Learned):
        raise InputError(*(tree.problem(fault) for fault in found))
    source = {"from": spec.search.learn_from["from"], "sha256": found.sha256}
    return spec.model_copy(update={"search": spec.search.model_copy(update={"learn_from": source})}), found


def read_resolved(resolved: dict[str, Any]) -> StudySpec:
    """The study of a `Study.resolved`, as kept in a results folder; ValueError if it is not one."""
    return StudySpec.model_validate(from_record(resolved))


def study_hash(resolved: dict[str, Any]) -> str:
    """SHA-256 of a resolved study without what cannot change its results.

    Left out: descriptions, analysis and factors (hashed by themselves; what a crossing makes is in it), tracking,
    resources, task.data_root, and of training checkpoint_every, seeds_per_batch and cuda_graphs; of search repeats
    where it is 1.
    """
    return digest(_hashed(resolved, ()))


def _hashed(value: Any, path: KeyPath) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {k: v for k, v in value.items() if not _left_out((*path, k), v)}
    return {k: _hashed(v, (*path, k)) for k, v in kept.items()}


def _left_out(path: KeyPath, value: Any) -> bool:
    # of a file: its sum is what counts
    its_place = (path[0] == "conditions" and path[2:] == ("start", "from")) or path == ("search", "learn_from", "from")
    code = path[0] == "conditions" and path[2:3] == ("network",) and path[3:] not in ((), ("name",))  # known from it
    limits_only = path == ("budget",) and value.get("equal", "trials") == "trials"
    apart = its_place or code or limits_only
    return apart or path in _NOT_HASHED or path[-1] == "description" or (path, value) in _NOT_HASHED_AT
