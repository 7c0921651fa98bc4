"""Warnings about the comparison with published runs."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.judgement.assessment import Assessment
from analysis.judgement.warnings.warning import ReportWarning
from analysis.published.words import amounts, differing
from analysis.text import listed


def published(a: Assessment) -> Iterator[ReportWarning]:
    """published-other-settings and published-differs."""
    b = a.published
    if b is None:
        return
    changed = tuple(r.condition for r in b.rows if b.other_settings(r.condition))
    if changed:
        which = "Every condition" if len(changed) == len(b.rows) else listed(changed)
        text = (
            f"{which}: other settings than the published runs beside ({listed(differing(b))}). A difference from them "
            "is not a failure to reproduce."
        )
        # beside a row only where it sets the row apart
        yield ReportWarning("published-other-settings", text, "table-published", changed if b.same else ())
    outside = [r for r in b.same if r.outside] if a.results.info.evidence else []
    if outside:
        text = (
            f"With the published settings, but with the whole interval beyond the margin: {amounts(b, outside)}, this "
            "study minus published. An error here, a setting that is not on record, or a real difference."
        )
        yield ReportWarning("published-differs", text, "table-published", tuple(r.condition for r in outside))
