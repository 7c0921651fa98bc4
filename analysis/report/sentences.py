"""The design of a study and its progress in sentences: nothing is said that was not planned or run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from analysis.report.rendering import paragraph
from analysis.results.load import Results
from analysis.results.recipe import recipe_words
from analysis.results.study import StudyInfo, TaskInfo
from analysis.text import count, listed
from glifr.records import STAGES, design_in

_SAMPLERS = {
    "tpe": " (TPE)",
    "random": " (random search)",
    "gp": " (a Gaussian process)",
    "cmaes": " (CMA-ES)",
    "qmc": " (quasi-random search)",
    "grid": " (a grid)",
}
_STAGE_WORDS = {"search": "trial", "confirm": "confirm run", "final": "final network", "silencing": "silencing run"}


def design(info: StudyInfo) -> str:
    """One paragraph: what is compared, on what, and how."""
    training, finals = info.section("training"), [c.planned["final"] for c in info.conditions]
    silencing = info.section("silencing") if info.planned("silencing") else {}
    return paragraph(
        "methods.txt.j2",
        "design",
        info=info,
        splits=", ".join(f"{n:,} {name}" for name, n in info.task.splits.items()),
        steps=_steps(info.task),
        training=training,
        recipe=recipe_words(training),
        search=_search(info),
        looks=design_in(info.spec) is not None,
        final=_span(finals),
        seeds=max(finals) // info.repeats,
        silencing=silencing,
        fractions=[f"{100 * f:g}" for f in silencing.get("fractions", [])],
    )


def _search(info: StudyInfo) -> dict[str, Any]:
    """How settings were searched and confirmed; nothing of a study without a search."""
    if not info.planned("search"):
        return {}
    search, first = info.section("search"), info.conditions[0]
    return {
        "repeats": _span([info.repeats_of(c) for c in info.conditions]),
        "equal": info.section("budget").get("equal", "trials"),
        "trials": _span([c.planned["search"] // info.repeats_of(c) for c in info.conditions], "trial"),
        "seeds": _how_many(search.get("seeds_per_trial")),
        "epochs": search.get("epochs"),
        "sampler": _SAMPLERS.get(str(info.section("search", "sampler").get("name")), ""),
        "stopping": info.section("search", "pruner").get("name") not in (None, "none"),
        "known": _span(info.known_points.values(), "known point") if any(info.known_points.values()) else "",
        "learned": _span(info.learned.values(), "trial") if info.learned else "",
        "top": first.planned["confirm"] // info.repeats_of(first) if info.planned("confirm") else 0,
        "fresh": _how_many(info.section("confirm").get("seeds")),
    }


def _steps(task: TaskInfo) -> str:
    if task.lengths is None:
        return f"{task.steps} steps"
    shortest, longest = task.lengths
    return f"{shortest} to {longest} steps, each sequence read to its own end,"


def _how_many(value: Any) -> int:
    """The number behind a study's `seeds`: a count, or a list of them."""
    return len(value) if isinstance(value, list | tuple) else int(value or 0)


def _span(counts: Collection[int], what: str = "") -> str:
    """'3 to 5 trials', or '5 trials' where all are equal."""
    least, most = min(counts), max(counts)
    named = count(most, what) if what else f"{most:,}"
    return named if least == most else f"{least:,} to {named}"


def standing(results: Results) -> str:
    """One sentence: what is done of what was planned; and what failed or is missing."""
    parts = []
    for stage in STAGES:
        planned = results.info.planned(stage)
        if planned:
            done = results.count("complete", stage) + results.count("pruned", stage)
            parts.append(f"{done:,} of {count(planned, _STAGE_WORDS[stage])}")
    return f"Done: {listed(parts)}." if parts else "Nothing was planned."


def incidents(results: Results) -> str:
    """What did not go as planned: pruned, failed, unfinished, not started and diverged."""
    states = ("pruned", "failed", "unfinished", "not started")
    found = [f"{n:,} {what}" for what in states if (n := results.count(what))]
    diverged = results.count("diverged", "final")
    found += [f"{count(diverged, 'final network')} diverged"] if diverged else []
    if not found:
        return "No unit was pruned, failed or is missing; no final network diverged."
    return f"{listed(found)}."
