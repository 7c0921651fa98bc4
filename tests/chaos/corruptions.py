"""Plants damage in the files of a study and looks whether it is seen, named and never taken as done."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from glifr.records import RecordError, UnitId, read_sealed, scan
from launch.ledger.units import Ledger

KINDS = ("truncated", "zeroed", "one byte flipped")
FILES = ("checkpoint", "result", "proposal", "epoch records", "resolved study")


@dataclass(frozen=True)
class Corruption:
    """One planted damage. named: whether a message names the file or its unit. used: whether it was taken as good."""

    file: str
    kind: str
    named: bool
    used: bool


def damage(raw: bytes, kind: str, rng: random.Random) -> bytes:
    """`raw`, damaged."""
    at = rng.randrange(len(raw))
    if kind == "truncated":
        return raw[:at]
    if kind == "zeroed":
        return raw[:at] + bytes(len(raw) - at)
    flipped = bytearray(raw)
    flipped[at] ^= rng.randrange(1, 256)
    return bytes(flipped)


def plant(root: Path, wanted: int, seed: int) -> Iterator[Corruption]:
    """Damages one file after another, looks, and mends it again. `root`: a study with an interrupted unit."""
    rng = random.Random(seed)
    for number in range(wanted):
        file, kind = FILES[number % len(FILES)], KINDS[number % len(KINDS)]
        path = rng.choice(_files(root, file))
        raw = path.read_bytes()
        path.write_bytes(damage(raw, kind, rng))
        named, used = _LOOK[file](root, path)
        for aside in path.parent.glob(f"{path.name}.damaged-*"):
            aside.unlink()
        path.write_bytes(raw)
        yield Corruption(file, kind, named, used)


def _files(root: Path, file: str) -> list[Path]:
    patterns = {
        "checkpoint": "units/*/*/*/attempts/*/checkpoint-*.pt",
        "result": "units/*/*/*/result.json",
        "proposal": "units/*/*/*/proposal.json",
        "epoch records": "units/*/*/*/attempts/*/epochs.jsonl",
        "resolved study": "study.json",
    }
    found = sorted(root.glob(patterns[file]))
    if file == "epoch records":  # of finished units: elsewhere a torn end is what any crash leaves
        return [path for path in found if (path.parents[2] / "result.json").exists()]
    if file == "checkpoint":  # the newest of each unit: the one that would be used
        return list({unit_at(path): path for path in sorted(found, key=lambda p: p.name)}.values())
    return found


def unit_at(path: Path) -> UnitId:
    """The unit in whose folder a file lies."""
    parts = path.parts[path.parts.index("units") + 1 :]
    return UnitId.parse("/".join(parts[:3]))


def _checkpoint(root: Path, path: Path) -> tuple[bool, bool]:
    ledger = Ledger(root)
    proposal = ledger.proposal(unit_at(path))
    assert proposal is not None
    said = ledger.layout.events.stat().st_size if ledger.layout.events.exists() else 0
    ledger.last_checkpoint(proposal)
    message = ledger.layout.events.read_text()[said:]
    return path.name in message, path.exists()


def _record(read: Callable[[Ledger, UnitId], object]) -> Callable[[Path, Path], tuple[bool, bool]]:
    def look(root: Path, path: Path) -> tuple[bool, bool]:
        try:
            read(Ledger(root), unit_at(path))
        except RecordError as error:
            return str(path) in str(error), False
        return False, True

    return look


def _epochs(root: Path, path: Path) -> tuple[bool, bool]:
    unit = unit_at(path)
    named = any(problem.startswith(f"{unit}:") for problem in scan(root).problems)
    return named, False


def _study(root: Path, path: Path) -> tuple[bool, bool]:
    try:
        read_sealed(path)
    except RecordError as error:
        return str(path) in str(error), False
    return False, True


_LOOK: dict[str, Callable[[Path, Path], tuple[bool, bool]]] = {
    "checkpoint": _checkpoint,
    "result": _record(lambda ledger, unit: ledger.result(unit)),
    "proposal": _record(lambda ledger, unit: ledger.proposal(unit)),
    "epoch records": _epochs,
    "resolved study": _study,
}
