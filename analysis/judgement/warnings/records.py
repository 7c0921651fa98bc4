"""Warnings about the records: what is damaged, missing, doubled, or of another origin."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.judgement.assessment import Assessment
from analysis.judgement.warnings.warning import ReportWarning
from analysis.results.provenance import mixtures
from analysis.text import count, listed


def damaged(a: Assessment) -> Iterator[ReportWarning]:
    """damaged-records: records could not be used."""
    if a.problems:
        text = f"{count(len(a.problems), 'problem')} with the records; each is named at the end of the report."
        yield ReportWarning("damaged-records", text, "problems")


def missing(a: Assessment) -> Iterator[ReportWarning]:
    """missing-seeds: planned networks have no result."""
    lacking = {r.condition: r.planned - r.finished for r in a.performances if r.finished < r.planned}
    if lacking:
        named = listed([f"{n} of {name}" for name, n in lacking.items()])
        text = (
            f"Planned final networks without a result: {named}. A contrast uses the seeds that all its conditions have."
        )
        yield ReportWarning("missing-seeds", text, "table-conditions", tuple(lacking))


def extra(a: Assessment) -> Iterator[ReportWarning]:
    """beyond-plan: more units have ended than are planned."""
    rows = a.results.counts[a.results.counts["stage"] != "silencing"].to_dict("records")  # silenced as often as trained
    ended = {(r["condition"], r["stage"]): r["complete"] + r["pruned"] + r["failed"] - r["planned"] for r in rows}
    extra = {key: more for key, more in ended.items() if more > 0}
    if extra:
        named = listed([f"{condition} {more} ({stage})" for (condition, stage), more in extra.items()])
        text = f"More units have ended than the study now plans, and all are used: {named}."
        yield ReportWarning("beyond-plan", text, "table-conditions", tuple({condition: None for condition, _ in extra}))


def nested(a: Assessment) -> Iterator[ReportWarning]:
    """nested-replicates: a network has more than one value."""
    doubled = a.results.doubled
    if doubled:
        named = listed([f"{c} seed {s}" for c, s in doubled])
        text = (
            f"More than one value for a network ({named}): repeats within a network are not independent samples; the "
            "first counts."
        )
        yield ReportWarning("nested-replicates", text, "table-conditions", tuple(dict.fromkeys(c for c, _ in doubled)))


def uncompiled(a: Assessment) -> Iterator[ReportWarning]:
    """portable-engine: a neuron's step could not be compiled."""
    found = {c.name: c.uncompiled for c in a.results.info.conditions if c.uncompiled}
    if found:
        operations = listed(list(dict.fromkeys(found.values())))
        text = (
            f"{listed(list(found))}: the neuron's step uses {operations}, which cannot be compiled, so the portable "
            "engine computed it. The numbers are as good; each took about 2 to 10 times as long as compiled."
        )
        yield ReportWarning("portable-engine", text, "provenance", tuple(found))


def origin(a: Assessment) -> Iterator[ReportWarning]:
    """mixed-origin, mixed-nodes, uncommitted-changes and unknown-origin."""
    mixed = mixtures(a.results)
    if mixed:
        text = f"The results are not all of one kind: {listed(mixed)} changed between sessions or networks."
        yield ReportWarning("mixed-origin", text, "provenance")
    differ = list(dict.fromkeys(what for s in a.results.sessions for what in s.get("nodes_differ") or []))
    if differ:
        text = f"Nodes of the cluster had different versions of what computes the results: {listed(differ)}."
        yield ReportWarning("mixed-nodes", text, "provenance")
    if any(s.get("dirty") for s in a.results.sessions):
        text = "A session ran with uncommitted changes: the commit alone does not say what ran."
        yield ReportWarning("uncommitted-changes", text, "provenance")
    if not a.results.sessions:
        yield ReportWarning(
            "unknown-origin", "No session is on record: versions and hardware are unknown.", "provenance"
        )
