"""What is written on disk keeps its names and values: hashes of studies and units, proposals, tables of stored results.

golden/identities.json holds them. Where a change is meant, `GLIFR_UPDATE_GOLDEN=1 pytest` of this file writes it
anew; the difference then says what no longer resumes or reads as before.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from paths import ROOT

from analysis import make_report
from glifr.records import STAGES, Layout, UnitId, digest
from launch.planning.plan import StudyPlan, make_plan
from launch.scheduling.search import ConditionSearch, rules_of
from launch.studyfile import load_study
from launch.studyfile.resolve import StudyReading

GOLDEN = ROOT / "tests" / "golden" / "identities.json"
UPDATE = "GLIFR_UPDATE_GOLDEN" in os.environ
STUDIES = sorted((ROOT / "studies").glob("*.yaml"))
PACKS = ("published_sine", "parameter_recovery")

IN_CLEAR = 20  # rows of a table that is kept whole; of a longer one, its columns' sums and digests
PROSE = {"meaning", "text", "reason", "gap_reason"}  # columns whose words may be mended


@pytest.fixture(scope="module", autouse=True)
def written() -> Iterator[dict[str, Any]]:
    """What was found, by its key in the golden file; written there if that is wanted."""
    found: dict[str, Any] = {}
    yield found
    if UPDATE:
        golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
        for part in found:
            golden[part] = golden.get(part, {}) | found[part]
        GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


def _golden(written: dict[str, Any], part: str, key: str, found: Any) -> Any:
    """The golden value of `found`, which becomes it if that is wanted."""
    if UPDATE:
        written.setdefault(part, {})[key] = found
        return found
    return json.loads(GOLDEN.read_text())[part][key]


# -- studies and units -------------------------------------------------------------------------------------------------


def _profiles(path: Path) -> list[str | None]:
    reading = StudyReading(path)
    return [None, *reading.profiles(reading.study())]


def _units(plan: StudyPlan) -> Iterator[tuple[UnitId, str, dict[str, float]]]:
    """Every planned unit, its identity and hyperparameters: fixed ones, or proposal `number` of its search.

    What a model would propose follows from results; the start-up proposals stand for it, over and over.
    """
    spec = plan.study.spec
    for name, own in plan.conditions.items():
        for repeat in range(spec.repeats):
            proposals = _start_up(plan, name, repeat) or [dict(own.fixed)]
            shared = {"search": spec.search_seeds(repeat), "confirm": spec.confirm_seeds(repeat)}
            for stage in STAGES:
                for place in range(plan.planned_in_repeat(name)[stage]):
                    number = place if stage in shared else spec.final_seeds(repeat)[place]
                    chosen = proposals[place % len(proposals)]
                    identity = plan.identity(stage, name, chosen, shared.get(stage, (number,)))
                    yield UnitId(stage, name, number, repeat), identity, chosen


def _start_up(plan: StudyPlan, condition: str, repeat: int) -> list[dict[str, float]]:
    spec = plan.study.spec
    if spec.search is None:
        return []
    count = min(spec.trials(condition), plan.study.resolved["search"]["sampler"]["startup_trials"])
    rules = rules_of(plan, condition)
    assert rules is not None
    search = ConditionSearch(condition, plan.conditions[condition].space, rules, repeat)
    asked = (search.ask()[1] for _ in range(count))
    return [{name: float(f"{value:.6g}") for name, value in proposal.items()} for proposal in asked]  # on any machine


def _identities(path: Path, profile: str | None) -> dict[str, Any]:
    study = load_study(path, profile=profile)
    plan = make_plan(study, fingerprint="")
    units = list(_units(plan))
    lines = "".join(f"{unit} {identity}\n" for unit, identity, _ in units)
    samples = {stage: next((u for u in units if u[0].stage == stage), None) for stage in STAGES}
    return {
        "study": study.hash,
        "profile": study.profile,
        "declaration": study.spec.declaration().hash,
        "count": len(units),
        "units": hashlib.sha256(lines.encode()).hexdigest(),
        "proposals": digest([chosen for *_, chosen in units]),
        "samples": {str(u[0]): u[1] for u in (*samples.values(), units[-1]) if u},
    }


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_studies_and_units_keep_their_identities(path: Path, written: dict[str, Any]) -> None:
    found = {profile or "-": _identities(path, profile) for profile in _profiles(path)}
    assert found == _golden(written, "studies", path.stem, found)


def test_every_study_is_held(written: dict[str, Any]) -> None:
    assert UPDATE or sorted(json.loads(GOLDEN.read_text())["studies"]) == [path.stem for path in STUDIES]


# -- tables ------------------------------------------------------------------------------------------------------------


def _held(table: pd.DataFrame) -> dict[str, Any]:
    """A table as it is kept: each column's values, or a digest of its texts, or sums over its numbers."""
    return {name: _column(table[name]) for name in table.columns if name not in PROSE}


def _column(column: pd.Series[Any]) -> Any:
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if len(column) <= IN_CLEAR:
        return [None if pd.isna(value) else value for value in column.tolist()]
    if not numeric:
        return hashlib.sha256("\n".join(map(str, column)).encode()).hexdigest()
    values = column.to_numpy(dtype=float)
    known = np.isfinite(values)
    weights = 1 + np.arange(len(values)) * 0.618033988749895 % 1  # a row that moves changes the sum
    size = np.abs(values[known])
    return {
        "rows": len(values),
        "known": int(known.sum()),
        "sum": float((values * weights)[known].sum()),
        "size": float(size.sum()),
        "logs": float(np.log(size[size > 0]).sum()),
    }


def _same(found: Any, golden: Any, size: float = 0.0) -> bool:
    """Equal; numbers to 1e-9 of their size or of the sizes that they sum up."""
    if isinstance(golden, dict):
        scale = golden.get("size", 0.0)
        return found.keys() == golden.keys() and all(_same(found[k], golden[k], scale) for k in golden)
    if isinstance(golden, list):
        return len(found) == len(golden) and all(map(_same, found, golden))
    if isinstance(golden, float) and isinstance(found, int | float):
        return bool(np.isclose(found, golden, rtol=1e-9, atol=1e-9 * size + 1e-14))
    return bool(found == golden)


@pytest.mark.parametrize("name", PACKS)
def test_tables_of_stored_results_are_the_same(name: str, tmp_path: Path, written: dict[str, Any]) -> None:
    make_report(ROOT / "docs" / "results" / f"{name}.tar.xz", {"csv"}, tmp_path)
    tables = {path.stem: pd.read_csv(path) for path in sorted(Layout(tmp_path).tables.glob("*.csv"))}
    found = json.loads(json.dumps({table: _held(frame) for table, frame in tables.items()}))
    golden = _golden(written, "tables", name, found)
    assert list(found) == list(golden)
    changed = {t: [c for c in golden[t] if not _same(found[t].get(c), golden[t][c])] for t in golden}
    assert {t: columns for t, columns in changed.items() if columns or list(found[t]) != list(golden[t])} == {}


def test_a_changed_value_is_seen() -> None:
    """In a short table, in a long one, and where two rows have changed places."""
    long = pd.DataFrame({"value": np.linspace(0.1, 0.9, 400), "name": ["a", "b"] * 200})
    for table in (long[:10], long):
        other, swapped = table.copy(), table.copy()
        other["value"] *= 1 + 1e-4 * (np.arange(len(table)) == 3)
        swapped["name"] = [*table["name"][:3], "a", "b", *table["name"][5:]]
        assert _same(_held(table), _held(table.copy()))
        assert _same(_held(table.assign(value=table["value"] * (1 + 1e-13))), _held(table))
        assert not _same(_held(other), _held(table))
        assert not _same(_held(swapped), _held(table))
        assert not _same(_held(table.assign(value=table["value"].to_numpy()[::-1])), _held(table))
