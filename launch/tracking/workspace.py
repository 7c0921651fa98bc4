"""A W&B workspace and a W&B report of a study, made from code: `python launch/dashboard.py STUDY.yaml`.

Made again, both are updated where they are: their addresses are kept in the results folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wandb

from glifr.conditions import HYPERPARAMETERS
from glifr.errors import InputError, Problem
from glifr.records import STAGES, Layout, scan
from glifr.records.atomic import write_whole
from launch.planning.plan import StudyPlan, make_plan
from launch.studyfile import StudySpec, load_study
from launch.tracking.login import decide_mode, is_of_wandb
from launch.tracking.rows import hashes, validation_of
from launch.tracking.wandb_run import leave

try:
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws
except ImportError:
    wr = ws = None

DONE, REFUSED = 0, 2
_STARTED = "a study that has been started: its results folder has a study.json"
_ADDRESSES = "wandb-views.json"
_ANSWER_SECONDS = 20


@dataclass(frozen=True)
class RunFilter:
    """Which runs of the project are shown.

    Attributes:
        hashes: Of the study, now and before it was extended.
        runs: How many runs there are.
    """

    spec: StudySpec
    profile: str
    hashes: Sequence[str]
    runs: int

    @classmethod
    def of(cls, plan: StudyPlan, layout: Layout) -> RunFilter:
        """Those of a study's results folder; InputError if its records cannot be read."""
        records = scan(layout.root)
        runs = sum(plan.planned(stage) for stage in STAGES if stage != "silencing")
        return cls(plan.study.spec, records.study["profile"], hashes(records.study, records.sessions), runs)

    def where(self, *more: str) -> str:
        """A filter in W&B's words. Never on a name alone: another profile, or the same with other settings, has it."""
        listed = ", ".join(f"'{one}'" for one in self.hashes)
        return " and ".join((f"Config('study_hash') in [{listed}]", f"Config('profile') = '{self.profile}'", *more))


def publish(shown: RunFilter, layout: Layout, entity: str) -> dict[str, str]:
    """Creates workspace and report, or updates those of an earlier call; returns their addresses."""
    path = layout.root / _ADDRESSES
    known = json.loads(path.read_text()) if path.exists() else {}
    workspace = _workspace(shown, entity, known.get("workspace")).save()
    report = _report(shown, entity, known.get("report")).save()
    addresses = {"workspace": workspace.url, "report": report.url}
    write_whole(path, json.dumps(addresses, indent=1).encode() + b"\n")
    return addresses


def _workspace(shown: RunFilter, entity: str, address: str | None) -> Any:
    """The workspace at `address`, or a new one, with everything that this project decides about it."""
    spec = shown.spec
    found = ws.Workspace.from_url(address) if address else ws.Workspace(entity, spec.tracking.wandb.project)
    found.name = f"{spec.name} ({shown.profile}): conditions"
    found.sections = [ws.Section(name=name, panels=panels, is_open=True) for name, panels in _sections(shown).items()]
    found.settings = ws.WorkspaceSettings(x_axis="epoch", max_runs=shown.runs + 1)  # and the study's own
    found.runset_settings = ws.RunsetSettings(filters=shown.where(), groupby=[ws.Config("condition")])
    return found


def _sections(shown: RunFilter) -> dict[str, list[Any]]:
    """Search runs log their measures with /mean, final ones without: so each section has its runs without a filter."""
    spec, runs = shown.spec, shown.runs
    own = (validation_of(metric.name) for metric in spec.task.definition.metrics)
    measures = ("validation_loss", "validation_accuracy", *own, "train_loss")
    return {
        "Overview": [_bars("test_accuracy", runs), _bars("test_loss", runs), _bars("diverged_seeds", runs)],
        "Learning curves by condition": [_curves(measure, runs) for measure in measures],
        "Search": [_search(spec), _curves("validation_loss/mean", runs)],
        "Silencing": [_silenced(spec)],
        "Stability map": _stability(spec),
    }


def _bars(metric: str, runs: int) -> Any:
    return wr.BarPlot(
        title=f"{metric} by condition, mean over runs",
        metrics=[wr.SummaryMetric(metric)],
        groupby=wr.Config("condition"),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
        max_runs_to_show=runs,
    )


def _curves(metric: str, runs: int) -> Any:
    return wr.LinePlot(
        title=f"{metric}: mean and standard deviation over runs",
        x="epoch",
        y=[metric],
        groupby=wr.Config("condition"),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
        max_runs_to_show=runs,
    )


def _searched(spec: StudySpec) -> list[str]:
    """The hyperparameters that some condition searches."""
    found = {dimension for condition in spec.conditions for dimension in spec.space_for(condition)}
    known = [name for name in HYPERPARAMETERS if name in found]
    return [name.replace(".", "_") for name in (*known, *sorted(found - set(known)))]


def _search(spec: StudySpec) -> Any:
    columns = [wr.ParallelCoordinatesPlotColumn(wr.Config(name), log=True) for name in _searched(spec)]
    return wr.ParallelCoordinatesPlot(
        title="Searched hyperparameters and score",
        columns=[*columns, wr.ParallelCoordinatesPlotColumn(wr.SummaryMetric("score"))],
    )


def _stability(spec: StudySpec) -> list[Any]:
    rate, *spreads = _searched(spec) or [""]
    return [
        wr.ScatterPlot(
            title=f"Diverged seeds by {rate} and {spread}",
            x=wr.Config(rate),
            y=wr.Config(spread),
            z=wr.SummaryMetric("diverged_seeds"),
            log_x=True,
            log_y=True,
        )
        for spread in spreads
    ]


def _silenced(spec: StudySpec) -> Any:
    return wr.LinePlot(
        title="Mean test result by share of silenced neurons",
        x="silenced_share",
        y=[f"silencing/{condition}" for condition in spec.conditions],
    )


def _report(shown: RunFilter, entity: str, address: str | None) -> Any:
    spec = shown.spec
    project = spec.tracking.wandb.project
    found = wr.Report.from_url(address) if address else wr.Report(project=project, entity=entity)
    found.title = f"{spec.name} ({shown.profile}): seed-averaged comparison"
    found.description = spec.description
    finals = wr.Runset(
        entity=entity,
        project=project,
        name="final networks",
        filters=shown.where("Config('stage') = 'final'"),
        groupby=["config.condition"],
    )
    found.blocks = [
        wr.P("One run is one trained network, that is one seed; a line is the mean over the seeds of a condition."),
        wr.P("Verdicts, intervals and corrected p are in report.html, an artifact of the study's own run."),
        wr.PanelGrid(
            runsets=[finals],
            panels=[
                *(_bars(measure, shown.runs) for measure in ("test_accuracy", "test_loss")),
                *(_curves(measure, shown.runs) for measure in ("validation_loss", "train_loss")),
            ],
        ),
    ]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 done, 2 refused."""
    parser = argparse.ArgumentParser(prog="launch/dashboard.py", description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, help="the study file, as studies/smnist_ablation.yaml")
    parser.add_argument("--profile", help="a variant named in the study file, as quick or medium")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    given = parser.parse_args(arguments)
    try:
        study = load_study(given.study, profile=given.profile, overrides=[])
        layout = Layout(given.results.resolve() / study.spec.name / study.profile)
        _refuse_impossible(layout)
        shown = RunFilter.of(make_plan(study, fingerprint=""), layout)
        entity = study.spec.tracking.wandb.entity or str(wandb.Api(timeout=_ANSWER_SECONDS).default_entity)
        for name, address in publish(shown, layout, entity).items():
            print(f"{name}: {address}")
    except InputError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except Exception as error:
        if not is_of_wandb(error) and not isinstance(error, ValueError):  # the package for views has no kind of its own
            raise
        print(_refusal(error), file=sys.stderr)
        return REFUSED
    finally:
        leave()
    return DONE


def _refuse_impossible(layout: Layout) -> None:
    if ws is None:
        rule, allowed = "the package wandb-workspaces is not installed", "an environment with the extra `dashboard`"
        raise InputError(Problem(rule, "launch/dashboard.py", allowed=allowed, todo="pip install -e '.[dashboard]'"))
    if not layout.study.exists():
        todo = "run it first: python launch/study.py with the same study file and profile"
        raise InputError(Problem("this study has no results yet", str(layout.root), "no study.json", _STARTED, todo))
    decision = decide_mode("online")
    if decision.mode != "online":
        todo = "log in with `wandb login`; WANDB_BASE_URL names another server than W&B's own"
        raise InputError(Problem("W&B cannot be reached", "launch/dashboard.py", decision.reason, todo=todo))


def _refusal(error: Exception) -> InputError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    todo = "look at the login (`wandb login`) and at tracking.wandb, and give the same command again"
    return InputError(Problem("W&B refused, or cannot be reached", "launch/dashboard.py", reason, todo=todo))
