"""Trials of another study, by which a search begins: read, compared with this study, and counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from glifr.errors import InputError, Problem
from glifr.records import StudyRecords, UnitRecords, Value, digest, scan, search_name
from glifr.records.archive import MOST_BYTES, ArchiveError, members_of
from launch.studyfile.models import StudySpec
from launch.studyfile.renamed import from_record
from launch.studyfile.search.known import LEARN_RULE
from launch.studyfile.tree import Fault

_PATH = ("search", "learn_from")
_OF_A_PACK = ("study.json", "provenance.json", "units/search/")


@dataclass(frozen=True)
class LearnedTrial:
    """A trial of another study that ran to its end."""

    hyperparameters: Mapping[str, Value]
    value: float


@dataclass(frozen=True)
class Learned:
    """Trials of another study with which searches begin.

    Attributes:
        trials: By the name of each search.
        left_out: Trials that lie outside this study's ranges.
        study: The study whose trials they are.
        profile: Its profile.
        hash: Its hash.
    """

    study: str
    profile: str
    hash: str
    trials: Mapping[str, tuple[LearnedTrial, ...]]
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Of the trials: where they come from decides nothing."""
        return digest(self._trials())

    def to_json(self) -> dict[str, Any]:
        """As study.json tells it."""
        source = {"study": self.study, "profile": self.profile, "hash": self.hash}
        return {**source, "trials": self._trials(), "left_out": dict(self.left_out)}

    def _trials(self) -> dict[str, Any]:
        return {name: [[dict(t.hyperparameters), t.value] for t in own] for name, own in self.trials.items()}


def learned(spec: StudySpec, source: Path) -> Learned | list[Fault]:
    """The trials of `source` that this study's searches begin with; or why they cannot."""
    given = spec.search.learn_from["from"] if spec.search and spec.search.learn_from else ""
    try:
        with _records(source) as records:
            theirs = StudySpec.model_validate(from_record(records.study["spec"]))
            return _taken(spec, theirs, records)
    except InputError as error:
        return [_not_read(given, f"{p.rule} ({p.value})" if p.has_value else p.rule) for p in error.problems]
    except (ValueError, KeyError, TypeError) as error:
        return [_not_read(given, f"its study.json is of another version ({type(error).__name__})")]


def _not_read(given: str, why: str) -> Fault:
    return Fault(_PATH, f"the results to learn from cannot be read: {why}", given, LEARN_RULE)


@contextmanager
def _records(source: Path) -> Iterator[StudyRecords]:
    """Of a results folder, or of a pack, of which nothing but the search is unpacked."""
    if not source.is_file():
        yield scan(source)
        return
    with TemporaryDirectory(prefix="glifr-learn-") as folder:
        for name, content in _members(source).items():
            if name.startswith(_OF_A_PACK) and not name.endswith("/"):
                place = Path(folder) / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
        yield scan(Path(folder))


def _members(pack: Path) -> dict[str, bytes]:
    with pack.open("rb") as file:
        raw = file.read(MOST_BYTES + 1)
    try:
        if len(raw) > MOST_BYTES:
            raise ArchiveError(f"it is larger than {MOST_BYTES:,} bytes")
        return members_of(raw)
    except ArchiveError as error:
        raise InputError(Problem("this is no pack", str(pack), str(error), LEARN_RULE)) from None


def _taken(spec: StudySpec, theirs: StudySpec, records: StudyRecords) -> Learned | list[Fault]:
    faults = [*_foreign(spec, theirs), *_unlike(spec, theirs)]
    if faults:
        return faults
    trials, left_out = {}, {}
    for condition in spec.conditions:
        space = spec.space_for(condition)
        for repeat in range(spec.repeats):
            units = [u for u in records.units if _is_of(u, condition, repeat)]
            if unended := sum(u.result is None and len(u.failures) < max(1, u.attempts) for u in units):
                rule = f"the search of {condition} in the results to learn from has not ended"
                return [Fault(_PATH, rule, f"{unended} open trials", todo="let it end, or give other results")]
            whole = [
                LearnedTrial(u.proposal.hyperparameters, u.result.value)
                for u in units
                if u.result is not None and u.result.status == "complete" and u.result.value is not None
            ]
            inside = tuple(t for t in whole if all(space[name].holds(v) for name, v in t.hyperparameters.items()))
            if not inside:
                rule = f"none of the trials of {condition} to learn from lies within its search space"
                return [Fault(_PATH, rule, f"{len(whole)} trials", todo="widen the space, or remove learn_from")]
            name = search_name(condition, repeat)
            trials[name], left_out[name] = inside, len(whole) - len(inside)
    body = records.study
    return Learned(body["name"], body["profile"], body["hash"], trials, {n: c for n, c in left_out.items() if c})


def _is_of(unit: UnitRecords, condition: str, repeat: int) -> bool:
    return (unit.unit.stage, unit.unit.condition, unit.unit.repeat) == ("search", condition, repeat)


def _foreign(spec: StudySpec, theirs: StudySpec) -> Iterator[Fault]:
    """Of another task or other conditions: its values say nothing here."""
    ours, other = _task(spec), _task(theirs)
    if ours != other:
        rule = "the results to learn from are of another task: their values say nothing here"
        yield Fault(_PATH, rule, other, ours, "give results of the same task, or remove learn_from")
    if theirs.search is None:
        yield Fault(_PATH, "the study to learn from has no search", theirs.name, todo="give one that has")
    missing = [name for name in spec.conditions if name not in theirs.conditions]
    if missing:
        rule = f"the study to learn from lacks conditions: {', '.join(missing)}"
        todo = "give results that have all conditions, so that none begins with more than another"
        yield Fault(_PATH, rule, ", ".join(theirs.conditions), todo=todo)
    if theirs.search is not None and theirs.repeats < spec.repeats:
        rule = "fewer independent searches to learn from than there are: they would no longer be independent"
        yield Fault(_PATH, rule, theirs.repeats, f"{spec.repeats} (search.repeats)", "repeat that search as often")


def _task(spec: StudySpec) -> str:
    return f"{spec.task.name} ({spec.task.source}, trained on {spec.task.train_on})"


def _unlike(spec: StudySpec, theirs: StudySpec) -> Iterator[Fault]:
    """Conditions whose trials are others there."""
    for name in (name for name in spec.conditions if name in theirs.conditions and theirs.search):
        ours, other = set(spec.space_for(name)), set(theirs.space_for(name))
        if ours != other:
            rule = f"the trials of {name} to learn from have other dimensions"
            yield Fault(_PATH, rule, ", ".join(sorted(other)), ", ".join(sorted(ours)), "search the same dimensions")
        epochs, longer = spec.epochs("search", name), theirs.epochs("search", name)
        if epochs != longer:
            rule = f"the trials of {name} to learn from have another length: their values are others"
            yield Fault(_PATH, rule, f"{longer} epochs", f"{epochs} epochs", "train trials as long")
