"""The methods, ready to paste: what was compared, how it was chosen, how it was judged, by what it was made.

The sentences are in templates/methods.txt.j2; here are the facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.judgement.assessment import Assessment
from analysis.published import words
from analysis.report.rendering import paragraph
from analysis.report.sentences import design, incidents
from analysis.results.load import Results
from analysis.sequential.futility import FUTILE
from analysis.sequential.results import price
from analysis.statistics import clusters, wording
from analysis.statistics.comparisons import DRAWS, EXACT_UP_TO
from analysis.statistics.intervals import BOOTSTRAP_FROM
from analysis.statistics.intervals import DRAWS as BOOTSTRAPS
from analysis.statistics.verdicts import RULE
from analysis.text import listed

TEMPLATE = "methods.txt.j2"
_PACKAGES = ("torch", "optuna", "ray", "numpy", "scipy")


def methods(a: Assessment) -> list[str]:
    """A paragraph each: design, networks, statistics, software."""
    info, last = a.results.info, a.results.sessions[-1] if a.results.sessions else {}
    return [
        design(info),
        paragraph(TEMPLATE, "networks", info=info, **_networks(a.results)),
        paragraph(TEMPLATE, "statistics", info=info, rule=RULE, **_statistics(a), **_factorial(a), looks=_looks(a)),
        paragraph(TEMPLATE, "software", info=info, session=last, packages=_packages(last)),
    ]


def _networks(results: Results) -> dict[str, Any]:
    info, seeds = results.info, results.tables["seeds"]
    final = seeds["stage"] == "final"
    counts = results.final_values().notna().sum()
    return {
        "measure": info.measure,
        "shared_seeds": sorted(set(seeds.loc[final, "seed"]) & set(seeds.loc[~final, "seed"])),
        "dropout": any(info.training_of(c.name).get("dropout") for c in info.conditions),
        "compared": listed([f"{name} {int(n)}" for name, n in counts.items()]),
        "incidents": incidents(results),
    }


def _statistics(a: Assessment) -> dict[str, Any]:
    info = a.results.info
    families = [name for name, there in (("effects", a.factorial.effects), ("planned contrasts", a.planned)) if there]
    return {
        "measure": info.measure,
        "margin": wording.margin(info.smallest_effect, info.measure),
        "middle": any(r.middle.n >= BOOTSTRAP_FROM for r in a.performances),
        "bootstraps": BOOTSTRAPS,
        "families": families,
        "exact": EXACT_UP_TO,
        "draws": DRAWS,
        "published": words.methods(a.published) if a.published is not None else "",
        "clustered": any(g.computed for g in a.groups),
        "clusters": {
            "draws": clusters.DRAWS,
            "alpha": clusters.ALPHA,
            "resamples": clusters.RESAMPLES,
            "stable": clusters.STABLE,
        },
    }


def _factorial(a: Assessment) -> dict[str, Any]:
    return {
        "cells": len(a.factorial.cells),
        "factors": [factor.name for factor in a.results.info.factors],
        "effects": len(a.factorial.effects),
        "kinds": {effect.kind for effect in a.factorial.effects},
    }


def _looks(a: Assessment) -> dict[str, Any]:
    """How comparisons were judged where seeds were added until they were decided; nothing of another study."""
    found = a.looked
    if found is None:
        return {}
    paid, design_ = price(a.results.info, found), found.design
    return {
        "sizes": design_.sizes,
        "taken": len(found.looks),
        "futile": f"{100 * FUTILE:.0f}",
        "asked": paid.asked,
        "fixed": paid.fixed,
        "most": design_.most,
    }


def _packages(session: Mapping[str, Any]) -> Sequence[str]:
    """Python and the packages that matter, with the versions of a session."""
    packages = session.get("packages") or {}
    python = f"Python {session['python']}" if session.get("python") else "Python"
    return [python, *(f"{name} {packages[name]}" for name in _PACKAGES if name in packages)]
