"""Paths of all files in a results folder `results/<study>/<profile>/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glifr.records.reading import RecordError
from glifr.records.schema import UnitId

FAILURE_FILE = "failure.json"  # in an attempt's folder


class ForeignPathError(RecordError):
    """A record names a file outside its results folder: not damage, and nothing that running again would mend."""


@dataclass(frozen=True)
class Layout:
    """Paths below one results folder. Nothing is created here."""

    root: Path

    @property
    def study(self) -> Path:
        """The resolved study, sealed; its keys are listed in docs/results-folder.md."""
        return self.root / "study.json"

    @property
    def provenance(self) -> Path:
        """Sealed list of sessions: versions, commit, hardware, device."""
        return self.root / "provenance.json"

    @property
    def lock(self) -> Path:
        return self.root / "driver.lock"

    @property
    def events(self) -> Path:
        """What the driver did and warned of, one JSON object per line."""
        return self.root / "events.jsonl"

    @property
    def looks(self) -> Path:
        """One record per look, in a study that adds seeds until it is decided."""
        return self.root / "looks"

    def look(self, number: int) -> Path:
        return self.looks / f"{number}.json"

    @property
    def units(self) -> Path:
        return self.root / "units"

    @property
    def code(self) -> Path:
        """Copies of the code from outside that computed the units, a folder for each version of each module."""
        return self.root / "code"

    @property
    def aside(self) -> Path:
        """Units that a changed study, changed code or changed data have replaced."""
        return self.root / "aside"

    @property
    def scratch(self) -> Path:
        """Ray Tune's own storage; of no use after the run."""
        return self.root / ".tune"

    @property
    def wandb(self) -> Path:
        return self.root / "wandb"

    @property
    def tables(self) -> Path:
        return self.root / "tables"

    @property
    def figures(self) -> Path:
        return self.root / "figures"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    def unit(self, unit: UnitId) -> Path:
        return self.root.joinpath("units", unit.stage, unit.search_name, str(unit.number))

    def unit_at(self, folder: Path) -> UnitId:
        """The unit whose folder this is; ValueError if it is none."""
        return UnitId.parse("/".join(folder.parts[-3:]))

    def proposal(self, unit: UnitId) -> Path:
        return self.unit(unit) / "proposal.json"

    def result(self, unit: UnitId) -> Path:
        return self.unit(unit) / "result.json"

    def start(self, sha256: str) -> Path:
        """The copy of a network of the user's own that conditions start from."""
        return self.root / "starts" / f"{sha256}.pt"

    def inside(self, relative: str) -> Path:
        """Resolves the path of a file that a record names.

        Args:
            relative: The path in the record.

        Returns:
            The path.

        Raises:
            ForeignPathError: It leads out of the results folder, and out of the folder that `units` is a link to: a
                user may keep the units on another disk.
            RecordError: It cannot be followed.
        """
        try:
            place = (self.root / relative).resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a link that leads in a circle; a NUL
            raise RecordError(f"{relative}: no file's path ({error})") from None
        if not any(place.is_relative_to(allowed.resolve()) for allowed in (self.root, self.units)):
            raise ForeignPathError(f"{relative}: leads out of the results folder, to {place}")
        return self.root / relative

    def attempts(self, unit: UnitId) -> Path:
        """One folder per attempt, named by its lease token, with lease, epochs, checkpoints and failure."""
        return self.unit(unit) / "attempts"

    def attempt(self, unit: UnitId, token: str) -> Path:
        return self.attempts(unit) / token
