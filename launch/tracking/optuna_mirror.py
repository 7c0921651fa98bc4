"""`python -m launch.tracking.optuna_mirror RESULTS`: each search as an Optuna study in RESULTS/optuna.db.

Made anew from the ledger at each call, for `optuna-dashboard` or a notebook; the search itself never reads it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from glifr.errors import InputError
from glifr.records import Layout, StudyRecords, UnitRecords, scan, search_name
from glifr.tasks.task import recorded_task
from launch.ledger.lock import has_driver
from launch.planning.steps import scores_by_step
from launch.studyfile import read_resolved
from launch.studyfile.search.pruners import PRUNERS
from launch.studyfile.search.samplers import name_of

optuna.logging.set_verbosity(optuna.logging.ERROR)
DONE, REFUSED = 0, 2


def mirror(records: StudyRecords) -> Path:
    """Writes the file, whole or not at all; returns its path."""
    path = records.layout.root / "optuna.db"
    aside = path.with_name(f".optuna.{os.getpid()}.tmp")
    aside.unlink(missing_ok=True)
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{aside}")
        for condition, space in records.study["spaces"].items():
            trials = [u for u in records.units if u.unit.stage == "search" and u.unit.condition == condition]
            for repeat in sorted({u.unit.repeat for u in trials} | {0}):
                own = [u for u in trials if u.unit.repeat == repeat]
                _write(storage, records, search_name(condition, repeat), space, own)
        storage.engine.dispose()
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def _write(
    storage: optuna.storages.BaseStorage,
    records: StudyRecords,
    name: str,
    space: Mapping[str, Mapping[str, Any]],
    units: Sequence[UnitRecords],
) -> None:
    body = records.study
    task, in_turn = recorded_task(body["task"]), _in_turn(body, name.partition("@")[0])
    study = optuna.create_study(storage=storage, study_name=f"{body['name']} {name}", direction="minimize")
    study.set_user_attr("study", body["name"])
    study.set_user_attr("profile", body["profile"])
    study.set_user_attr("hash", body["hash"])
    distributions = {name: _distribution(d) for name, d in space.items()}
    chosen = _chosen(records, name)
    for unit in units:
        scores = scores_by_step(task, unit.proposal, unit.epochs, in_turn)
        study.add_trial(_trial(records.layout, unit, scores, distributions, str(unit.unit) in chosen))


def _in_turn(body: Mapping[str, Any], condition: str) -> int | None:
    """The epochs of each seed of a condition's trials, where seeds took turns."""
    pruner = (body["spec"].get("search") or {}).get("pruner", {})
    if pruner.get("name") not in [name_of(kind) for kind in PRUNERS if kind.per_seed]:
        return None
    return read_resolved(body["spec"]).epochs("search", condition)


def _distribution(dimension: Mapping[str, Any]) -> BaseDistribution:
    """Of a dimension as study.json tells it."""
    if "choices" in dimension:
        return CategoricalDistribution(dimension["choices"])
    low, high, log = dimension["low"], dimension["high"], dimension["log"]
    if dimension.get("type") == "int":
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)


def _chosen(records: StudyRecords, name: str) -> set[str]:
    """The trial whose configuration the final networks have: that of the confirm unit that they name."""
    confirmed = {str(u.unit): u.proposal.source for u in records.units if u.unit.stage == "confirm"}
    finals = (u for u in records.units if u.unit.stage == "final" and u.unit.search_name == name)
    return {source for u in finals if (source := confirmed.get(str(u.proposal.source)))}


def _trial(
    layout: Layout,
    unit: UnitRecords,
    scores: Mapping[int, float],
    distributions: Mapping[str, BaseDistribution],
    chosen: bool,
) -> FrozenTrial:
    state = _state(layout, unit)
    trial = create_trial(
        state=state,
        value=unit.result.value if unit.result and state is TrialState.COMPLETE else None,
        params=dict(unit.proposal.hyperparameters),
        distributions={name: distributions[name] for name in unit.proposal.hyperparameters},
        intermediate_values=dict(scores),
        user_attrs={
            "unit": str(unit.unit),
            "seeds": list(unit.proposal.seeds),
            "attempts": unit.attempts,
            "diverged_seeds": sum(o.diverged for o in unit.result.seeds) if unit.result else 0,
            "chosen": chosen,
        },
    )
    trial.datetime_start = _moment(unit.result.started_at if unit.result else unit.proposal.proposed_at)
    trial.datetime_complete = None if state is TrialState.RUNNING else _moment(_ended_at(unit))
    return trial


def _ended_at(unit: UnitRecords) -> str:
    if unit.result is not None:
        return unit.result.finished_at
    return unit.failures[-1].at if unit.failures else unit.proposal.proposed_at


def _state(layout: Layout, unit: UnitRecords) -> TrialState:
    """Without a result: running if a driver is at work and the last attempt has not failed, else failed."""
    if unit.result is not None:
        return TrialState.COMPLETE if unit.result.status == "complete" else TrialState.PRUNED
    return TrialState.RUNNING if has_driver(layout.lock) and len(unit.failures) < unit.attempts else TrialState.FAIL


def _moment(iso: str) -> datetime:
    """Optuna keeps local times without a zone."""
    return datetime.fromisoformat(iso).astimezone().replace(tzinfo=None)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 done, 2 refused."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.tracking.optuna_mirror", description=__doc__.splitlines()[0]
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="as results/<study>/<profile>")
    try:
        print(mirror(scan(parser.parse_args(arguments).results)))
    except InputError as error:
        print(error, file=sys.stderr)
        return REFUSED
    return DONE


if __name__ == "__main__":
    sys.exit(main())
