"""The parts of a campaign: each disturbs studies of one kind, and goes on where it was stopped."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from small_study import TINY, StopAfter, conduct, small_plan

from chaos.bare_tune import Found, bare
from chaos.corruptions import plant
from chaos.judging import comparable, cost, left_running, lost, restarted, results
from chaos.kills import Assault, Study, three_nodes
from chaos.mishaps import MISHAPS_BY_NAME
from chaos.rows import Record
from chaos.write_points import points, run_command, warm
from launch.planning.plan import StudyPlan

_SPAN = 8.0  # seconds over which the moments of kills are spread

# more and longer epochs, so that kills hit something
LONGER = TINY.replace("epochs: 3, batch_size: 1000", "epochs: 5, batch_size: 250")
# one condition: every kind of write is met in it
SHORTER = TINY.replace("reference: LHetA", "reference: RNN").replace("  LHetA: {delay: 1.0}\n", "")


@dataclass(frozen=True)
class Campaign:
    """How much is done, where the studies lie and where the rows go. points: None for all."""

    work: Path
    record: Record
    kills: int = 20
    kills_a_study: int = 5
    corruptions: int = 200
    points: int | None = None

    def writes(self) -> None:
        """Kills the command at each kind of durable operation."""
        name, plan = "writes", self._plan(SHORTER, "writes")
        wanted = self._undisturbed(SHORTER, name)
        into, log = self.work / name / "killed", self.work / name / "killed.log"
        given = self._given(SHORTER, name, into)
        root = _folder(into)
        shutil.rmtree(into, ignore_errors=True)
        _, counts = run_command(given, log, root, None)
        done = {(row["operation"], row["number"]) for row in self.record.write_points.all()}
        for operation, number in islice(points(counts), self.points):
            if (operation, str(number)) in done:
                continue
            shutil.rmtree(into, ignore_errors=True)
            killed, _ = run_command(given, log, root, (operation, number))
            code, _ = run_command(given, log, root, None)
            same = code == 0 and comparable(root) == wanted
            row = {"operation": operation, "number": number, "of": counts[operation], "killed": killed == -9}
            self.record.write_points.add({**row, "exit_code": code, "same": same, "lost": lost(root, plan)})

    def drivers(self) -> None:
        """kill -9 of the driver, then the same command at once."""
        self._kill_until_enough("drivers", Assault.drivers)

    def trials(self) -> None:
        """kill -9 of a trial's process."""
        self._kill_until_enough("trials", Assault.trials)

    def nodes(self) -> None:
        """kill -9 of a worker node's raylet in a cluster of three."""
        if self._kills_made("nodes") >= self.kills:
            return
        with three_nodes() as cluster:
            more = ("--address", cluster.address, "--insecure-cluster")
            self._kill_until_enough("nodes", lambda assault: assault.nodes(cluster), *more)

    def bare(self) -> None:
        """Five kills of the driver of bare Ray Tune, beside a study of `drivers` with as many that still lies there."""
        if self.record.bare_tune.all():
            return
        study = next(row for row in self.record.studies.all() if self._is_comparable(row))
        shutil.rmtree(self.work / "bare", ignore_errors=True)
        self.record.bare_tune.add(asdict(bare(self.work / "bare", self.kills_a_study)))
        plan = self._plan(LONGER, "kills")
        units = sum(sum(own.planned.values()) for own in plan.conditions.values())
        twice, again = int(study["changed"]), restarted(_folder(self._killed(study)))
        ours = Found("this project", int(study["kills"]), units, int(study["lost"]), twice, again)
        self.record.bare_tune.add(asdict(ours))

    def _is_comparable(self, row: dict[str, str]) -> bool:
        as_many = row["part"] == "drivers" and int(row["kills"]) == self.kills_a_study
        return as_many and self._killed(row).is_dir()

    def _killed(self, row: Mapping[str, object]) -> Path:
        """Where the results of a study that was disturbed by kills go."""
        return self.work / "kills" / f"{row['part']}-{row['study']}"

    def damages(self) -> None:
        """Damages files of an unfinished study."""
        root, plan = self.work / "damages" / "results", self._plan(LONGER, "damages")
        shutil.rmtree(root, ignore_errors=True)
        conduct(plan, root, StopAfter(40))
        made = len(self.record.corruptions.all())
        for number, found in enumerate(plant(root, self.corruptions, seed=1)):
            if number >= made:
                self.record.corruptions.add({"number": number, **asdict(found)})

    def mishaps(self) -> None:
        """Full disks, hanging trials and the like."""
        wanted, plan = self._undisturbed(TINY, "mishaps"), self._plan(TINY, "mishaps")
        done = {row["mishap"] for row in self.record.mishaps.all()}
        for name, mishap in MISHAPS_BY_NAME.items():
            if name not in done:
                outcome = mishap(self.work / "mishaps", self._file(TINY, "mishaps"), plan, wanted)
                self.record.mishaps.add({"mishap": name, **asdict(outcome)})

    def _kills_made(self, part: str) -> int:
        return sum(int(row["kills"]) for row in self.record.studies.all() if row["part"] == part)

    def _kill_until_enough(self, part: str, attack: Callable[[Assault], None], *more: str) -> None:
        while (made := self._kills_made(part)) < self.kills:
            number = sum(row["part"] == part for row in self.record.studies.all())
            self._kill(part, number, min(self.kills_a_study, self.kills - made), attack, *more)

    def _kill(self, part: str, number: int, kills: int, attack: Callable[[Assault], None], *more: str) -> None:
        wanted, plan = self._undisturbed(LONGER, "kills"), self._plan(LONGER, "kills")
        into = self._killed({"part": part, "study": number})
        log = into.with_suffix(".log")
        shutil.rmtree(into, ignore_errors=True)
        study = Study(self._given(LONGER, "kills", into, *more), _folder(into), log)
        assault = Assault(study, random.Random(f"{part} {number}"), kills, _SPAN)
        attack(assault)
        stood = results(study.root)
        code = study.finish()
        now, spent = results(study.root), cost(study.root)
        for kill in assault.kills:
            row = {"part": part, "study": number, "what": kill.what, "after_s": kill.after, "units_done": kill.done}
            self.record.kills.add(row)
        self.record.studies.add(
            {
                "part": part,
                "study": number,
                "kills": len(assault.kills),
                "exit_code": code,
                "same": code == 0 and comparable(study.root) == wanted,
                "lost": lost(study.root, plan),
                "changed": sum(now.get(path) != content for path, content in stood.items()),
                "interrupted": spent.interrupted,
                "repeated": spent.repeated,
                "optuna_running": left_running(study.root, plan),
            }
        )

    def _undisturbed(self, text: str, name: str) -> dict[str, bytes]:
        """The tables of the study without disturbance, made once."""
        warm(self._plan(text, name))
        into = self.work / name / "undisturbed"
        if not (_folder(into) / "tables" / "silencing.csv").exists():
            log = self.work / name / "undisturbed.log"
            code, _ = run_command(self._given(text, name, into), log, _folder(into), None)
            assert code == 0, f"the undisturbed study ended with {code}: see {log}"
        return comparable(_folder(into))

    def _file(self, text: str, name: str) -> Path:
        path = self.work / name / "small.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def _plan(self, text: str, name: str) -> StudyPlan:
        return small_plan(self._file(text, name).parent, text=text)

    def _given(self, text: str, name: str, into: Path, *more: str) -> list[str]:
        quiet = ["--set", "tracking.wandb.mode=disabled"]
        return [str(self._file(text, name)), "--results", str(into), *quiet, *more]


def _folder(results_folder: Path) -> Path:
    return results_folder / "small" / "full"
