"""docs/library.ipynb runs from its first cell to its last, and shows what the records say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from kept_networks import make_results
from small_study import NOT_COMPILED

pytest.importorskip("nbclient")

import nbformat
from run_notebook import NOTEBOOK, execute

import glifr
from glifr.records import Layout, UnitId, UnitResult, read_sealed


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_results(tmp_path_factory.mktemp("notebook") / "results", NOT_COMPILED)


@pytest.fixture(scope="module")
def fresh(results: Path) -> Any:
    return execute(results)


def shown(notebook: Any) -> str:
    """All text that the cells print or give back."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


def kinds(notebook: Any) -> list[list[tuple[str, list[str]]]]:
    """What kinds of output each cell has."""
    return [[(o.output_type, sorted(o.get("data", {}))) for o in cell.get("outputs", [])] for cell in notebook.cells]


@pytest.mark.program
def test_the_network_is_the_best_seed_with_its_published_test_result(fresh: Any, results: Path) -> None:
    seed = glifr.best_seed(results, "LHetA")
    assert f"best seed: {seed}" in shown(fresh)
    published = UnitResult.from_json(read_sealed(Layout(results).result(UnitId("final", "LHetA", seed)))).seeds[0]
    found = re.search(r"Performance\(loss=([\d.]+), accuracy=([\d.]+)", shown(fresh))
    assert found is not None
    # the notebook's backend may round otherwise than the study's
    assert float(found[1]) == pytest.approx(published.test_loss, rel=1e-4)
    assert float(found[2]) == pytest.approx(published.test_accuracy, abs=2 / 700)


def test_networks_learn_the_sequences_in_both_ways(fresh: Any) -> None:
    plain = re.search(r"(\d+)% of new sequences", shown(fresh))
    trained = re.findall(r"seed (\d): validation loss [\d.]+, (\d+)% right", shown(fresh))
    assert plain is not None
    assert int(plain[1]) >= 95
    assert [seed for seed, _ in trained] == ["1", "2", "3"]
    assert all(int(right) >= 95 for _, right in trained)


def test_what_is_said_of_networks_among_torchs_tools_is_so(fresh: Any) -> None:
    text = shown(fresh)
    assert text.count("the same bits: True") == 2
    for said in ("its state is its own", "exported", "silenced as well"):
        assert f"{said}: True" in text
    assert "after the end of the third: 0.0" in text
    assert "outputs torch.bfloat16 state torch.float32" in text


def test_nothing_warns(fresh: Any) -> None:
    streams = [o.name for cell in fresh.cells for o in cell.get("outputs", []) if o.output_type == "stream"]
    assert set(streams) == {"stdout"}


def test_what_the_file_stores_is_of_these_cells_and_names_no_folder() -> None:
    stored = nbformat.read(NOTEBOOK, as_version=4)
    numbers = [cell.execution_count for cell in stored.cells if cell.cell_type == "code"]
    assert numbers == list(range(1, len(numbers) + 1)), "stored by one run: make notebook RESULTS=..."
    assert not re.search(r"/(home|root|tmp|Users)/", shown(stored))
    assert NOTEBOOK.stat().st_size < 150_000


def test_the_stored_outputs_are_of_the_kinds_that_a_run_gives(fresh: Any) -> None:
    assert kinds(nbformat.read(NOTEBOOK, as_version=4)) == kinds(fresh)
