"""The command line: reads a study, refuses what is wrong before anything starts, runs it, makes the report.

Exit codes: 0 complete, 1 incomplete (the report is made and marked), 2 refused, 130 and 143 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from glifr.errors import InputError

if TYPE_CHECKING:
    from launch.plan import StudyPlan

COMPLETE, REFUSED, INTERRUPTED = 0, 2, 130
_WIDTH_OF_A_FILE = 160


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="launch/study.py",
        description="Run one study: search, confirm, final seeds, silencing, report. The same command continues it.",
    )
    parser.add_argument("study", type=Path, help="the study file, as studies/smnist_ablation.yaml")
    parser.add_argument("--profile", help="a variant named in the study file, as quick or medium")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="PATH.TO.KEY=VALUE",
        help="change one value of the study; may be given many times",
    )
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument(
        "--address", metavar="auto|HOST:PORT", help="run on this Ray cluster; default: this machine alone"
    )
    parser.add_argument("--plan", action="store_true", help="print what would run and how long, then exit")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    try:
        return _run(options, given)
    except InputError as error:
        print(f"Nothing was started.\n\n{error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("Interrupted before anything was started.", file=sys.stderr)
        return INTERRUPTED


def _run(options: argparse.Namespace, given: Sequence[str]) -> int:
    # Imported late: a mistake in the study file is told before seconds go into importing Ray.
    from launch.spec import load_study

    study = load_study(options.study, profile=options.profile, overrides=options.overrides)
    from glifr.tasks import TASKS
    from launch.checks import refuse_impossible
    from launch.folder import results_folder
    from launch.plan import make_plan

    refuse_impossible(study.spec, options.address)
    plan = make_plan(study, TASKS[study.spec.task.name].fingerprint(study.spec.task.settings()))
    root = results_folder(plan, options.results)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)
    if options.plan:
        return _show_plan(console, plan)
    from launch.session import run_study

    return run_study(plan, root, options.address, console, given)


def _show_plan(console: Console, plan: StudyPlan) -> int:
    from launch.estimate import estimate
    from launch.show_plan import plan_view

    with console.status("timing a few training steps of each condition"):
        measured = estimate(plan)
    console.print(plan_view(plan, measured))
    return COMPLETE
