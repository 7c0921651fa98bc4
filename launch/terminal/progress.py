"""Live progress of a study: conditions by stage, best so far, time left."""

from __future__ import annotations

import statistics
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from glifr.records import STAGES, Stage
from launch.jobs import Snapshot, StageCount
from launch.planning.plan import StudyPlan

_REFRESH_SECONDS = 0.5
_LINE_SECONDS = 10.0
_LINES_A_TABLE = 6
_LATEST = 51  # steps of a condition
_ENOUGH_STEPS, _ENOUGH_SECONDS = 6, 60.0  # per slot: steps of all, or seconds of all but the first


class TimeLeft:
    """Estimates the time left from the epochs that were run in this session.

    Work is what `StudyPlan.work` counts. The pace of a condition, apart for training and silencing, is the median over
    its latest steps: one that compiled, or that the machine held up, does not count. A condition that has no step yet
    takes the median over the others. live: steps come as they end, so each worker's first, which compiles and loads, is
    left out, and nothing is said before enough were heard; else what was heard are whole units.
    """

    def __init__(self, plan: StudyPlan, slots: int, live: bool = True) -> None:
        self._plan, self.slots, self._live = plan, max(1, slots), live
        self._paces: dict[tuple[str, bool], deque[float]] = defaultdict(lambda: deque(maxlen=_LATEST))
        self._steps, self._seconds = 0, 0.0
        self._lock = threading.Lock()

    def worked(self, condition: str, stage: Stage, units: float, seconds: float) -> None:
        """Hears of units' worth of work done in so many seconds."""
        with self._lock:
            self._steps += 1
            if units > 0 and (self._steps > self.slots or not self._live):
                self._seconds += seconds
                pace = seconds / (units * self._plan.work(stage, condition))
                self._paces[condition, stage == "silencing"].append(pace)

    def seconds(self, snapshot: Snapshot) -> float | None:
        """Wall seconds left; None while too little was heard to say."""
        with self._lock:
            paces = {key: statistics.median(found) for key, found in self._paces.items()}
            enough = self._steps > _ENOUGH_STEPS * self.slots or self._seconds > _ENOUGH_SECONDS * self.slots
        if not paces or (self._live and not enough):
            return None
        left = sum(
            (count.planned - count.ended - count.out_of_reach - snapshot.under_way[name][stage])
            * self._plan.work(stage, name)
            * _pace(paces, name, stage == "silencing")
            for name, stages in snapshot.counts.items()
            for stage, count in stages.items()
            if count.planned > count.ended + count.out_of_reach
        )
        return left / self.slots


def _pace(paces: Mapping[tuple[str, bool], float], condition: str, silencing: bool) -> float:
    """Seconds for a piece of work: of the condition, else of others at the same kind of work, else of any."""
    if (condition, silencing) in paces:
        return paces[condition, silencing]
    alike = [pace for (_, kind), pace in paces.items() if kind is silencing]
    return statistics.median(alike or paces.values())


def clock(seconds: float | None) -> str:
    """A duration in words: '--' if unknown."""
    if seconds is None:
        return "--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def minute(at: object) -> str:
    """A time on record, in UTC, to be read."""
    return str(at)[:16].replace("T", " ")


def _cell(count: StageCount) -> Text:
    if count.planned == 0:
        return Text("-", style="dim")
    text = Text(f"{count.ended}/{count.planned}", style="green" if count.ended >= count.planned else "")
    if count.running:
        text.append(f" +{count.running}", style="yellow")
    if count.failed:
        text.append(f" {count.failed} failed", style="bold red")
    return text


def table(snapshot: Snapshot) -> Table:
    """Conditions by stages: ended/planned, +running, failures."""
    result = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("condition", *STAGES, "best loss"):
        result.add_column(title, justify="left" if title == "condition" else "right", no_wrap=True)
    for name, stages in snapshot.counts.items():
        best = snapshot.best[name]
        cells = [_cell(stages[stage]) for stage in STAGES]
        result.add_row(
            name, *cells, "" if best is None else f"{best:.4f}", style="red" if name in snapshot.errors else ""
        )
    return result


class Progress:
    """Shows the table live on a terminal; elsewhere prints a line every ten seconds and the table every minute."""

    def __init__(self, console: Console, snapshot: Callable[[], Snapshot], time_left: TimeLeft) -> None:
        self._console, self._snapshot, self._time_left = console, snapshot, time_left
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _show(self) -> None:
        if self._console.is_terminal:
            with Live(self._view(), console=self._console, refresh_per_second=4, transient=True) as live:
                while not self._stop.wait(_REFRESH_SECONDS):
                    live.update(self._view())
        else:
            lines = 0
            while not self._stop.wait(_LINE_SECONDS):
                lines += 1
                self._console.print(self._line() if lines % _LINES_A_TABLE else self._view())
        self._console.print(self._view())

    def _view(self) -> Group:
        snapshot = self._snapshot()
        return Group(table(snapshot), Text(self._footer(snapshot), style="dim"))

    def _footer(self, snapshot: Snapshot) -> str:
        ended, planned = totals(snapshot)
        known = None if ended >= planned else self._time_left.seconds(snapshot)
        left = "" if known is None else f"   left about {clock(known)}"
        return f"{ended}/{planned} units   running for {clock(time.monotonic() - self._started)}{left}"

    def _line(self) -> str:
        snapshot = self._snapshot()
        stages = []
        for stage in STAGES:
            counts = [c[stage] for c in snapshot.counts.values()]
            planned, running = sum(c.planned for c in counts), sum(c.running for c in counts)
            if planned:
                stages.append(
                    f"{stage} {sum(c.ended for c in counts)}/{planned}" + (f" (+{running})" if running else "")
                )
        best = {name: value for name, value in snapshot.best.items() if value is not None}
        leader = min(best, key=lambda name: best[name], default=None)
        lowest = f"   best loss {leader} {best[leader]:.4f}" if leader else ""
        return f"{'   '.join(stages)}{lowest}   {self._footer(snapshot)}"


def totals(snapshot: Snapshot) -> tuple[int, int]:
    """Units ended and planned over all conditions and stages."""
    counts = [count for stages in snapshot.counts.values() for count in stages.values()]
    return sum(c.ended for c in counts), sum(c.planned for c in counts)
