"""Unit states with O(1) counts per stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from enum import Enum

from glifr.records import Stage, UnitId


class State(Enum):
    """Where a unit that has been proposed stands."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self in (State.COMPLETE, State.PRUNED, State.FAILED)


class UnitStates(MutableMapping[UnitId, State]):
    """Unit -> state, in the order in which units became known."""

    def __init__(self, states: Mapping[UnitId, State] | None = None) -> None:
        self._states: dict[UnitId, State] = {}
        self._counts: Counter[tuple[Stage, State]] = Counter()
        self.update(states or {})

    def __getitem__(self, unit: UnitId) -> State:
        return self._states[unit]

    def __setitem__(self, unit: UnitId, state: State) -> None:
        if unit in self._states:
            self._counts[unit.stage, self._states[unit]] -= 1
        self._states[unit] = state
        self._counts[unit.stage, state] += 1

    def __delitem__(self, unit: UnitId) -> None:
        self._counts[unit.stage, self._states.pop(unit)] -= 1

    def __iter__(self) -> Iterator[UnitId]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def count(self, stage: Stage, *states: State) -> int:
        """Units of a stage in one of these states."""
        return sum(self._counts[stage, state] for state in states)

    def any_in(self, *states: State) -> bool:
        """True if a unit of any stage is in one of these states."""
        return any(count > 0 and state in states for (_, state), count in self._counts.items())
