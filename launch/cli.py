"""The command line: reads a study, refuses what is wrong before anything starts, runs it, makes the report.

Exit codes: 0 complete, 1 incomplete (the report is made and marked), 2 refused, 130 and 143 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from glifr.errors import InputError, Problem
from glifr.records import STAGES
from glifr.records.collector import collect_from_here
from glifr.records.reading import RecordError
from launch.continuing import INSTALLED
from launch.signals import StopSignals

if TYPE_CHECKING:
    from launch.studyfile import Study

COMPLETE, REFUSED = 0, 2
MOST_HOURS = 100_000
MOST_SLOTS = 100_000
_WIDTH_OF_A_FILE = 160


def parser() -> argparse.ArgumentParser:
    """Every option of the command line."""
    options = argparse.ArgumentParser(
        prog=INSTALLED if Path(sys.argv[0]).name == INSTALLED else "launch/study.py",
        description="Run one study: search, confirm, final seeds, silencing, report. The same command continues it.",
        epilog="`init my_study.yaml [--like NAME] [--code]` writes a study to begin from.",
    )
    options.add_argument(
        "study", type=Path, help="the study file, or the name of one of the project's own, as smnist_ablation"
    )
    options.add_argument("--profile", help="a variant named in the study file, as quick or medium")
    options.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="PATH.TO.KEY=VALUE",
        help="change one value of the study; may be given many times",
    )
    options.add_argument(
        "--only",
        type=_names,
        metavar="CONDITION[,...]",
        help="run these conditions of the study now; the others stay as they are, planned and unfinished",
    )
    options.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    options.add_argument(
        "--address", metavar="auto|HOST:PORT", help="run on this Ray cluster; default: this machine alone"
    )
    options.add_argument(
        "--insecure-cluster",
        action="store_true",
        help="with --address: accept a cluster that asks for no token, where anybody on the network can run code",
    )
    options.add_argument(
        "--allow-mixed-nodes",
        action="store_true",
        help="with --address: accept nodes whose Python, torch, numpy or numba differ; the report warns of it",
    )
    options.add_argument(
        "--wait-for-nodes", type=int, default=1, metavar="N", help="with --address: start once N nodes have joined"
    )
    changed = options.add_mutually_exclusive_group()
    changed.add_argument(
        "--keep",
        dest="stale",
        action="store_const",
        const="keep",
        help="code or data have changed: keep the results of finished units as they are",
    )
    changed.add_argument(
        "--fresh",
        dest="stale",
        action="store_const",
        const="fresh",
        help="code or data have changed: put units of the old ones aside and run them again",
    )
    options.add_argument(
        "--max-hours",
        type=_hours,
        metavar="H",
        help="stop cleanly after so many hours (exit code 1, no report of a half study); the same command goes on",
    )
    options.add_argument(
        "--stop-after", choices=STAGES[:-1], metavar="STAGE", help=f"stop once {', '.join(STAGES[:-1])} is done"
    )
    options.add_argument(
        "--report", action="store_true", help="make the report of what there is, also where a limit stops the study"
    )
    options.add_argument(
        "--slots", type=_number, metavar="N", help="with --plan: how long on a machine that takes N trials at once"
    )
    options.add_argument("--gpus", type=_number, metavar="N", help="with --plan: how long on a machine with N GPUs")
    what = options.add_mutually_exclusive_group()
    what.add_argument("--plan", action="store_true", help="print what would run and how long, then exit")
    what.add_argument("--check", action="store_true", help="say whether the study is right, then exit")
    what.add_argument("--status", action="store_true", help="print where the study stands, running or not, then exit")
    options.add_argument(
        "--failures",
        action="store_true",
        help="with --status: each failed attempt with its traceback and what followed",
    )
    return options


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= MOST_HOURS:
        raise argparse.ArgumentTypeError(f"{text!r} is no time limit: give hours, above 0 and at most {MOST_HOURS}")
    return hours


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_SLOTS:
        raise argparse.ArgumentTypeError(f"{text!r} is no such number: give one from 1 to {MOST_SLOTS}")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",")))


def main(arguments: Sequence[str] | None = None, stop: StopSignals | None = None) -> int:
    """The program; returns its exit code. stop: entered by the script already, to hear its earliest signals."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["init"]:
        from launch.init import main as init

        return init(given[1:])
    options = parser().parse_args(given)
    with contextlib.nullcontext(stop) if stop is not None else StopSignals(given) as stop:
        return _main(options, given, stop)


def study_file(given: Path) -> Path:
    """The file, or the project's own study of that name where there is no such file."""
    own = Path(__file__).resolve().parent.parent / "studies" / f"{given}.yaml"
    return own if len(given.parts) == 1 and not given.exists() and own.is_file() else given


def _main(options: argparse.Namespace, given: Sequence[str], stop: StopSignals) -> int:
    try:
        return _run(options, given, stop)
    except InputError as error:
        print(f"Nothing was started.\n\n{error}", file=sys.stderr)
        return REFUSED
    except RecordError as error:
        todo = "look at the disk and the permissions, then give the same command: it goes on where it stopped"
        place, _, reason = str(error).partition(": ")
        print(Problem("a file of the results folder cannot be used", place, reason, todo=todo), file=sys.stderr)
        return REFUSED
    except OSError as error:
        return _refuse_full_disk(error, options.results)


def console() -> Console:
    """Where the command prints: what a user wrote, as [this] or :this:, is shown as it is."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE, markup=False, emoji=False)


def _refuse_full_disk(error: OSError, results: Path) -> int:
    from launch.full_disk import disk_is_full, full_disk

    if not disk_is_full(error):
        raise error
    print(f"Nothing was started.\n\n{full_disk(error, results)}", file=sys.stderr)
    return REFUSED


def _refuse_options(options: argparse.Namespace) -> None:
    """Raises InputError for an option that says nothing without another."""
    if options.failures and not options.status:
        todo = "add --status, which starts nothing, or leave --failures out"
        raise InputError(
            Problem("--failures is a part of --status", "--failures", allowed="--status --failures", todo=todo)
        )
    elsewhere = _elsewhere(options)
    if elsewhere and not options.plan:
        rule, place = "only a plan can be asked about a machine that is not there", f"--{elsewhere[0]}"
        todo = "add --plan, or leave it out: a study runs on as many slots as fit"
        raise InputError(Problem(rule, place, getattr(options, elsewhere[0]), "--plan", todo))


def _elsewhere(options: argparse.Namespace) -> list[str]:
    """The options that ask about a machine that is not there."""
    return [option for option in ("slots", "gpus") if getattr(options, option) is not None]


def _refuse_unsendable(study: Study) -> None:
    """Raises InputError for a task from outside that workers could not be given."""
    from glifr.outside import referenced
    from glifr.tasks import TASKS

    name = study.spec.task.name
    if name in TASKS or referenced(name, "tasks") is None:
        return
    from launch.executors.ray_data import refuse_unsendable

    refuse_unsendable(study.spec.task.settings(), f"{study.path}: task.name")


def _accepted(study: Study, options: argparse.Namespace, shown: Console) -> Study:
    """A sound study as it runs here; InputError for what it cannot have here, now or with these options."""
    # Imported late: what can be told without torch is told before it is imported.
    from launch.executors.address import refuse_no_address
    from launch.planning.plan import make_plan, refuse_unknown

    refuse_unknown(study.spec, options.only)
    refuse_no_address(options.address)
    if not _elsewhere(options):
        from launch.planning.machine_checks import fitted

        study = fitted(study, options.address, shown.print)
    from launch.tracking.login import refuse_without_login

    refuse_without_login(study.spec.tracking.wandb.mode)
    from launch.tracking.local import refuse_missing

    refuse_missing(study.spec, str(study.path))
    if options.address is not None:  # told before the data are read, or downloaded
        from launch.executors.ray_connect import refuse_unusable

        refuse_unusable(options.address)
    if study.spec.looks is not None:  # told before the data are read
        from launch.session import refuse_looks

        refuse_looks(make_plan(study, fingerprint=""))
    if study.spec.budget is not None:
        from launch.session import refuse_small_budget

        refuse_small_budget(make_plan(study, fingerprint=""))
    _refuse_unsendable(study)
    return study


def _run(options: argparse.Namespace, given: Sequence[str], stop: StopSignals) -> int:
    # Imported late: a mistake in the study file is told before seconds go into importing Ray.
    from launch.studyfile import load_study

    _refuse_options(options)
    seen: Literal["tried", "looked at"] = "looked at" if options.status else "tried"
    study = load_study(study_file(options.study), profile=options.profile, overrides=options.overrides, code=seen)
    from launch.ledger.folder import results_folder, results_path

    shown = console()
    if options.status:  # needs neither the data nor a cluster, nor code from outside
        from launch.terminal.status import show_status

        root = results_path(study, options.results)
        return show_status(study, root, shown, given, failures=options.failures)
    study = _accepted(study, options, shown)
    if options.check:
        shown.print(f"{study.spec.name} ({study.profile}) is valid: {', '.join(study.spec.conditions)}")
        return COMPLETE
    from launch.looks import refuse_changed
    from launch.planning.machine_checks import refuse_too_large
    from launch.planning.own_starts import refuse_unfit_starts
    from launch.planning.plan import make_plan

    plan = make_plan(study, study.spec.task.definition.fingerprint(study.spec.task.settings()))
    chosen = plan.of(options.only)
    refuse_unfit_starts(chosen)
    refuse_too_large(plan, options.address)
    root = results_folder(study, options.results)
    refuse_changed(plan, root)
    from launch.budget.rehearsal import Machine
    from launch.executors.ray_connect import Cluster
    from launch.notice import Notifier
    from launch.session import SessionOptions, run_study, show_plan

    collect_from_here()
    cluster = Cluster(options.address, options.insecure_cluster, options.wait_for_nodes, options.allow_mixed_nodes)
    if options.plan:
        machine = Machine(options.slots, options.gpus) if _elsewhere(options) else None
        return show_plan(chosen, root, cluster, shown, machine, options.max_hours)
    if options.max_hours is not None:
        stop.limit(options.max_hours)
    asked = SessionOptions(options.stale, options.stop_after, options.only, options.report)
    with Notifier(study.spec, study.profile, shown.print) as notifier:
        return run_study(plan, root, cluster, shown, given, stop, notifier, asked)
