"""Studies with a search that are a formula: they go as the launcher's would, and what is counted of them."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from small_study import NeverStop

from analysis.load import load
from analysis.simulation import __main__ as simulation
from benchmarks.searches import __main__ as searches
from benchmarks.searches import cases, write_up
from benchmarks.searches.cases import Case, kept, run, surfaces
from benchmarks.searches.designs import BUDGET, DESIGNS, Design
from benchmarks.searches.negative_control import study_text
from benchmarks.searches.play import play
from benchmarks.searches.rates import found_of, rates_of, units
from benchmarks.searches.surface import LEAST_ERROR, Surface, luck_of
from glifr.conditions import CONDITIONS
from glifr.records import Proposal
from launch.executors.nothing import pretend
from launch.executors.simulated import Clock, SimulatedExecutor
from launch.ledger.folder import write_study
from launch.ledger.units import Ledger
from launch.planning.seed_batches import SeedBatches
from launch.scheduling.condition_run import RunOptions
from launch.scheduling.study_scheduler import StudyScheduler
from launch.studyfile import StudySpec, load_study

SMALL = Design(2, 11, 1, 2, 2, 2)  # a trial beyond the sampler's start-up
QUICK = Design(1, 4, 1, 2, 1, 20)


def network(own: dict[str, Surface], proposal: Proposal, seed: int, epoch: int) -> tuple[float, float]:
    """Loss and accuracy as `play` has them; the last epoch is one of a training that long."""
    unit = proposal.unit
    place = (proposal.seeds.index(seed), unit.number)
    if unit.stage == "final":
        place = (0, SMALL.plan.study.spec.final_seeds(unit.repeat).index(seed))
    luck = luck_of(0, unit.stage, unit.condition, unit.repeat, place[1], place[0])
    surface = own[unit.condition]
    return surface.loss(proposal.hyperparameters, epoch, luck), 1 - surface.error(proposal.hyperparameters, epoch, luck)


def test_a_study_goes_as_the_launcher_has_it(tmp_path: Path) -> None:
    """The real scheduler, search and ledger, one job at a time: the same final networks, to the last bit."""
    own = dict(surfaces("moved"))
    write_study(Ledger(tmp_path).layout, SMALL.plan)
    options = RunOptions(SeedBatches(1), 0, "simulated")
    conductor = StudyScheduler(SMALL.plan, Ledger(tmp_path), options, lambda: None)
    work = partial(pretend, networks=partial(network, own))
    SimulatedExecutor(tmp_path, 1, work, lambda job: 1.0, Clock()).run(conductor, NeverStop())
    assert conductor.complete
    values = load(tmp_path).final_values()
    played = play(SMALL, 0, "common", own)
    assert np.array_equal(values.to_numpy(), played.accuracy.reshape(4, -1))
    assert np.allclose(load(tmp_path).unit_values(), units([played])[0], rtol=1e-14)


def test_every_design_keeps_within_the_budget() -> None:
    for repeats, design in DESIGNS.items():
        assert design.repeats == repeats
        assert design.repeats * design.final_seeds == 20
        assert 0.9 * BUDGET < design.epochs <= BUDGET


def test_learning_rate_and_weight_spread_explain_the_loss_as_in_real_studies() -> None:
    rng = np.random.default_rng(0)
    rates, spreads = rng.uniform(-4, -2, 400), rng.uniform(-1, 1, 400)
    settings = [{"learning_rate": 10**a, "weight_spread": 2**b} for a, b in zip(rates, spreads, strict=True)]
    y = np.log([Surface().loss(s, 10, luck) for s, luck in zip(settings, rng.normal(size=400), strict=True)])
    x = np.stack([np.ones(400), rates, rates**2, spreads, spreads**2], axis=1)
    left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    assert 1 - left.var() / y.var() > 0.94


def test_a_factor_of_four_in_the_learning_rate_costs_what_it_did_in_a_quick_study() -> None:
    near = {"learning_rate": 10 ** Surface().rate, "weight_spread": 2 ** Surface().spread}
    far = {**near, "learning_rate": near["learning_rate"] / 4}
    assert Surface().regret(near) == pytest.approx(0)
    assert math.log(1 + Surface().regret(far) / LEAST_ERROR) == pytest.approx(math.log(0.312 / 0.21), abs=0.05)


def test_with_the_budget_of_a_quick_study_luck_is_several_times_the_noise() -> None:
    same = dict.fromkeys(CONDITIONS, Surface())
    found = found_of(Case(1, "own", "same"), [play(QUICK, study, "own", same) for study in range(20)])
    assert 3 < found.luck / found.noise < 7


def test_conditions_that_share_proposals_differ_less_by_luck() -> None:
    same = dict.fromkeys(CONDITIONS, Surface())
    own, common = (
        found_of(Case(1, kind, "same"), [play(QUICK, study, kind, same) for study in range(20)]).luck
        for kind in ("own", "common")
    )
    assert common < 0.6 * own


@pytest.mark.program
def test_one_search_errs_and_ten_do_not() -> None:
    """The networks of one search are no independent units; repeats are. A few studies of the real designs."""
    same = dict.fromkeys(CONDITIONS, Surface())
    shares = {}
    for repeats, studies in ((1, 12), (10, 40)):
        case = Case(repeats, "common", "same")
        played = [play(DESIGNS[repeats], study, "common", same) for study in range(studies)]
        for rate in rates_of(case, played):
            shares[repeats, rate.what, rate.test] = rate.share
    assert shares[1, "fwer planned", "sign-flip"] > 0.5
    assert shares[1, "covers least planned", "t"] < 0.7
    assert shares[10, "fwer planned", "sign-flip"] < 0.15
    assert shares[10, "fwer factorial", "sign-flip"] < 0.15
    assert shares[10, "covers least planned", "t"] > 0.8


def test_an_interrupted_run_continues_and_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = (Case(20, "common", "same"), Case(20, "own", "moved"))
    monkeypatch.setattr(cases, "MAIN", few[:1])
    monkeypatch.setattr(cases, "BESIDE", few[1:])
    list(run(tmp_path / "whole", 4))
    list(run(tmp_path / "broken", 2))
    torn = tmp_path / "broken" / f"{few[0].name}.jsonl"
    torn.write_text(torn.read_text()[:-9])
    assert len(kept(tmp_path / "broken", few[0])) == 1
    assert list(run(tmp_path / "broken", 4))
    assert not list(run(tmp_path / "broken", 4))
    for case in few:
        name = f"{case.name}.jsonl"
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_docs_get_every_rate_between_their_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "BESIDE", ())
    monkeypatch.setattr(searches, "CASES", cases.MAIN)
    monkeypatch.setattr(simulation.clusters, "rates", lambda networks, seed: iter(()))
    searches.main(["--studies", "2", "--keep", str(tmp_path / "kept"), "--out", str(tmp_path)])
    simulation.main(["4", "--out", str(tmp_path)])
    page = f"before\n{write_up.BEGIN}old\n{write_up.END}after\n"
    made = write_up.written(page, tmp_path)
    assert made.startswith("before\n")
    assert made.endswith("after\n")
    assert "old" not in made
    for n in (10, 20):  # a row of contrasts, and one of levels without an order
        assert made.count(f"log-normal, skewness 1.75 | {n}") == 2
    assert made.count("| seed (wrong) |") == 2
    assert made.count("| repeat |") == 6
    assert write_up.written(made, tmp_path) == made


def test_the_page_has_the_stored_rates() -> None:
    text = (write_up.DOCS / "statistics.md").read_text(encoding="utf-8")
    assert write_up.written(text, write_up.DOCS / "statistics") == text


def test_a_share_has_exact_limits() -> None:
    assert write_up.share((0, 500)) == "0.0 (0–1)"
    assert write_up.share((200, 4000)) == "5.0 (4.3–5.7)"


def test_both_studies_of_a_control_share_their_final_seeds_alone(tmp_path: Path) -> None:
    texts = [study_text("streams", 3, which) for which in (0, 1)]
    first, second = (_spec(tmp_path / f"{i}.yaml", text) for i, text in enumerate(texts))
    assert first.final_seeds() == second.final_seeds()
    assert not set(first.search_seeds()) & set(second.search_seeds())
    both = _spec(tmp_path / "pair.yaml", study_text("pair", 3, 0))
    assert list(both.conditions) == ["Hom", "HomA"]
    assert both.space_for("Hom") == both.space_for("HomA")
    assert set(both.space_for("HomA")) == {"learning_rate", "weight_spread"}
    assert 2.0 ** (1 - len(both.final_seeds())) <= both.declaration().alpha


def _spec(path: Path, text: str) -> StudySpec:
    path.write_text(text)
    return load_study(path).spec
