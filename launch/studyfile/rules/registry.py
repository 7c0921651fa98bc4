"""Registers the rules of a study file, each with the sections that it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from launch.studyfile.models import StudySpec
from launch.studyfile.tree import Fault

Check = Callable[[StudySpec], Iterator[Fault]]
Registered = list[tuple[frozenset[str], Check]]  # with the sections that each reads


def reads_into(checks: Registered) -> Callable[..., Callable[[Check], Check]]:
    """A decorator that registers a check in `checks`, given the sections that it reads."""

    def reads(*sections: str) -> Callable[[Check], Check]:
        def register(check: Check) -> Check:
            checks.append((frozenset(sections), check))
            return check

        return register

    return reads
