"""Whether a driver is at work in a results folder, seen from another process."""

from __future__ import annotations

from glifr.records import Layout
from launch.lock import has_driver


def is_driven(layout: Layout) -> bool:
    """Whether the folder's lock has a living holder."""
    return has_driver(layout.lock)
