"""The rules of a study's budget and of its notice."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from launch.studyfile.cost import KINDS
from launch.studyfile.models import StudySpec
from launch.studyfile.rules.registry import Registered, reads_into
from launch.studyfile.tree import NOTHING, Fault

COST_CHECKS: Registered = []
_reads = reads_into(COST_CHECKS)


@_reads("budget")
def _one_kind(spec: StudySpec) -> Iterator[Fault]:
    kinds = list(spec.budget.limits) if spec.budget else []
    if len(kinds) > 1:
        rule = f"a study has one kind of budget, and here are {len(kinds)}: {' and '.join(kinds)}"
        yield Fault(("budget", kinds[1]), rule, NOTHING, "one of " + ", ".join(KINDS), "remove all but one")


@_reads("budget", "resources")
def _gpus(spec: StudySpec) -> Iterator[Fault]:
    if spec.budget and spec.budget.gpu_hours is not None and not spec.resources.on_gpu:
        rule = "a trial of this study takes no GPU, so no GPU-hours would ever be spent"
        todo = "write `hours`, or give trials a GPU: `resources: {gpus: 1}`"
        yield Fault(("budget", "gpu_hours"), rule, spec.budget.gpu_hours, "hours or epochs", todo)


@_reads("budget", "search")
def _equal(spec: StudySpec) -> Iterator[Fault]:
    budget, path = spec.budget, ("budget", "equal")
    if budget is None:
        return
    if budget.equal != "trials" and spec.search is None:
        rule, todo = "only searches have an equal budget, and this study has none", "remove it"
        yield Fault(path, rule, budget.equal, "trials", todo)
    elif budget.equal != "trials" and spec.search is not None and spec.search.sampler.name == "grid":
        rule = "a grid has a number of trials of its own: all of it is tried"
        yield Fault(path, rule, budget.equal, "trials", "remove it, or choose another sampler")
    elif budget.equal == "time" and spec.model_copy(update={"budget": None}).reproducible:
        rule = "this study proposes the same trials whenever it is run, and a search by time would end that"
        allowed = "trials or epochs; time with a sampler that learns, or with early stopping"
        yield Fault(path, rule, budget.equal, allowed, "write `equal: epochs`")
    if budget.equal == "time" and budget.search_hours is None:
        rule = "searches of equal time need that time"
        yield Fault(("budget", "search_hours"), rule, NOTHING, "hours of one search", "add `search_hours: 2`")
    elif budget.equal != "time" and budget.search_hours is not None:
        rule = f"searches have equal {budget.equal} here, so these hours limit nothing"
        todo = "remove it, or write `equal: time`"
        yield Fault(("budget", "search_hours"), rule, budget.search_hours, "null", todo)


@_reads("notify")
def _notice(spec: StudySpec) -> Iterator[Fault]:
    """Found values are not shown: a URL may be a secret."""
    notify = spec.notify
    if notify is None:
        return
    if (notify.command is None) == (notify.url is None):
        both = notify.command is not None
        rule = "a notice is given to a command, or posted to a URL" + (", not both" if both else "")
        yield Fault(("notify",), rule, NOTHING, "`command` or `url`", "remove one" if both else "add one")
    elif notify.command is not None:
        try:
            shlex.split(notify.command)
        except ValueError:
            rule = "the command has a quote that does not end"
            yield Fault(("notify", "command"), rule, NOTHING, "words, quoted as in a shell", "close the quote")
