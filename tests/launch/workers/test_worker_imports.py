"""What a worker's process loads: each module costs every worker of every session its seconds."""

from __future__ import annotations

import subprocess
import sys

from command_run import HANG
from paths import ROOT

NOT_NEEDED = ("ray", "wandb", "optuna", "pandas", "matplotlib", "pyarrow", "torchvision")


def test_a_worker_loads_no_library_that_it_does_not_use() -> None:
    code = f"import sys, launch.workers.trial; print(*[m for m in {NOT_NEEDED} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
