"""`python -m launch.tracking sync RESULTS`: makes the study's mirrors equal to the ledger, and says whether they are.

Those are W&B - its files below RESULTS/wandb where it is offline, else the project on the server -, TensorBoard and
MLflow, as the study asks for them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from glifr.errors import InputError, Problem
from glifr.records import StudyRecords, scan
from launch.studyfile.text.yaml_values import as_yaml
from launch.tracking import rows as rows
from launch.tracking.back_fill import Outcome, synchronise
from launch.tracking.local import LOCAL, Local, asked_for, refuse_not_installed
from launch.tracking.login import Mode, decide_mode, is_of_wandb
from launch.tracking.wandb_run import leave, log_report
from launch.tracking.wandb_runs import SENT_SECONDS, OfflineFiles, Server

EQUAL, DIFFERENT, REFUSED = 0, 1, 2
_WANDB = "wandb"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 the mirrors say what the ledger does, 1 one does not, 2 refused."""
    parser = argparse.ArgumentParser(prog="python -m launch.tracking", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["sync"])
    parser.add_argument("results", type=Path, metavar="RESULTS", help="as results/<study>/<profile>")
    parser.add_argument("--mirror", choices=[_WANDB, *LOCAL], help="this one alone; default: all that the study has")
    parser.add_argument(
        "--mode", choices=["auto", "online", "offline"], default="auto", help="of W&B; default: the study's"
    )
    given = parser.parse_args(arguments)
    different = False
    try:
        records = scan(given.results)
        for key in _chosen(records, given.mirror, given.mode):
            told, outcome = _with_local(records, LOCAL[key]) if key in LOCAL else _with_wandb(records, given.mode)
            print(f"{told}: {outcome}")
            different |= bool(outcome.different)
    except InputError as error:
        print(error, file=sys.stderr)
        return REFUSED
    return DIFFERENT if different else EQUAL


def _chosen(records: StudyRecords, mirror: str | None, mode: str) -> list[str]:
    """The mirrors to be synchronised, by their keys; InputError for one that cannot be."""
    spec, place = rows.tracked(records.study).spec, str(records.layout.study)
    own = {key for key, _ in asked_for(spec)}
    if mirror in LOCAL and mirror not in own:
        rule, todo = f"the study has no {LOCAL[mirror].name} mirror", f"run it with --set tracking.{mirror}=true"
        raise InputError(Problem(rule, f"{place}: tracking.{mirror}", as_yaml(False), "true", todo))
    if mirror in LOCAL and mode != "auto":
        raise InputError(Problem("--mode is of W&B alone", "--mode", mode, todo="leave --mode or --mirror out"))
    with_wandb = spec.tracking.wandb.mode != "disabled" or mode != "auto" or not own
    chosen = [mirror] if mirror else [*([_WANDB] if with_wandb else []), *(key for key in LOCAL if key in own)]
    for key in chosen:
        if key in LOCAL:
            refuse_not_installed(key, place, f"give --mirror {_WANDB} for W&B alone")
    return chosen


def _with_local(records: StudyRecords, local: Local) -> tuple[str, Outcome]:
    layout = records.layout
    try:
        return f"{local.name} in {layout.root}", synchronise(records, local.runs(layout, rows.tracked(records.study)))
    except Exception as error:
        if not (isinstance(error, OSError) or type(error).__module__.partition(".")[0] in local.raises):
            raise
        rule = f"{local.name}'s files cannot be read or written"
        todo = "make room or mend what is wrong, and give the same command again; what is written by now is kept"
        raise InputError(Problem(rule, str(layout.root), _first_line(error), todo=todo)) from None


def _with_wandb(records: StudyRecords, given: str) -> tuple[str, Outcome]:
    try:
        mode, reason = _mode(records, given)
        outcome = synchronise(records, Server(records) if mode == "online" else OfflineFiles(records.layout))
        log_report(records, mode, SENT_SECONDS)
    except Exception as error:
        if isinstance(error, InputError) or not is_of_wandb(error):
            raise
        todo = "give the same command again when W&B answers; what it has by now is kept"
        rule, place = "W&B refused, or cannot be reached", str(records.layout.root)
        raise InputError(Problem(rule, place, _first_line(error), todo=todo)) from None
    finally:
        leave()
    return f"W&B {mode} ({reason})", outcome


def _mode(records: StudyRecords, given: str) -> tuple[Mode, str]:
    """Where the runs are, and why there. InputError where they should be on the server and cannot be."""
    decision = decide_mode(rows.tracked(records.study).spec.tracking.wandb.mode if given == "auto" else given)
    if given == "online" and decision.mode != "online":
        todo = "log in with `wandb login`, or leave --mode out"
        raise InputError(Problem(f"W&B cannot be reached ({decision.reason})", "--mode", given, todo=todo))
    return ("online" if decision.mode == "online" else "offline"), decision.reason


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
