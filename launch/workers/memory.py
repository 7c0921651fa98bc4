"""What this worker process has taken of its node's memory."""

from __future__ import annotations

import re
import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_resident() -> int:
    """The most bytes that this process has had resident, without what it shares with others.

    A study's data lie in Ray's object store, which all workers of a node map: they are counted once, by Ray.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":  # there in bytes
        return peak
    return 1024 * max(0, peak - _shared())


def _shared() -> int:
    """Resident kB of shared memory."""
    with suppress(OSError):
        found = re.search(r"^RssShmem:\s*(\d+) kB", _STATUS.read_text(), re.MULTILINE)
        return int(found[1]) if found else 0
    return 0
