"""`python -m chaos.write_up` in the folder `tests`: docs/reliability.md from the rows in docs/reliability/."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from chaos.rows import FOLDER, Record

PAGE = FOLDER.parent / "reliability.md"
_PARTS = {"drivers": "the driver", "trials": "a trial's process", "nodes": "a worker node's raylet"}
Row = dict[str, str]


def bound(trials: int) -> float:
    """The largest chance of a failure that 0 of so many trials still allow, with 95 % confidence."""
    return float(1 - 0.05 ** (1 / trials))


def table(head: list[str], rows: list[list[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def page(record: Record) -> str:
    """The whole text."""
    text = (Path(__file__).parent / "reliability.md.in").read_text()
    parts = {
        "KILLS": _kills(record.studies.all()),
        "WRITES": _writes(record.write_points.all()),
        "CORRUPTIONS": _corruptions(record.corruptions.all()),
        "MISHAPS": _mishaps(record.mishaps.all()),
        "BARE": _bare(record.bare_tune.all()),
    }
    for name, part in parts.items():
        text = text.replace("{" + name + "}", part)
    return text


def _good(row: Row) -> bool:
    sound = (row["exit_code"], row["same"], row["lost"]) == ("0", "True", "0")
    return sound and row.get("changed", "0") == "0" and row.get("optuna_running", "0") == "0"


def _kills(every: list[Row]) -> str:
    studies, rows = [row for row in every if int(row["kills"])], list[list[object]]()
    for part, words in _PARTS.items():
        own = [row for row in studies if row["part"] == part]
        if not own:
            rows.append([words, "not yet run", *[""] * 6])
            continue
        totals = [sum(int(row[key]) for row in own) for key in ("kills", "lost", "changed", "interrupted", "repeated")]
        zombies = sum(int(row["optuna_running"]) for row in own)
        rows.append([words, totals[0], f"{sum(map(_good, own))} of {len(own)}", *totals[1:], zombies])
    kills, bad = sum(int(row["kills"]) for row in studies), sum(not _good(row) for row in studies)
    head = ["kill -9 of", "kills", "studies complete and equal", "units lost", "results that changed"]
    head += ["attempts interrupted", "epochs recorded twice", "Optuna trials left running"]
    told = f"{bad} of {len(studies)} studies, with {kills} kills in them, ended otherwise than the undisturbed one."
    if kills and not bad:
        told += f" 0 of {kills} kills still allows a true rate of {bound(kills):.1%} (95 % confidence)."
    for row in every:
        if not int(row["kills"]):
            told += f" Not counted: study {row['study']} of {row['part']} ended with exit code {row['exit_code']}"
            told += " before any kill was made."
    return f"{table(head, rows)}\n\n{told}"


def _writes(points: list[Row]) -> str:
    good = sum(_good(row) and row["killed"] == "True" for row in points)
    names = sorted({row["operation"] for row in points})
    listed = ", ".join(f"`{name}`" for name in names)
    told = f"{good} of {len(points)} kills, at {len(names)} kinds of operation, were survived with an equal study"
    told += f" (a true rate of {bound(len(points)):.1%} is still allowed)." if points and good == len(points) else "."
    return f"{told} The kinds: {listed}."


def _corruptions(found: list[Row]) -> str:
    counts = Counter((row["file"], row["kind"]) for row in found)
    seen = Counter((row["file"], row["kind"]) for row in found if (row["named"], row["used"]) == ("True", "False"))
    kinds = sorted({kind for _, kind in counts})
    rows: list[list[object]] = [
        [file, *(f"{seen[file, kind]} of {counts[file, kind]}" for kind in kinds)]
        for file in sorted({file for file, _ in counts})
    ]
    told = f"{sum(seen.values())} of {len(found)} were detected, named, and not taken as done."
    return f"{table(['file', *kinds], rows)}\n\n{told}"


def _mishaps(found: list[Row]) -> str:
    rows: list[list[object]] = [
        [
            row["mishap"],
            row["exit_code"],
            f"{row['units_done']} of {row['units_planned']}",
            {"True": "yes", "False": "no"}.get(row["same"], "another study"),
            {"True": "yes", "False": "no"}[row["ledger_intact"]],
            row["seen"],
        ]
        for row in found
    ]
    head = ["mishap", "exit code", "units done", "tables equal", "ledger intact", "what was seen"]
    return table(head, rows)


def _bare(found: list[Row]) -> str:
    if not found:
        return "Not yet run."
    head = ["system", "driver kills", "trials", "lost", "completed twice", "started again from the first epoch"]
    rows: list[list[object]] = [
        [row["system"], row["kills"], row["trials"], row["lost"], row["twice"], row["restarted"]] for row in found
    ]
    return table(head, rows)


if __name__ == "__main__":
    PAGE.write_text(page(Record()))
