"""A machine of its own for the real command and the real W&B client: home folder, netrc, results."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from paths import ROOT
from small_study import NOT_COMPILED, ONE_CONDITION, ONE_UNIT
from wandb_server import KEY

from glifr.records import scan

TWO_SEEDS = [*ONE_UNIT, NOT_COMPILED, "final.seeds=2", "resources.max_concurrent=1", "training.epochs=2"]


@dataclass(frozen=True)
class Ended:
    code: int
    text: str
    seconds: float


@dataclass(frozen=True)
class Machine:
    """A home folder of its own, with a netrc, beside a folder for results."""

    folder: Path

    def environment(self, server: str, **more: str) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "RAY_")) and "proxy" not in k.lower()}
        return own | {"HOME": str(self.folder), "WANDB_BASE_URL": server, **more}

    def log_in(self, *machines: str) -> None:
        path = self.folder / ".netrc"
        path.write_text("".join(f"machine {name} login user password {KEY}\n" for name in machines))
        path.chmod(0o600)

    @property
    def results(self) -> Path:
        return self.folder / "results" / "small" / "full"

    def run(self, server: str, *overrides: str, text: str = ONE_CONDITION, **environment: str) -> Ended:
        """The study by its command, tracked as `auto`."""
        path = self.folder / "small.yaml"
        path.write_text(text.replace("tracking: {wandb: {mode: offline}}\n", ""))
        given = [word for override in (*TWO_SEEDS, *overrides) for word in ("--set", override)]
        command = [sys.executable, "launch/study.py", str(path), *given, "--results", str(self.folder / "results")]
        return self.call(command, server, **environment)

    def call(self, command: list[str], server: str, **environment: str) -> Ended:
        began = time.monotonic()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment(server, **environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=280,
        )
        return Ended(done.returncode, done.stdout, time.monotonic() - began)


def finals(results: Path) -> list[str]:
    return [str(u.unit) for u in scan(results).units if u.result is not None]
