"""Provenance of the numbers: versions, commit, hardware. No host name, user or path."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import glifr
from glifr.records import Layout, RecordError, read_sealed, seal
from glifr.records.atomic import write_whole
from launch.code import code_version
from launch.ledger.durable import now
from launch.outside.modules import NO_CODE, OutsideCode
from launch.planning.gpu_share import GpuShare

_PACKAGES = ("torch", "torchvision", "ray", "optuna", "wandb", "pandas", "numpy", "scipy", "matplotlib", "pydantic")


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=Path(glifr.__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def session(
    command: str,
    nodes_differ: Sequence[str] = (),
    study_hash: str = "",
    code: OutsideCode = NO_CODE,
    share: GpuShare | None = None,
) -> dict[str, Any]:
    """A session that starts now. nodes_differ: in what the cluster's nodes differ, as 'torch 2.14.0 and 2.15.0'.

    code: what the study names from outside. share: what a trial takes of a GPU, where a probe has said.
    """
    status = _git("status", "--porcelain", "--", "glifr")
    return {
        "started_at": now(),
        "finished_at": None,
        "command": command,
        "study_hash": study_hash,
        "version": _version("glifr-studies"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "code_version": code_version(),
        "outside": code.record(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "nodes_differ": list(nodes_differ),
        "gpu_share": None if share is None else share.to_json(),
        "exit_code": None,
        "utilisation": None,
    }


def recorded_share(layout: Layout) -> GpuShare | None:
    """The last share of a GPU that a session of the folder measured."""
    try:
        kept = [session.get("gpu_share") for session in read_sealed(layout.provenance)]
    except (FileNotFoundError, RecordError):
        return None
    shares = [GpuShare.from_json(share) for share in kept if share is not None]
    return next((share for share in reversed(shares) if share.measured is not None), None)


class Sessions:
    """The sessions in provenance.json; the last one is this driver's."""

    def __init__(
        self,
        layout: Layout,
        command: str,
        nodes_differ: Sequence[str] = (),
        study_hash: str = "",
        code: OutsideCode = NO_CODE,
        share: GpuShare | None = None,
    ) -> None:
        self._path = layout.provenance
        try:
            earlier = read_sealed(self._path)
        except (FileNotFoundError, RecordError):
            earlier = []
        self._all = [*earlier, session(command, nodes_differ, study_hash, code, share)]
        self._write()

    def note_differences(self, nodes_differ: Sequence[str]) -> None:
        """Notes in what nodes that joined during this session differ."""
        known = self._all[-1]["nodes_differ"]
        self._all[-1]["nodes_differ"] = list(dict.fromkeys([*known, *nodes_differ]))
        self._write()

    def finish(self, exit_code: int, used: Mapping[str, float]) -> None:
        """Notes when and how this session ended, and how far it used its slots."""
        self._all[-1] |= {"finished_at": now(), "exit_code": exit_code, "utilisation": dict(used)}
        self._write()

    def _write(self) -> None:
        write_whole(self._path, seal(self._all))
