"""The five tidy tables: one row an observation, built from the records and written as CSV and Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

import pandas as pd

from analysis.files import write_whole
from analysis.results.columns import DERIVED, DTYPES, MEASURED_ON, TABLES, Column, Part, metric_column, metric_columns
from analysis.statistics.importance import as_shown
from analysis.text import without_paths
from glifr.conditions import HYPERPARAMETERS
from glifr.records import Layout, SeedOutcome, UnitRecords, Value

Row = dict[str, Any]
_MEASURED = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy")
_OUTCOME = ("epochs", "diverged", "score", *_MEASURED)


def status(unit: UnitRecords) -> str:
    """complete, pruned, failed (every attempt failed) or unfinished."""
    if unit.result is not None:
        return unit.result.status
    return "failed" if unit.failures and len(unit.failures) >= unit.attempts else "unfinished"


def make_tables(
    units: Iterable[UnitRecords], order: list[str], spaces: Iterable[Mapping[str, Mapping[str, Any]]] = ()
) -> dict[str, pd.DataFrame]:
    """Makes the tables of docs/results-folder.md, rows in the order of stages, conditions, repeats and numbers.

    Args:
        units: The units.
        order: The conditions, in order.
        spaces: What conditions search.

    Returns:
        The tables by name.
    """
    ranked = sorted(units, key=lambda u: (order.index(u.unit.condition), u.unit.repeat, u.unit.number))
    by_stage = [u for stage in ("search", "confirm", "final", "silencing") for u in ranked if u.unit.stage == stage]
    chosen = _chosen(by_stage)
    trained = [u for u in by_stage if u.unit.stage != "silencing"]
    rows: dict[str, Iterable[Row]] = {
        "trials": (_trial(u, str(u.unit) in chosen) for u in trained if u.unit.stage != "final"),
        "epochs": (row for u in trained for row in _epochs(u)),
        "seeds": (row for u in trained for row in _seeds(u)),
        "silencing": (row for u in by_stage for row in _silencing(u)),
        "parameters": (row for u in trained for row in _parameters(u)),
    }
    besides = searched_besides(trained, spaces)
    names = {part: _metrics(by_stage, part) for part in get_args(Part)}
    metrics = {t: metric_columns((metric_column(n, on) for n in names[on]), on) for t, on in MEASURED_ON.items()}
    return {name: _frame(name, own, besides, metrics.get(name, ())) for name, own in rows.items()}


def _metrics(units: Iterable[UnitRecords], part: Part) -> list[str]:
    """The names of the task's own metrics, as they are on record for these data."""
    found: Iterable[Mapping[str, float]]
    if part == "test":
        found = (outcome.test_metrics for unit in units if unit.result for outcome in unit.result.seeds)
    else:
        found = (record.validation_metrics for unit in units for record in unit.epochs)
    return list(dict.fromkeys(name for own in found for name in own))


def _frame(table: str, rows: Iterable[Row], besides: tuple[Column, ...], metrics: tuple[Column, ...]) -> pd.DataFrame:
    columns = (*with_besides(TABLES[table], besides), *metrics)
    texts = [c.name for c in besides if c.kind == "text"]
    shown = [{**row, **{n: as_shown(row[n]) for n in texts if row.get(n) is not None}} for row in rows]
    frame = pd.DataFrame.from_records(shown, columns=[c.name for c in columns])
    return frame.astype({c.name: DTYPES[c.kind] for c in columns})


def with_besides(columns: tuple[Column, ...], besides: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns of a table with those of `besides` after its hyperparameters, if it has these."""
    names = [c.name for c in columns]
    last = list(HYPERPARAMETERS)[-1]
    if last not in names:
        return columns
    at = names.index(last) + 1
    return (*columns[:at], *besides, *columns[at:])


def _chosen(units: Iterable[UnitRecords]) -> set[str]:
    """The confirm units that final networks took their hyperparameters from, and the search units of those."""
    sources = {str(u.unit): u.proposal.source for u in units}
    first = {source for unit, source in sources.items() if unit.startswith("final/") and source}
    return first | {source for unit in first if (source := sources.get(unit))}


def _unit(unit: UnitRecords) -> Row:
    own = unit.unit
    return {"stage": own.stage, "condition": own.condition, "repeat": own.repeat, "number": own.number}


def _run(unit: UnitRecords) -> Row:
    result, last = unit.result, unit.failures[-1] if unit.failures else None
    return {
        "source": unit.proposal.source,
        "attempts": unit.attempts,
        "failures": len(unit.failures),
        "last_failure": without_paths(f"{last.kind}: {last.message}") if last else None,
        "resumed": unit.resumed,
        "repeated_epochs": unit.repeated_epochs,
        "started_at": result.started_at if result else None,
        "finished_at": result.finished_at if result else None,
        "seconds": result.seconds if result else None,
        "backend": result.backend if result else None,
        "device": result.device if result else None,
        "threads": result.threads if result else None,
        "processor": "; ".join(result.processors) or None if result else None,
        "seeds_in_batch": result.seeds_in_batch if result else None,
        "code_version": unit.proposal.code_version,
        "identity": unit.proposal.identity,
    }


def _hyperparameters(unit: UnitRecords) -> Row:
    own = unit.proposal.hyperparameters
    return {name: own.get(name) for name in HYPERPARAMETERS} | dict(own)


def searched_besides(
    units: Iterable[UnitRecords], spaces: Iterable[Mapping[str, Mapping[str, Any]]]
) -> tuple[Column, ...]:
    """A column for each hyperparameter of these units that not every study has: numbers, or texts where some are."""
    values: dict[str, list[Value]] = {}
    for name, own in (pair for space in spaces for pair in space.items() if pair[0] not in HYPERPARAMETERS):
        values.setdefault(name, []).extend(own.get("choices", ()))
    for unit in units:
        for name, value in unit.proposal.hyperparameters.items():
            if name not in HYPERPARAMETERS:
                values.setdefault(name, []).append(value)
    plain = {n: all(isinstance(v, int | float) and not isinstance(v, bool) for v in own) for n, own in values.items()}
    return tuple(_besides(name, plain[name]) for name in sorted(values))


def _besides(name: str, number: bool) -> Column:
    return Column(name, "number" if number else "text", "", "the value of this setting; empty where not searched")


def _trial(unit: UnitRecords, chosen: bool) -> Row:
    outcomes = unit.result.seeds if unit.result else ()
    return {
        **_unit(unit),
        "status": status(unit),
        "value": unit.result.value if unit.result else None,
        **_hyperparameters(unit),
        "chosen": chosen,
        "seeds": len(unit.proposal.seeds),
        "diverged_seeds": sum(o.diverged for o in outcomes) if outcomes else None,
        "epochs": max((e.epoch for e in unit.epochs), default=max((o.epochs for o in outcomes), default=0)),
        **_run(unit),
    }


def _epochs(unit: UnitRecords) -> Iterator[Row]:
    for record in unit.epochs:
        metrics = {metric_column(name, "validation"): value for name, value in record.validation_metrics.items()}
        yield {**_unit(unit), **vars(record), **metrics}


def _seeds(unit: UnitRecords) -> Iterator[Row]:
    outcomes: dict[int, SeedOutcome] = {o.seed: o for o in unit.result.seeds} if unit.result else {}
    shared = {
        **_unit(unit),
        "status": status(unit),
        **_hyperparameters(unit),
        "hidden_size": unit.proposal.hidden_size,
        "trained_parameters": unit.proposal.trained_parameters,
        "delay_steps": unit.proposal.delay_steps,
        **_run(unit),
    }
    for seed in unit.proposal.seeds:
        outcome = outcomes.get(seed)
        own: Row = {"seed": seed, "diverged": None, "network": None}
        if outcome is not None:
            own |= {name: getattr(outcome, name) for name in _OUTCOME}
            own |= {metric_column(name): value for name, value in outcome.test_metrics.items()}
            own["network"] = outcome.network.path if outcome.network else None
        yield {**shared, **own}


def _silencing(unit: UnitRecords) -> Iterator[Row]:
    for row in unit.result.silencing if unit.result else ():
        own = unit.unit
        metrics = {metric_column(name): value for name, value in row.test_metrics.items()}
        yield {"condition": own.condition, "repeat": own.repeat, "seed": own.number, **vars(row), **metrics}


def _parameters(unit: UnitRecords) -> Iterator[Row]:
    for outcome in unit.result.seeds if unit.result else ():
        for summary in outcome.parameters:
            yield {**_unit(unit), "seed": outcome.seed, **vars(summary)}


def write_tables(layout: Layout, tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Writes each table as CSV and Parquet; returns the paths relative to the results folder."""
    written = []
    for name, frame in tables.items():
        # as objects: the same text in two thirds of the time
        csv = frame.astype(object).to_csv(index=False, lineterminator="\n").encode()
        parquet = frame.to_parquet(path=None, index=False)
        for path, content in ((f"{name}.csv", csv), (f"{name}.parquet", parquet)):
            written.append(str(write_whole(layout.tables / path, content).relative_to(layout.root)))
    return written


def write_dictionary(layout: Layout, tables: Mapping[str, pd.DataFrame]) -> str:
    """Writes tables/columns.csv: what every column of every table means; returns its path. tables: the tidy ones."""
    known, own = {c.name for c in TABLES["seeds"]}, tables["seeds"]
    metrics = {table: metric_columns(map(str, tables[table].columns), on) for table, on in MEASURED_ON.items()}
    known |= {column.name for column in metrics["seeds"]}
    besides = tuple(_besides(str(n), own[n].dtype == DTYPES["number"]) for n in own.columns if n not in known)
    every = {table: with_besides(columns, besides) for table, columns in TABLES.items()} | dict(DERIVED)
    every |= {table: (*every[table], *found) for table, found in metrics.items()}
    rows = [(table, *vars(c).values()) for table, columns in every.items() for c in columns]
    frame = pd.DataFrame(rows, columns=["table", "column", "kind", "unit", "meaning"])
    content = frame.to_csv(index=False, lineterminator="\n").encode()
    return str(write_whole(layout.tables / "columns.csv", content).relative_to(layout.root))
