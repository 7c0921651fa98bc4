"""Workspace and report: what would be sent to W&B, heard by a stand-in for its API."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import wandb
from small_study import STUDY, new_conductor, small_plan

from glifr.records import Layout
from launch.ledger.provenance import Sessions
from launch.tracking import workspace as tracking_workspace
from launch.tracking.workspace import REFUSED, RunFilter, main, publish

PARTS = ["Overview", "Learning curves by condition", "Search", "Silencing", "Stability map"]


class _Server:
    """W&B's API as far as views go: keeps each view that is sent, under its id."""

    app_url = "https://wandb.example.org"
    default_entity = "lab"

    def __init__(self) -> None:
        self.views: dict[str, dict[str, Any]] = {}
        self._service_api = self

    def projects(self, entity: str) -> list[Any]:
        return []

    def create_project(self, project: str, entity: str) -> None: ...

    def execute_graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "upsertView" in query:
            name = variables.get("id") or f"idn{len(self.views)}"  # four letters, as base64
            user = {"username": "someone", "name": "someone"}
            project = {"name": variables["projectName"], "entityName": variables["entityName"]}
            times = {"createdAt": "2026-01-01T00:00:00", "updatedAt": "2026-01-01T00:00:00"}
            self.views[name] = {**variables, "id": name, "user": user, "project": project, **times}
            return {"upsertView": {"view": self.views[name], "inserted": True}}
        if "allViews" in query:
            found = [{"node": v} for v in self.views.values() if v["name"] == variables["viewName"]]
            return {"project": {"allViews": {"edges": found}}}
        if "ProjectInternalId" in query:
            return {"project": {"id": "p", "internalId": "1"}}
        return {"view": self.views[variables["reportId"]]}

    def specs(self, kind: str) -> list[Any]:
        return [json.loads(v["spec"]) for v in self.views.values() if v["type"] == kind]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> _Server:
    pytest.importorskip("wandb_workspaces", reason="the extra `dashboard` is not installed")
    server = _Server()
    monkeypatch.setattr(wandb, "Api", lambda: server)
    return server


def shown(folder: Path, runs: int = 21) -> RunFilter:
    return RunFilter(small_plan(folder).study.spec, "full", ("now", "before it was extended"), runs)


def test_w1_a_study_of_630_runs_is_shown_whole(server: _Server, tmp_path: Path) -> None:
    publish(shown(tmp_path, 630), Layout(tmp_path), "lab")
    (workspace,), (report,) = server.specs("project-view"), server.specs("runs")
    assert workspace["section"]["settings"]["maxRuns"] == 631
    for text in (json.dumps(workspace), json.dumps(report)):
        limits = {int(n) for n in re.findall(r'"limit": (\d+)', text)}
        assert limits == {630}


def test_w1_what_is_shown_is_the_studys_own_from_its_folder(tmp_path: Path) -> None:
    plan, root = small_plan(tmp_path), tmp_path / "results"
    new_conductor(plan, root)
    Sessions(Layout(root), "", study_hash="before it was extended")
    found = RunFilter.of(plan, Layout(root))
    assert found.hashes == [plan.study.hash, "before it was extended"]
    assert found.profile == "full"
    assert found.runs == 21


def test_what_is_sent(server: _Server, tmp_path: Path) -> None:
    addresses = publish(shown(tmp_path), Layout(tmp_path), "lab")
    assert addresses["workspace"].startswith("https://wandb.example.org/lab/glifr-studies?nw=")
    assert "/lab/glifr-studies/reports/" in addresses["report"]
    (workspace,), (report,) = server.specs("project-view"), server.specs("runs")
    sections = {s["name"]: s["panels"] for s in workspace["section"]["panelBankConfig"]["sections"]}
    assert [name for name in sections if name in PARTS] == PARTS
    (curves, *_) = sections["Learning curves by condition"]
    assert curves["config"]["metrics"] == ["validation_loss"]
    assert curves["config"]["xAxis"] == "epoch"
    assert "condition" in json.dumps(curves["config"]["groupBy"])
    filters = json.dumps(workspace["section"]["runSets"][0]["filters"])
    for text in ("study_hash", '"now"', '"before it was extended"', "profile", '"full"'):
        assert text in filters
        assert text in json.dumps(report)
    text = json.dumps(report)
    assert '"final"' in text
    assert "test_accuracy" in text


def test_made_again_it_is_the_same_and_no_second_one(server: _Server, tmp_path: Path) -> None:
    spec = shown(tmp_path)
    first = publish(spec, Layout(tmp_path), "lab")
    before = [server.specs("project-view"), server.specs("runs")]
    assert publish(spec, Layout(tmp_path), "lab") == first
    assert len(server.views) == 2
    assert [_without_ids(s) for s in (server.specs("project-view"), server.specs("runs"))] == [
        _without_ids(s) for s in before
    ]


def _without_ids(value: Any) -> Any:
    """The package draws new ids for panels and sections at each call."""
    if isinstance(value, dict):
        return {k: _without_ids(v) for k, v in value.items() if k not in ("__id__", "id", "defaultOpenId")}
    return [_without_ids(v) for v in value] if isinstance(value, list) else value


def test_a_study_without_results_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    monkeypatch.setattr(tracking_workspace, "ws", object())
    assert main([str(path), "--results", str(tmp_path)]) == REFUSED
    assert "no results yet" in capsys.readouterr().err
    monkeypatch.setattr(tracking_workspace, "ws", None)
    assert main([str(path), "--results", str(tmp_path)]) == REFUSED
    assert "not installed" in capsys.readouterr().err
