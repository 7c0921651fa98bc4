"""From a study file to a `Study`: file and space files, then profile, then `--set`, then checks, then hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glifr.errors import InputError, Problem, nearest
from glifr.records import digest
from launch.studyfile.models import StudySpec
from launch.studyfile.renamed import from_record, recorded
from launch.studyfile.resolve import Reading
from launch.studyfile.tree import KeyPath

FULL = "full"

# what cannot change a result: words, how results are judged (hashed by itself), where and how it runs and is tracked
_NOT_HASHED = (
    ("description",),
    ("tracking",),
    ("analysis",),
    ("resources",),
    ("training", "checkpoint_every"),
    ("training", "seeds_per_batch"),
    ("training", "cuda_graphs"),
    ("task", "data_root"),
)
# what came later: a study that leaves it at its default has the hash that it had before
_NOT_HASHED_AT = ((("search", "repeats"), 1),)


@dataclass(frozen=True)
class Study:
    """A study that has passed every check.

    resolved: the whole study after profile and overrides, with spaces inlined and defaults filled in, JSON-able;
    `read_resolved` takes it back. profile: 'full' if none. hash: `study_hash(resolved)`.
    """

    spec: StudySpec
    resolved: dict[str, Any]
    profile: str
    hash: str
    path: Path


def load_study(path: Path, *, profile: str | None = None, overrides: Sequence[str] = ()) -> Study:
    """Reads and checks a study file.

    profile: a name under `profiles` in the file. overrides: texts `path.to.key=value`, the later ones win.
    Raises InputError with everything that is wrong in the file, its space files, its profiles and the overrides.
    """
    reading = Reading(path)
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
    spec = reading.checked(tree)
    set_paths = [p for p, mark in tree.marks.items() if mark.file == "--set"]
    for name, variant in variants.items():
        if name != chosen:
            reading.checked(variant, ignore=set_paths)
    if spec is None or reading.problems:
        raise InputError(*{str(problem): problem for problem in reading.problems}.values())
    resolved = recorded(spec.model_dump(mode="json"))
    return Study(spec, resolved, chosen, study_hash(resolved), path)


def read_resolved(resolved: dict[str, Any]) -> StudySpec:
    """The study of a `Study.resolved`, as kept in a results folder; ValueError if it is not one."""
    return StudySpec.model_validate(from_record(resolved))


def study_hash(resolved: dict[str, Any]) -> str:
    """SHA-256 of a resolved study without what cannot change its results.

    Left out: descriptions, analysis (hashed by itself), tracking, resources, task.data_root, and of training
    checkpoint_every, seeds_per_batch and cuda_graphs; of search repeats where it is 1.
    """
    return digest(_hashed(resolved, ()))


def _hashed(value: Any, path: KeyPath) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {k: v for k, v in value.items() if not _left_out((*path, k), v)}
    return {k: _hashed(v, (*path, k)) for k, v in kept.items()}


def _left_out(path: KeyPath, value: Any) -> bool:
    return path in _NOT_HASHED or path[-1] == "description" or (path, value) in _NOT_HASHED_AT
