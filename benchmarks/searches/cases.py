"""Simulated cases: designs, kinds of proposals and of nulls; each study is kept as soon as it is done."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.searches.designs import DESIGNS
from benchmarks.searches.play import Proposals, StudyOutcome, play
from benchmarks.searches.surface import Surface
from glifr.conditions import CONDITIONS

Null = Literal["same", "moved"]
_BLOCK = 25  # studies of one case before the next one's turn: a table can be made at any time
_MOVED = 0.3  # decades, and octaves of the weight spread, by which the best settings lie apart at most
_OTHER = 0.004  # of the moved surfaces: what a third and fourth dimension cost those that have them


@dataclass(frozen=True)
class Case:
    """repeats: names the design. null: all conditions have one surface, or their best settings lie apart."""

    repeats: int
    proposals: Proposals
    null: Null

    @property
    def name(self) -> str:
        return f"{self.repeats}-{self.proposals}-{self.null}"


MAIN = tuple(Case(r, "common", "same") for r in DESIGNS)
BESIDE = (
    Case(1, "own", "same"),
    Case(10, "own", "same"),
    Case(1, "common", "moved"),
    Case(10, "common", "moved"),
)
CASES = (*MAIN, *BESIDE)


def surfaces(null: Null) -> Mapping[str, Surface]:
    """One surface for each condition; every one has the same best value."""
    if null == "same":
        return dict.fromkeys(CONDITIONS, Surface())
    # 7 and 3 have no common factor with 10 conditions: neighbours lie apart, in both directions
    steps = np.linspace(-_MOVED, _MOVED, len(CONDITIONS))
    return {
        name: Surface(Surface().rate + steps[7 * i % 10], Surface().spread + steps[(3 * i + 5) % 10], _OTHER)
        for i, name in enumerate(CONDITIONS)
    }


def kept(folder: Path, case: Case) -> list[StudyOutcome]:
    """The studies of a case that are done, in their order."""
    path = folder / f"{case.name}.jsonl"
    if not path.exists():
        return []
    # an interruption can leave a torn last line
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    bodies = [json.loads(line) for line in lines]
    return [StudyOutcome(np.array(b["accuracy"]), np.array(b["regret"])) for b in bodies]


def run(folder: Path, studies: int) -> Iterator[str]:
    """Plays what is missing of `studies` of each case, block by block; yields what was done."""
    folder.mkdir(parents=True, exist_ok=True)
    ends = [*range(_BLOCK, studies, _BLOCK), studies]
    for end, case in [(end, case) for cases in (MAIN, BESIDE) for end in ends for case in cases]:
        done = len(kept(folder, case))
        if done < end:
            _play_on(folder, case, range(done, end))
            yield f"{case.name}: {end} of {studies} studies"


def _play_on(folder: Path, case: Case, numbers: range) -> None:
    path, own = folder / f"{case.name}.jsonl", surfaces(case.null)
    if path.exists() and not (text := path.read_text()).endswith("\n"):
        path.write_text(text[: text.rfind("\n") + 1])
    with path.open("a") as stream:
        for number in numbers:
            played = play(DESIGNS[case.repeats], number, case.proposals, own)
            body = {"accuracy": played.accuracy.round(8).tolist(), "regret": played.regret.round(8).tolist()}
            print(json.dumps(body, separators=(",", ":")), file=stream, flush=True)
