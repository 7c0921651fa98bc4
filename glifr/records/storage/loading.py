"""Loads a network that a study trained and kept: by its file, by its unit's folder, or the best seed of a condition.

The best seed is that with the lowest score: the validation loss after the last epoch, or the training loss where the
study holds no validation data. The test set has no part in the choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from glifr.errors import InputError, Problem, nearest
from glifr.networks import BaseNetwork
from glifr.records import Layout, RecordError, SeedOutcome, UnitId, UnitResult, read_sealed
from glifr.records.storage import tensor_files as checkpoints
from glifr.records.storage.network_files import unpack

_NAMED = 5
_RUN_AGAIN = "give the study's command again, which sets damaged files aside and runs their units again"
_WHERE = "a network.pt, a unit's folder (<results>/units/final/<condition>/<seed>), or a results folder with study.json"


class _Stored(NamedTuple):
    """A network's file and the SHA-256 on record; None for the one beside the file."""

    path: Path
    sha256: str | None


def load(
    path: str | Path, condition: str | None = None, seed: int | None = None, *, backend: str = "auto"
) -> BaseNetwork:
    """Loads a trained network that a study kept, in evaluation mode, on the CPU.

    The file's checksum is verified, and no code in it is run. A seed that diverged is loaded only if it is named.

    Args:
        path: The file `network.pt`; or the folder of a final unit, `results/.../units/final/LHetA/3`; or a results
            folder, `results/<study>/<profile>`.
        condition: The condition, if `path` is a results folder; may be omitted where the study has only one.
        seed: The seed, if `path` is a results folder; `best_seed` of the condition by default.
        backend: One of `glifr.engine.backends.BACKENDS`.

    Returns:
        The network.

    Raises:
        InputError: There is no such network, the choice is ambiguous, or the file is damaged or not a network file.
    """
    try:
        given = Path(path)
        if not given.exists():
            raise InputError(
                Problem("there is no such file or folder", str(path), allowed=_WHERE, todo="check the path")
            )
        found = _choose(given, condition, seed)
    except (OSError, RuntimeError) as error:  # a name too long, no permission, a link that leads in a circle
        raise InputError(Problem("this path cannot be followed", str(path), str(error), _WHERE)) from None
    try:
        stored = checkpoints.load(found.path, found.sha256)
    except RecordError as error:
        rule = f"the network's file cannot be trusted: {error}"
        todo = "take the file and its .sha256 together from where the study wrote them"
        raise InputError(Problem(rule, str(found.path), todo=todo)) from None
    return unpack(stored, found.path, backend)


def best_seed(results: str | Path, condition: str) -> int:
    """Finds the final seed of a condition with the lowest score, among those that finished and did not diverge.

    The score is the validation loss after the last epoch, or the training loss where the study holds out no validation
    data; test data are never used. Of equal scores the first counts.

    Args:
        results: The results folder, `results/<study>/<profile>`.
        condition: The name of the condition.

    Returns:
        The seed.

    Raises:
        InputError: There is no such seed.
    """
    layout = Layout(Path(results))
    if layout.root.is_file():
        _refuse_pack(layout.root)
    ended = [_outcome(layout, unit) for unit in _finals(layout, condition)]
    usable = [outcome for outcome in ended if not outcome.diverged]
    if not usable:
        diverged = ", ".join(str(outcome.seed) for outcome in ended)
        rule = f"every final seed of {condition} diverged, so none is the best"
        raise InputError(Problem(rule, str(results), f"diverged: {diverged}", f"one of them by its number: {diverged}"))
    return min(usable, key=lambda outcome: (outcome.score, outcome.seed)).seed


def _refuse_pack(path: Path) -> None:
    """A pack has what reports are made of, and no weights."""
    with path.open("rb") as file:
        if file.read(6) == b"\xfd7zXZ\0":
            rule, todo = "a pack keeps no networks", "give the results folder that the pack was made of"
            raise InputError(Problem(rule, str(path), allowed=_WHERE, todo=todo))


def _choose(path: Path, condition: str | None, seed: int | None) -> _Stored:
    if path.is_file():
        _refuse_pack(path)
    if Layout(path).study.is_file():
        layout = Layout(path)
        name = _condition(layout) if condition is None else condition
        return _network_of(layout, _final(layout, name, best_seed(path, name) if seed is None else seed))
    if condition is not None or seed is not None:
        rule = "condition and seed choose among the networks of a results folder"
        todo = "give the results folder, or the path alone"
        raise InputError(Problem(rule, str(path), (condition, seed), "a folder with a study.json", todo))
    if path.is_file():
        return _Stored(path, None)
    folder = path.resolve()
    if folder.parent.parent.parent.name == "units":
        return _network_of(Layout(folder.parents[3]), _unit(folder))
    if (folder / "network.pt").is_file():
        return _Stored(folder / "network.pt", None)
    below = sorted(str(study.parent) for study in folder.glob("*/study.json"))
    allowed = f"one of {', '.join(below)}" if below else _WHERE
    holds = ", ".join(sorted(inner.name for inner in folder.iterdir())[:_NAMED]) or "nothing"
    raise InputError(Problem("this folder is not of one network", str(path), f"a folder with {holds}", allowed))


def _unit(folder: Path) -> UnitId:
    try:
        unit = Layout(folder.parents[3]).unit_at(folder)
    except ValueError:
        unit = None
    if unit is None or unit.stage != "final":
        rule = "only final units keep their network"
        raise InputError(Problem(rule, str(folder), "/".join(folder.parts[-3:]), "units/final/<condition>/<seed>"))
    return unit


def _condition(layout: Layout) -> str:
    names = _conditions(layout)
    if len(names) != 1:
        found = ", ".join(names) or "none that has ended"
        rule, todo = "which condition's network is meant is not said", "name the condition"
        raise InputError(Problem(rule, str(layout.root), allowed=found, todo=todo))
    return names[0]


def _conditions(layout: Layout) -> list[str]:
    """The conditions with a final result."""
    return sorted({unit.condition for unit in _ended(layout)})


def _ended(layout: Layout) -> Iterator[UnitId]:
    """The final units with a result, of all repeats of the search."""
    for path in layout.units.glob("final/*/*/result.json"):
        with suppress(ValueError):  # a foreign folder
            yield layout.unit_at(path.parent)


def _final(layout: Layout, condition: str, seed: int) -> UnitId:
    """The final unit of a seed, in whichever repeat it lies."""
    found = (unit for unit in _ended(layout) if (unit.condition, unit.number) == (condition, seed))
    return min(found, key=lambda unit: unit.repeat, default=UnitId("final", condition, seed))


def _finals(layout: Layout, condition: str) -> list[UnitId]:
    """The final units of a condition that have ended, at least one, in the order of their seeds."""
    units = sorted((unit for unit in _ended(layout) if unit.condition == condition), key=lambda unit: unit.number)
    if not units:
        known = _conditions(layout)
        rule = f"no final network of the condition {condition!r} here has ended"
        allowed = ", ".join(known) or "none yet: the study has no final results"
        raise InputError(Problem(rule, str(layout.root), condition, allowed, nearest(condition, known)))
    return units


def _outcome(layout: Layout, unit: UnitId) -> SeedOutcome:
    """How a final unit's seed ended."""
    try:
        return UnitResult.from_json(read_sealed(layout.result(unit))).seeds[0]
    except FileNotFoundError:
        seeds = ", ".join(str(known.number) for known in _finals(layout, unit.condition))
        rule = f"{unit} has no result: it has not ended, or is not of this study"
        raise InputError(Problem(rule, str(layout.root), unit.number, f"the seeds {seeds}")) from None
    except (RecordError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        rule = f"the result of {unit} is damaged or of another version ({error})"
        raise InputError(Problem(rule, str(layout.result(unit)), todo=_RUN_AGAIN)) from None


def _network_of(layout: Layout, unit: UnitId) -> _Stored:
    file = _outcome(layout, unit).network
    if file is None:
        raise InputError(Problem(f"{unit} kept no network", str(layout.unit(unit)), todo=_RUN_AGAIN))
    try:
        return _Stored(layout.inside(file.path), file.sha256)
    except RecordError as error:
        rule = f"the network of {unit} cannot be used: {error}"
        raise InputError(Problem(rule, str(layout.result(unit)), todo=_RUN_AGAIN)) from None
