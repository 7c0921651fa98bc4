"""A study of seconds that keeps trained networks: three conditions, two final seeds each, nothing searched."""

from __future__ import annotations

import sys
from pathlib import Path

from small_study import STUDY, conduct, small_plan

_FIXED = [f"conditions.{name}.fixed={{learning_rate: 0.01}}" for name in ("RNN", "LSTM", "LHetA")]


def make_results(root: Path, *overrides: str) -> Path:
    """Runs the study in this process; `root` is its results folder."""
    root.parent.mkdir(parents=True, exist_ok=True)
    plan = small_plan(root.parent, "search=null", "confirm=null", "silencing=null", *_FIXED, *overrides, text=STUDY)
    assert conduct(plan, root).complete
    return root


if __name__ == "__main__":
    make_results(Path(sys.argv[1]).resolve(), *sys.argv[2:])
