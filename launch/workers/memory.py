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

    A study's data lie in Ray's object store, which all workers of a node map, as they do the files of libraries.
    """
    with suppress(OSError):
        found = dict(re.findall(r"^(VmHWM|RssFile|RssShmem):\s*(\d+) kB", _STATUS.read_text(), re.MULTILINE))
        if "VmHWM" in found:
            shared = sum(int(found.get(name, 0)) for name in ("RssFile", "RssShmem"))
            return 1024 * max(0, int(found["VmHWM"]) - shared)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
