"""How often looks err over all of them, and what they cost beside a fixed number of seeds.

`python -m analysis.simulation.look_rates [STUDIES] [--out FOLDER]`
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import stats

from analysis.sequential.spending import Spending, pocock
from analysis.simulation.families import PLANNED, SELDOM, effects
from analysis.simulation.looks import DIFFERENT, EQUIVALENT, Rules, play
from analysis.simulation.nulls import NAMES, NULLS, SEED, Null
from analysis.simulation.rate import Rate
from glifr.records import Contrast, LookDesign

DESIGN = LookDesign(12, 4, 40)
NONE = 1e-9  # a margin within which no mean is known to lie
MARGIN = 1.0  # of equivalence, in standard deviations of a network
PLANTED = (0.0, 0.5, 0.8, 1.2, 2.0)  # d_z of each condition against the reference
REFERENCE = "LHetA"
FIXED = tuple(range(8, 41))  # numbers of seeds among which the fewest with as many findings are looked for


def obrien_fleming(share: float) -> float:
    """The share of a level of .05 that O'Brien and Fleming's kind of function has spent by then."""
    return float(2 * stats.norm.sf(stats.norm.isf(0.025) / np.sqrt(share)) / 0.05)


def evenly(share: float) -> float:
    """In proportion to the units."""
    return share


SPENDINGS: dict[str, Spending] = {"Pocock": pocock, "even": evenly, "O'Brien-Fleming": obrien_fleming}


def families() -> dict[str, tuple[Contrast, ...]]:
    """The families that are judged: each condition against the reference, all that are planned, and the effects too."""
    pairs = tuple(c for c in PLANNED if c.minus == (REFERENCE,))
    return {"pairs": pairs, "planned": tuple(PLANNED), "planned and factorial": (*PLANNED, *effects())}


@dataclass(frozen=True)
class Cost:
    """What looks cost where each condition differs from the reference by `effect` standard deviations of a pair.

    Attributes:
        networks: Networks, as a share of those of a fixed design with all seeds.
        found: The share of true differences that is found.
        fixed: The share that the fixed design finds.
        enough: The fewest seeds of a fixed design that finds as many; None where none of `FIXED` does or none is true.
    """

    rule: str
    family: str
    effect: float
    networks: float
    found: float
    fixed: float
    enough: int | None


def error_rates(null: Null, studies: int) -> Iterator[Rate]:
    """Of studies without any effect, over all looks: one difference or more, and the interval that covers least.

    Nothing can be called equivalent, so that all goes on the longest.
    """
    rng = np.random.default_rng([SEED, 200, NULLS.index(null)])
    values = null.draw(rng, studies, DESIGN.most)
    for name, contrasts in families().items():
        ended = play(values, contrasts, Rules(DESIGN, NONE))
        yield Rate(null.name, DESIGN.most, f"looks: fwer {name}", int(_any(ended.state == DIFFERENT)), studies)
        known = (~np.isnan(ended.covers)).sum(axis=0)
        seen = zip(np.nansum(ended.covers, axis=0), known, strict=True)
        held, of = min(((h, n) for h, n in seen if n > SELDOM * studies), key=lambda c: c[0] / c[1])
        yield Rate(null.name, DESIGN.most, f"looks: covers least {name}", int(held), int(of))


def false_equivalence(studies: int) -> Iterator[Rate]:
    """The reference is worse than the others by exactly the margin, so that none is equivalent."""
    values = NULLS[0].draw(np.random.default_rng([SEED, 201]), studies, DESIGN.most)
    values[:, :, NAMES.index(REFERENCE)] -= MARGIN
    state = play(values, families()["pairs"], Rules(DESIGN, MARGIN)).state
    yield Rate("independent", DESIGN.most, "looks: false equivalence", int(_any(state == EQUIVALENT)), studies)


def _any(found: np.ndarray) -> int:
    return int(found.any(axis=1).sum())


def costs(studies: int) -> Iterator[Cost]:
    """Of the rule that is used, for each family and effect; of the others for pairs alone, by the t test."""
    for name, contrasts in families().items():
        for effect in PLANTED:
            yield _cost("Pocock", Rules(DESIGN, MARGIN), name, contrasts, effect, studies)
    pairs = families()["pairs"]
    rules = {name: Rules(DESIGN, MARGIN, spending, exact=False) for name, spending in SPENDINGS.items()}
    rules["any time"] = Rules(DESIGN, MARGIN, exact=False, anytime=True)
    for rule, own in rules.items():
        for effect in PLANTED:
            yield _cost(f"{rule}, t test", own, "pairs", pairs, effect, studies)


def _cost(rule: str, rules: Rules, family: str, contrasts: Sequence[Contrast], effect: float, studies: int) -> Cost:
    values = NULLS[0].draw(np.random.default_rng([SEED, 202]), studies, DESIGN.most)
    values[:, :, NAMES.index(REFERENCE)] -= effect * np.sqrt(2)  # of a difference of two networks
    true = np.array([c.minus == (REFERENCE,) for c in contrasts])

    def found(own: Rules) -> float:
        return float((play(values[:, : own.design.most], contrasts, own).state[:, true] == DIFFERENT).mean())

    ended, by_t = play(values, contrasts, rules), replace(rules, exact=False, anytime=False)
    seen = float((ended.state[:, true] == DIFFERENT).mean())
    of_fixed = {n: found(replace(by_t, design=LookDesign(n, 1, n))) for n in FIXED}
    enough = next((n for n, share in of_fixed.items() if share >= seen), None) if effect else None
    networks = float(ended.units.mean() / DESIGN.most)
    return Cost(rule, family, effect, networks, seen, of_fixed[DESIGN.most], enough)


def _rates(studies: int) -> Iterator[Rate]:
    for null in NULLS:
        yield from error_rates(null, studies)
    yield from false_equivalence(studies)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints each rate and cost; with --out, also as looks.csv and looks_cost.csv in that folder."""
    parser = argparse.ArgumentParser(prog="python -m analysis.simulation.look_rates", description=__doc__)
    parser.add_argument("studies", nargs="?", type=int, default=2000, help="simulated studies of each kind (2000)")
    parser.add_argument("--out", type=Path, help="a folder for the CSV files")
    given = parser.parse_args(arguments)
    rates, paid = [], []
    for rate in _rates(given.studies):
        low, high = rate.limits
        print(f"{rate.null}, {rate.what}: {rate.share:.4f} ({low:.4f} to {high:.4f})", flush=True)
        rates.append(rate)
    for cost in costs(max(50, given.studies // 4)):
        print(cost, flush=True)
        paid.append(cost)
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        rows = [[r.null, r.units, r.what, r.count, r.total] for r in rates]
        _write(given.out / "looks.csv", ["null", "units", "what", "count", "total"], rows)
        lines = [[c.rule, c.family, c.effect, *map(_short, (c.networks, c.found, c.fixed)), c.enough] for c in paid]
        head = ["rule", "family", "effect", "networks", "found", "fixed", "enough"]
        _write(given.out / "looks_cost.csv", head, lines)
    return 0


def _short(share: float) -> str:
    return f"{share:.4f}"


def _write(path: Path, head: list[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([head, *rows])


if __name__ == "__main__":
    sys.exit(main())
