"""Which share of a GPU a trial takes, decided from measurements that are made up: no GPU was at hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_study import STUDY, small_plan

from launch.planning.gpu_share import (
    MARGIN,
    MOST_ON_A_GPU,
    GpuShare,
    Measured,
    data_bytes,
    largest,
    most_on_a_gpu,
    share_of,
)
from launch.planning.placement import Node, Resources, trials_on
from launch.planning.seed_batches import seed_batches

GB = 10**9
BYTES = st.integers(1, 10**12)


@given(BYTES, BYTES, st.none() | st.floats(0, 2), st.integers(1, 1000))
def test_as_many_shares_as_are_promised_fit(needed: int, total: int, occupancy: float | None, most: int) -> None:
    share = share_of(needed, total, occupancy, most)
    trials = trials_on(Node("", 1000, 1), Resources(1, share, None))
    assert 1 <= trials <= min(most, MOST_ON_A_GPU)
    assert trials * round(share * 10_000) <= 10_000, "as Ray counts them"
    if trials > 1:
        assert trials * needed * (1 + MARGIN) <= total
        assert needed <= share * total, "the cap on a trial's memory is its share"
        assert occupancy is not None
        assert trials * min(1.0, occupancy) <= 1 + 1e-9, "more than the GPU has time for"


@pytest.mark.parametrize(
    ("needed", "occupancy", "most", "share"),
    [
        (2 * GB, 0.1, 32, 0.1),  # its time decides
        (6 * GB, 0.05, 32, 0.0909),  # its memory does
        (2 * GB, 0.1, 4, 0.25),  # processors do
        (0.5 * GB, 0.001, 32, 1 / 16),  # the smallest share
        (39 * GB, 0.1, 32, 1.0),  # two would fit without the margin
        (90 * GB, 0.1, 32, 1.0),  # not one fits: it is tried on a whole one
        (2 * GB, 0.9, 32, 1.0),
        (2 * GB, None, 32, 1.0),  # nobody saw how busy it is
        (2 * GB, 0.14, 32, 0.1428),  # seven: of 1/7, as Ray rounds it, only six would fit
    ],
)
def test_what_is_scarcest_decides(needed: float, occupancy: float | None, most: int, share: float) -> None:
    assert share_of(needed, 80 * GB, occupancy, most) == share


@pytest.mark.parametrize(
    ("nodes", "wanted", "most"),
    [
        ([Node("a", 32, 4)], Resources(1, 0, None), 8),
        ([Node("a", 32, 4)], Resources(4, 0, None), 2),
        ([Node("a", 2, 4)], Resources(1, 0, None), 1),
        ([Node("driver", 64, 0), Node("a", 8, 2), Node("b", 16, 2)], Resources(1, 0, None), 8),
        ([Node("a", 32, 4)], Resources(1, 0, 6), 2),  # six trials over four GPUs
    ],
)
def test_no_more_trials_share_a_gpu_than_have_processors(nodes: list[Node], wanted: Resources, most: int) -> None:
    assert most_on_a_gpu(nodes, wanted) == most


def test_the_largest_trial_is_probed_with_the_seeds_of_the_table(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, "resources.gpus=auto", "conditions.LSTM.hidden_size=500", "final.seeds=6")
    trial = largest(plan)
    assert (trial.condition, trial.seeds) == ("LSTM", 6)
    assert largest(small_plan(tmp_path, "resources.gpus=auto", "final.seeds=20")).seeds == 8
    assert (
        largest(small_plan(tmp_path, "resources.gpus=auto", "training.seeds_per_batch=3", "final.seeds=20")).seeds == 3
    )


def test_searched_sizes_are_probed_at_their_upper_end(tmp_path: Path) -> None:
    wide = STUDY.replace(
        "    rnn: &space\n", "    rnn: &space\n      training.batch_size: {choices: [100, 200, 400]}\n"
    )
    values = largest(small_plan(tmp_path, "resources.gpus=auto", text=wide)).values
    assert values["training.batch_size"] == 400
    assert 1e-3 < float(values["learning_rate"]) < 3e-2


def test_a_share_does_not_change_the_table(tmp_path: Path) -> None:
    """A quarter as a number would: see the tests of seed batches."""
    big = ("yardstick.hidden_size=2048", "training.batch_size=2000")
    plan, whole = (small_plan(tmp_path, f"resources.gpus={gpus}", *big) for gpus in ("auto", "1"))
    table = seed_batches(replace(plan, gpu_share=0.25), 1).table
    assert table == seed_batches(whole, 1).table
    assert table != seed_batches(small_plan(tmp_path, "resources.gpus=0.25", *big), 1).table


def test_the_data_count_too(tmp_path: Path) -> None:
    assert data_bytes(small_plan(tmp_path)) == 4 * 28 * 28 * 5000


def test_a_share_is_read_as_it_was_written() -> None:
    for measured in (Measured("GPU", 80, 2, 0.5), Measured("GPU", 80, 2, None), None):
        share = GpuShare(0.25, {"condition": "RNN", "values": {"x": 0.1}, "seeds": 8}, measured, "")
        assert GpuShare.from_json(json.loads(json.dumps(share.to_json()))) == share
