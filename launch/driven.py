"""Whether a driver is at work in a results folder, seen from another process."""

from __future__ import annotations

import time

from glifr.records import Layout
from launch.lock import STALE_SECONDS


def is_driven(layout: Layout) -> bool:
    """Whether the folder's lock has a heartbeat: each one renews the file."""
    try:
        return time.time() - layout.lock.stat().st_mtime < STALE_SECONDS
    except FileNotFoundError:
        return False
