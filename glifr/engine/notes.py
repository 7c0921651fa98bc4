"""What did not go well in a kernel of this process, though no result is touched by it."""

from __future__ import annotations

import warnings

PRICE = "which takes about 2 to 10 times longer"  # of the portable engine, in notes

_untold: list[str] = []
_told: set[str] = set()


def note_once(kind: str, text: str) -> None:
    """A warning, once a process for each kind."""
    if kind not in _told:
        _told.add(kind)
        _untold.append(text)
        warnings.warn(text, RuntimeWarning, stacklevel=3)


def take_notes() -> list[str]:
    """The warnings since the last call, for a record of them."""
    notes = _untold.copy()
    _untold.clear()
    return notes
