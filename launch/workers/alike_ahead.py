"""Looks for conditions that are one network, while something else is waited for: it takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from launch.jobs import DataSource
from launch.planning.alike_pairs import AlikePair
from launch.planning.plan import StudyPlan
from launch.workers.alike import find_alike


class AlikeLook:
    """One look at the conditions of a plan, on a few samples of its data.

    at_once: whether it begins now, in a thread; else when it is asked for. The data are read before, by the caller:
    whoever is waited for may need them too, and they are read once.
    """

    def __init__(self, plan: StudyPlan, data: DataSource, at_once: bool = False) -> None:
        self._look = partial(find_alike, plan, data)
        self._begun: Future[tuple[AlikePair, ...]] | None = None
        if at_once:
            data.tuning()
            pool = ThreadPoolExecutor(1, thread_name_prefix="alike")
            self._begun = pool.submit(self._look)
            pool.shutdown(wait=False)

    def pairs(self, warn: Callable[[str], None]) -> tuple[AlikePair, ...] | None:
        """What was seen; None where nothing can be, which ends no study. warn: told why."""
        try:
            return self._look() if self._begun is None else self._begun.result()
        except Exception as error:
            first_line = next(iter(str(error).splitlines()), "")
            warn(f"whether conditions behave alike could not be seen: {type(error).__name__}: {first_line}")
            return None
