"""The derived tables: everything that the report says in numbers, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from analysis.judgement.assessment import Assessment, ContrastSensitivity
from analysis.judgement.warnings import ReportWarning
from analysis.results.columns import DERIVED, DTYPES
from analysis.results.summaries import Tuning
from analysis.statistics.contrasts import ContrastResult
from analysis.statistics.factorial import LevelMean
from analysis.statistics.groups import ClusteredNetwork
from analysis.statistics.power import PairsNeeded
from analysis.statistics.verdicts import Verdict

Row = Mapping[str, Any]


def derived_tables(a: Assessment, found: list[ReportWarning]) -> dict[str, pd.DataFrame]:
    """The tables of `columns.DERIVED`, numbers as recorded (accuracy as a share of 1)."""
    rows: dict[str, Iterable[Row]] = {
        "conditions": (_condition(a, i) for i in range(len(a.performances))),
        "factorial": (_picked("factorial", e, effect=e.name, **_verdict(e.verdict)) for e in a.factorial.effects),
        "levels": (_level(m) for m in a.factorial.means),
        "level_pairs": (_contrast("level_pairs", j) for j in a.factorial.pairs),
        "contrasts": (_contrast("contrasts", j) for j in a.planned),
        "pairs": (_contrast("pairs", j) for j in a.pairs),
        "silenced_networks": (_picked("silenced_networks", row) for row in a.silenced.itertuples()),
        "tuning": (_tuning(t) for t in a.tunings),
        "published": _published(a),
        "power": (_power(r) for r in a.reaches),
        "clusters": (_clusters(n) for n in a.neurons.clustered),
        "components": (_picked("components", c) for c in a.components),
        "warnings": (_picked("warnings", c, subjects="; ".join(c.subjects)) for c in found),
    }
    return {"neurons": a.neurons.table, **{name: _frame(name, own) for name, own in rows.items()}}


def _frame(table: str, rows: Iterable[Row]) -> pd.DataFrame:
    columns = DERIVED[table]
    frame = pd.DataFrame.from_records(list(rows), columns=[c.name for c in columns])
    return frame.astype({c.name: DTYPES[c.kind] for c in columns})


def _picked(table: str, source: object, **given: Any) -> Row:
    """The columns of a table: those given, the others from the attributes of `source`."""
    return {c.name: given[c.name] if c.name in given else getattr(source, c.name) for c in DERIVED[table]}


def _condition(a: Assessment, place: int) -> Row:
    row, info = a.performances[place], a.results.info.conditions[place]
    t, middle = row.interval, row.middle
    return _picked(
        "conditions",
        row,
        units=t.n,
        mean=t.mean,
        sd=t.sd,
        low=t.low,
        high=t.high,
        iqm=middle.iqm,
        iqm_low=middle.low,
        iqm_high=middle.high,
        hidden_size=info.hidden_size,
        trained_parameters=info.trained_parameters,
    )


def _tuning(t: Tuning) -> Row:
    choice = t.optimism
    return _picked(
        "tuning",
        t,
        chosen_in=choice.stage or None,
        compared_at=choice.epochs or None,
        chosen_score=choice.chosen,
        final_score_then=choice.final,
        gap=choice.gap,
        gap_reason=choice.reason,
        edges=" ".join(t.edges),
    )


def _power(r: ContrastSensitivity) -> Row:
    needs: dict[str, PairsNeeded | None] = {"needed": r.needed, "needed_for_equivalence": r.needed_for_equivalence}
    numbers = {
        f"{name}{end}": getattr(found, of) if found else None
        for name, found in needs.items()
        for end, of in (("", "seen"), ("_low", "low"), ("_high", "high"))
    }
    return _picked("power", r, contrast=r.contrast.name, **numbers)


def _published(a: Assessment) -> Iterator[Row]:
    b = a.published
    for row in b.rows if b else ():
        ours, theirs = row.ours, row.published
        yield _picked(
            "published",
            row,
            n=ours.n,
            mean=ours.mean,
            sd=ours.sd,
            mean_low=ours.low,
            mean_high=ours.high,
            published_n=theirs.n,
            published_mean=theirs.mean,
            published_sd=theirs.sd,
            other_settings="; ".join(b.other_settings(row.condition)) if b else "",
            would_pass="; ".join(b.would_pass[row.condition]) if b else "",
            **_verdict(row.verdict),
        )


def _clusters(network: ClusteredNetwork) -> Row:
    found = network.clustering
    return _picked(
        "clusters",
        found,
        condition=network.condition,
        seed=network.seed,
        clusters=found.k or None,
        structured=None if found.reason else found.structured,
        finding=None if found.reason else found.finding,
    )


def _level(m: LevelMean) -> Row:
    t, named = m.interval, {"factor": m.factor.name, "level": m.level.name, "value": m.level.value}
    return _picked("levels", m, **named, units=t.n, mean=t.mean, low=t.low, high=t.high)


def _contrast(table: str, j: ContrastResult) -> Row:
    t = j.interval
    return _picked(
        table,
        j,
        contrast=j.contrast.name,
        of=" ".join(j.contrast.of),
        minus=" ".join(j.contrast.minus),
        pairs=t.n,
        mean=t.mean,
        sd=t.sd,
        low=t.low,
        high=t.high,
        **_verdict(j.verdict),
    )


def _verdict(found: Verdict) -> Row:
    return {"verdict": found.word, "verdict_note": found.note}
