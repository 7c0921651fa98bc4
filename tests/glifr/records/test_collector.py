"""Python's collector of cycles is off where it costs much and finds little, and on again afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from glifr.records.collector import collect_from_here, uncollected


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_it_is_off_within_and_as_before_afterwards() -> None:
    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="broken"), uncollected():
        raise ValueError("broken")
    assert gc.isenabled()


def test_where_a_program_began_without_it_what_is_there_is_left_out() -> None:
    before = gc.get_freeze_count()
    collect_from_here()  # it is on: nothing to do
    assert gc.get_freeze_count() == before
    gc.disable()
    collect_from_here()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
