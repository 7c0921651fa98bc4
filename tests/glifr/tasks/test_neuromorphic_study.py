"""Networks on neuromorphic MNIST, and the published study."""

from __future__ import annotations

import pytest
import torch
from paths import ROOT

from glifr.conditions import CONDITIONS
from glifr.configuration import Configuration, TrainingSettings
from glifr.definitions import build_network
from glifr.tasks import TASKS, Split, TaskData, TaskSettings
from glifr.training.train import Training
from launch.planning.plan import make_plan
from launch.studyfile import load_study

TASK = TASKS["neuromorphic_mnist"]
SYNTHETIC = TaskSettings("neuromorphic_mnist", "synthetic_saccades")
STUDY = ROOT / "studies" / "published_neuromorphic_mnist.yaml"


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_starts_at_steps_of_one_millisecond(name: str) -> None:
    delay = None if name == "LSTM" else 1
    sizes = {"in_size": TASK.inputs, "out_size": 10, "hidden_size": 8}
    network = build_network(CONDITIONS[name], **sizes, dt=TASK.time_step_ms, delay_steps=delay, hyperparameters={})
    inputs, _ = TASK.load(SYNTHETIC).train.batch(torch.arange(4))
    outputs = network(inputs)
    outputs = outputs[0] if isinstance(outputs, tuple) else outputs
    assert outputs.shape == (4, 15, 10)
    assert torch.isfinite(outputs).all()
    if name in ("Hom", "LHetA"):  # k_m starts at 0.05 per ms
        stored = dict(network.named_parameters()) | dict(network.named_buffers())
        (k_m,) = (value for key, value in stored.items() if key.endswith("trans_k_m"))
        assert torch.sigmoid(k_m).flatten().tolist() == pytest.approx([0.05] * 8)


def test_training_on_synthetic_recordings_lowers_the_loss() -> None:
    full = TASK.load(SYNTHETIC)
    assert full.validation is not None
    every, few = torch.arange(0, 3600, 4), torch.arange(0, 700, 4)
    data = TaskData(
        Split(full.train.stored[every], full.train.targets[every], full.train.decode),
        Split(full.validation.stored[few], full.validation.targets[few], full.validation.decode),
    )
    configuration = Configuration(CONDITIONS["LHetA"], 32, 1, {"learning_rate": 1e-2})
    training = Training(TASK, data, configuration, TrainingSettings(epochs=3, batch_size=64), [0])
    losses = []
    while not training.finished:
        losses.append(training.run_epoch()[-1].validation_loss)
    assert losses[-1] < losses[0]
    assert losses[-1] < 0.6 * TASK.chance_loss


def test_the_study_is_as_published() -> None:
    """Sizes, delays and settings of the published runs; the LSTM there has 128 cells and twice the parameters."""
    study = load_study(STUDY)
    assert (study.spec.task.source, study.spec.task.train_on) == ("nmnist", "train+validation")
    assert (study.spec.training.epochs, study.spec.training.batch_size) == (30, 512)
    assert len(study.spec.final_seeds()) == 10
    planned = make_plan(study, fingerprint="").conditions
    sizes = {"RNN": 256, "LSTM": 128, "Hom": 256, "HomA": 256, "LHet": 255, "LHetA": 252}
    sizes |= {"FHet": 256, "FHetA": 256, "RHet": 255, "RHetA": 252}
    assert {name: planned[name].hidden_size for name in sizes} == sizes
    assert {planned[name].delay_steps for name in planned if name != "LSTM"} == {1}
    assert planned["RNN"].trained_parameters == 2312 * 256 + 256 * 256 + 256 + 256 * 10 + 10
    assert planned["LSTM"].trained_parameters == 1_251_594
    assert all(study.spec.conditions[name].fixed == {"learning_rate": 1e-3} for name in sizes)
    quick = load_study(STUDY, profile="quick").spec
    assert quick.task.source == "synthetic_saccades"
    assert not quick.evidence
