"""Runs the Python blocks of a page of docs/tutorials: `python tests/support/run_tutorial.py PAGE` keeps its pictures.

A line that sets a size can be replaced, so that a test takes seconds.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^```python\n(.*?)^```", re.S | re.M)


def run_page(page: Path, folder: Path, smaller: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Runs all blocks in `folder`, one after another in one namespace.

    Args:
        page: The page. A mistake shows it and its line.
        folder: Where the code runs, and writes its pictures.
        smaller: Lines of the page, each with what stands in its place.

    Returns:
        The namespace.
    """
    text = page.read_text(encoding="utf-8")
    for line, other in (smaller or {}).items():
        assert text.count(line) == 1, line
        text = text.replace(line, other)
    namespace: dict[str, Any] = {"__name__": page.stem}
    with contextlib.chdir(folder):
        for block in _BLOCK.finditer(text):
            code = "\n" * text[: block.start(1)].count("\n") + block[1]
            exec(compile(code, str(page), "exec"), namespace)
    return namespace


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("agg")
    for name in sys.argv[1:]:
        run_page(Path(name).resolve(), Path(name).resolve().parent)
