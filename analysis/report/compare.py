"""Two studies side by side: before and after a change of the code, or another lab's run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from analysis import text
from analysis.files import write_whole
from analysis.report.rendering import environment, packaged
from analysis.results.load import Results
from analysis.statistics import wording
from analysis.statistics.comparisons import holm
from analysis.statistics.effects import equivalence_from, obstacle, welch, welch_p
from analysis.statistics.intervals import LEVEL
from analysis.statistics.verdicts import WITHHELD, Family, Numbers, Verdict, verdict
from analysis.tables import Cell, Head, Table
from analysis.tables.table import rule_words, verdict_cell
from glifr.records import InputError, Problem


@dataclass(frozen=True)
class Row:
    """One condition in both studies, as recorded; its difference is this study's mean minus the other's."""

    condition: str
    n: int
    n_other: int
    mean: float
    mean_other: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    p_equivalence_holm: float
    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Two studies side by side.

    Attributes:
        rows: The shared conditions.
        alone: Conditions of only one study.
        apart: In what the studies differ.
    """

    this: Results
    other: Results
    rows: list[Row]
    alone: list[str]
    apart: list[str]

    @property
    def evidence(self) -> bool:
        """True if the profiles of both are evidence: else there is no verdict."""
        return self.this.info.evidence and self.other.info.evidence

    def texts(self) -> pd.DataFrame:
        """The comparison for a terminal: all cells text."""
        sheet = comparison_sheet(self)
        heads = [head.text for head in sheet.heads]
        return pd.DataFrame([[cell.text for cell in row] for row in sheet.rows], columns=heads).astype("string")


def compare(this: Results, other: Results) -> Comparison:
    """Compares each shared condition of two studies, unpaired (Welch): their seeds have nothing in common.

    It is judged at the smallest effect of interest and alpha that `this` declares.

    Args:
        this: One study.
        other: The other.

    Returns:
        The comparison.

    Raises:
        InputError: The studies have no condition in common, or differ in task or measure.
    """
    mine, theirs = this.info, other.info
    if mine.task.title != theirs.task.title or mine.measure.column != theirs.measure.column:
        here, there = (f"{info.task.title} by {info.measure.label}" for info in (mine, theirs))
        rule, todo = "these studies cannot be compared: another task or measure", f"name another study of {here}"
        raise InputError(Problem(rule, f"--compare {other.source}", there, here, todo))
    shared = [name for name in mine.names if name in theirs.names]
    if not shared:
        rule = "these studies have no condition in common"
        allowed = f"one or more of {', '.join(mine.names)}"
        todo = "name a study with one of these conditions"
        raise InputError(Problem(rule, f"--compare {other.source}", ", ".join(theirs.names), allowed, todo))
    rows = _judged(this, other, shared)
    alone = [n for n in (*mine.names, *theirs.names) if n not in shared]
    return Comparison(this, other, rows, alone, _apart(this, other))


def _judged(this: Results, other: Results, shared: list[str]) -> list[Row]:
    """A row a shared condition; Welch's test has no smallest p."""
    info, a, b = this.info, this.unit_values(), other.unit_values()
    raw = [_measured(n, a[n].dropna().to_numpy(), b[n].dropna().to_numpy(), info.smallest_effect) for n in shared]
    p, q = holm([r.p for r in raw]), holm([r.p_equivalence_holm for r in raw])
    tests = int(np.isfinite(p).sum())
    family = Family(tests, info.declaration.alpha, info.measure.higher_is_better, info.evidence and other.info.evidence)
    rows = []
    for r, one, two in zip(raw, p, q, strict=True):
        found = Numbers(r.low, r.high, info.smallest_effect, float(one), float(two), reason=r.reason)
        rows.append(replace(r, p_holm=float(one), p_equivalence_holm=float(two), verdict=verdict(found, family)))
    return rows


def _measured(name: str, a: np.ndarray, b: np.ndarray, margin: float) -> Row:
    """The row before correction: p_equivalence_holm is still the raw one."""
    estimate, error, df = welch(a, b)
    half = float(stats.t.ppf((1 + LEVEL) / 2, df)) * error
    means = [float(x.mean()) if len(x) else math.nan for x in (a, b)]
    return Row(
        condition=name,
        n=len(a),
        n_other=len(b),
        mean=means[0],
        mean_other=means[1],
        difference=means[0] - means[1],
        low=estimate - half,
        high=estimate + half,
        p=welch_p(a, b),
        p_holm=math.nan,
        p_equivalence_holm=equivalence_from(estimate, error, df, margin),
        verdict=WITHHELD,
        reason=obstacle(a, b),
    )


def _apart(this: Results, other: Results) -> list[str]:
    """In which respects the studies were not the same."""
    found = []
    if this.info.hash != other.info.hash:
        found.append("the study file")
    pairs = (("code_version", "the code"), ("packages", "the packages"), ("cpu", "the processor"), ("gpus", "the GPUs"))
    for key, what in pairs:
        ours, theirs = ({str(s.get(key)) for s in r.sessions} for r in (this, other))
        if ours != theirs:
            found.append(what)
    return found


def comparison_sheet(c: Comparison) -> Table:
    """The comparison as a table."""
    measure = c.this.info.measure
    by_name = {condition.name: condition for condition in c.this.info.conditions}
    heads = (
        Head("Condition", "left"),
        Head("verdict", "left"),
        *(
            Head(n)
            for n in ("this", "other", "difference", "95 % interval", "n", "p", "p, Holm", "equivalence p, Holm")
        ),
    )
    rows = [
        [
            Cell(r.condition, condition=by_name[r.condition]),
            verdict_cell(r.verdict),
            *(Cell(text.number(v * measure.scale, measure.decimals)) for v in (r.mean, r.mean_other)),
            Cell(text.number(r.difference * measure.scale, measure.decimals, sign=True)),
            Cell(wording.between(r.low, r.high, measure), r.reason),
            Cell(f"{r.n}, {r.n_other}"),
            *(Cell(text.p_value(p)) for p in (r.p, r.p_holm, r.p_equivalence_holm)),
        ]
        for r in c.rows
    ]
    near = wording.margin(c.this.info.smallest_effect, measure)
    caption = (
        f"{measure.axis[0].upper()}{measure.axis[1:]}: means of this study and of the other, this minus other with "
        f"its 95 % Welch interval. Networks of two studies are not paired. Holm: over the {len(rows)} conditions. "
        f"Equivalence: two one-sided Welch tests at ±{near}, Holm over them too."
    )
    caption += rule_words(c.this.info) if c.evidence else ""
    return Table("comparison", "Conditions of both studies", caption, heads, rows)


def write_comparison(root: Path, c: Comparison) -> list[Path]:
    """Writes comparison.html and comparison.csv into the results folder `root`; returns their paths."""
    facts = [
        (which, f"{r.info.name}, profile {r.info.profile}, study {r.info.hash[:12]}")
        for which, r in (("This", c.this), ("Other", c.other))
    ]
    page = (
        environment()
        .get_template("comparison.html.j2")
        .render(
            css=packaged("report.css"),
            facts=facts,
            sheet=comparison_sheet(c),
            apart=text.listed(c.apart),
            alone=text.listed(c.alone),
            quick=not c.evidence,
        )
    )
    rows = pd.DataFrame([{**vars(r), "verdict": r.verdict.word, "verdict_note": r.verdict.note} for r in c.rows])
    csv = rows.to_csv(index=False, lineterminator="\n").encode()
    return [write_whole(root / "comparison.html", page.encode()), write_whole(root / "comparison.csv", csv)]
