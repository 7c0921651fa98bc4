"""Warnings to the reader. Each has a code, and stands at the head of the report and beside its number.

A new one is a function in the file of its subject and a line in `CHECKS`.
"""

from __future__ import annotations

from analysis.judgement.assessment import Assessment
from analysis.judgement.warnings import alike, design, published, records, samples, tuning, verdicts
from analysis.judgement.warnings.warning import Check, ReportWarning, codes_for

CHECKS: tuple[Check, ...] = (
    design.quick,
    design.nothing_held_out,
    design.one_search,
    records.damaged,
    design.declaration,
    records.missing,
    records.extra,
    samples.too_few,
    records.nested,
    samples.diverged,
    samples.skewed,
    samples.no_variance,
    verdicts.unattainable,
    verdicts.underpowered,
    verdicts.undecided,
    samples.spread,
    tuning.bounds,
    tuning.chances,
    design.varied,
    design.negative_controls,
    tuning.leaks,
    alike.alike,
    published.published,
    verdicts.clusters,
    records.uncompiled,
    records.origin,
)


def report_warnings(assessment: Assessment) -> list[ReportWarning]:
    """All warnings, those that concern everything first."""
    return [warning for check in CHECKS for warning in check(assessment)]


__all__ = ["ReportWarning", "codes_for", "report_warnings"]
