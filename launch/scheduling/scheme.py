"""The scheme by which a folder's proposals are drawn: a folder begun under an old one continues under it."""

from __future__ import annotations

from dataclasses import replace

from glifr.errors import InputError, Problem
from glifr.records import Layout, UnitId, read_sealed
from launch.ledger.units import Ledger
from launch.planning.plan import SCHEME, SCHEME_BY_CONDITION, StudyPlan
from launch.scheduling.search import ConditionSearch, rules_of

_OF_OLD = ("tpe", "random")  # the samplers that there were under the old scheme


def under_its_scheme(layout: Layout, plan: StudyPlan) -> StudyPlan:
    """Gives a plan the scheme of proposals that its folder was begun under.

    Args:
        layout: Paths of the results folder.
        plan: The plan.

    Returns:
        The plan with that scheme.

    Raises:
        InputError: It has repeats under the old scheme, which would propose the same in each.
    """
    try:
        scheme = read_sealed(layout.study).get("scheme", SCHEME_BY_CONDITION)
    except FileNotFoundError:
        scheme = _first_scheme(Ledger(layout.root), plan)  # a new folder, or one whose study.json was set aside
    if scheme == SCHEME_BY_CONDITION and plan.study.spec.repeats > 1:
        raise InputError(
            Problem(
                "the search cannot be repeated here: this folder was begun when a study had one search per condition",
                "search.repeats",
                plan.study.spec.repeats,
                "1 in this results folder",
                "give the study another name, or another --results folder",
            )
        )
    return replace(plan, scheme=scheme)


def _first_scheme(ledger: Ledger, plan: StudyPlan) -> int:
    """The scheme by which the first proposals on record were drawn; the newest where there are none."""
    old = replace(plan, scheme=SCHEME_BY_CONDITION)
    for name, own in plan.conditions.items():
        standing, rules = ledger.proposal(UnitId("search", name, 0)), rules_of(old, name)
        if rules is None or rules.sampler.name not in _OF_OLD:
            return SCHEME
        if standing and standing.hyperparameters == ConditionSearch(name, own.space, rules).ask()[1]:
            return SCHEME_BY_CONDITION
    return SCHEME
