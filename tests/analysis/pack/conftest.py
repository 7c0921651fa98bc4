"""A study in a folder and in a pack, made once for each file of tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from records_factory import Synthetic, write_study

import analysis.results.neurons
from analysis.pack.make import pack
from analysis.statistics.clusters import Clustering
from glifr.records import Layout, UnitId, seal

STUDY = Synthetic(
    conditions=("RNN", "Hom", "LHetA"),
    seeds=4,
    trials=5,
    epochs=3,
    masks=2,
    characteristics=True,
    failed_share=0.4,
    diverged=frozenset({("Hom", 3)}),
    missing=frozenset({("RNN", 2)}),
    failed=frozenset({("LHetA", 4)}),
)
HOST = "node-of-someone"


@pytest.fixture(scope="module")
def quick() -> pytest.MonkeyPatch:
    """Clustering without its draws: that is tested elsewhere."""
    patch = pytest.MonkeyPatch()
    found = Clustering(40, 8, 2, 1.25, 0.5, 0.5, (1.1,) * 9, (1.0,) * 9, (0.9,) * 9, (1.2,) * 9)
    patch.setattr(analysis.results.neurons, "cluster", lambda values, generator: found)
    yield patch
    patch.undo()


def _spoil(root: Path) -> Path:
    """What happens to folders: private files, an attempt without records, damage, a torn line, a stray folder."""
    layout = Layout(root)
    spare = layout.attempt(UnitId("final", "RNN", 1), "0000-earlier")
    spare.mkdir()
    (spare / "lease.json").write_bytes(seal({"host": HOST}))
    (spare / "network.pt").write_bytes(b"weights")
    (layout.events).write_text(HOST)
    layout.result(UnitId("final", "Hom", 4)).write_bytes(b"{ torn in /home/someone/there")
    layout.proposal(UnitId("search", "Hom", 0)).unlink()
    (epochs,) = layout.attempts(UnitId("final", "LHetA", 1)).glob("*/epochs.jsonl")
    epochs.write_bytes(epochs.read_bytes().replace(b'"epoch": 2', b'"epoch": 3', 1) + b'{"seed": 1, "ep')
    (layout.units / "final" / "LHetA" / "copy of 1").mkdir()
    (lost,) = layout.attempts(UnitId("final", "LHetA", 2)).glob("*/characteristics.npz")
    lost.unlink()
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, quick: pytest.MonkeyPatch) -> Path:
    return _spoil(write_study(tmp_path_factory.mktemp("packed") / "study", STUDY))


@pytest.fixture(scope="module")
def packed(folder: Path) -> Path:
    path = folder.parent / "study.tar.xz"
    pack(folder, path)
    return path
