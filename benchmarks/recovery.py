"""Whether the parameters of a single neuron can be recovered from its firing; writes recovery.md.

`python -m benchmarks.recovery [--targets 20] [--starts 6] [--iterations 100] [--docs DIR]`, some minutes of a core.
The targets of the task `realizable` are weighed beside those of the task `identifiable`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.words import amount, markdown_table
from glifr.characterise.fitting import fit, identifiability
from glifr.networks import BNNFC
from glifr.tasks.realizable import (
    IDENTIFIABLE_CONSTANTS,
    decode,
    identifiable_stimuli,
    identifiable_target,
    stimuli,
    target,
)

PARAMETERS = ("thresh", "k_m", "k_j", "r_j", "a_j")
WITHIN = 0.05
_DT = 0.05  # ms


def neuron(generator: torch.Generator, heterogeneous: bool = False, wide: float = 1.0) -> BNNFC:
    """A learner at its usual start, with the constants of the designed targets. wide: of the spreads of its start."""
    layer: dict[str, Any] = {"neuron_spread": min(wide, 3.0), "after_spike_spread": wide, **IDENTIFIABLE_CONSTANTS}
    settings = {"output_weight": False, "dtype": torch.float64, **layer}
    return BNNFC(1, 1, 1, _DT, heterogeneous, generator=generator, **settings)


def recovered(found: BNNFC, true: BNNFC) -> dict[str, bool]:
    """Whether all values of each parameter are within 5 %, currents matched by the least summed relative error."""
    own, wanted = found.neuron_parameters(), true.neuron_parameters()

    def error(order: Sequence[int], name: str) -> float:
        values = own[name] if name in ("thresh", "k_m") else own[name][list(order)]
        return float(((values - wanted[name]) / wanted[name]).abs().max())

    best = min(permutations(range(2)), key=lambda order: sum(error(order, name) for name in PARAMETERS))
    return {name: error(best, name) <= WITHIN for name in PARAMETERS}


class Weighed(NamedTuple):
    """conditions: of each target. losses: parameter -> of each target, of its least identifiable value."""

    conditions: list[float]
    losses: dict[str, list[float]]


def weigh(targets: Sequence[BNNFC], inputs: Tensor) -> Weighed:
    each = [identifiability(neuron_, inputs, WITHIN) for neuron_ in targets]
    losses = {name: [float(one.losses[name].min()) for one in each] for name in PARAMETERS}
    return Weighed([one.condition for one in each], losses)


def fitted(targets: Sequence[BNNFC], starts: int, iterations: int) -> tuple[list[BNNFC], list[float]]:
    """The best of several starts for each target, and its loss."""
    inputs, count = decode(identifiable_stimuli()), len(targets)
    with torch.no_grad():
        goals = torch.stack([one(inputs) for one in targets])
    kinds = [(False, 1.0), (True, 1.0), *[(True, 10.0)] * (starts - 2)][:starts]
    learners = [
        neuron(torch.Generator().manual_seed(100 * k + number), *kind)
        for k, kind in enumerate(kinds)
        for number in range(count)
    ]
    losses = fit(learners, inputs, goals.repeat(starts, 1, 1, 1), iterations).view(starts, count)
    best = losses.argmin(0).tolist()
    return [learners[k * count + n] for n, k in enumerate(best)], losses.min(0).values.tolist()


def document(count: int, starts: int, iterations: int) -> str:
    """The page."""
    designed = [identifiable_target(n) for n in range(count)]
    usual = weigh([target(n) for n in range(count)], decode(stimuli()))
    strong = weigh(designed, decode(identifiable_stimuli()))
    begin = time.process_time()
    networks, losses = fitted(designed, starts, iterations)
    minutes = (time.process_time() - begin) / 60
    each = [recovered(found, true) for found, true in zip(networks, designed, strict=True)]
    rows = [
        [f"`{name}`", _median(usual.losses[name]), _median(strong.losses[name]), _share(r[name] for r in each)]
        for name in PARAMETERS
    ]
    rows.append(["all", "", "", _share(all(r.values()) for r in each)])
    columns = ["", "`realizable`", "`identifiable`", f"`identifiable`: recovered within {WITHIN:.0%}"]
    exact = sum(loss < 1e-15 for loss in losses)
    last = (
        f"Median condition of the relative derivatives: {_median(usual.conditions)} (`realizable`), "
        f"{_median(strong.conditions)} (`identifiable`). Fits: {starts} starts each (one "
        f"homogeneous, one heterogeneous, others with ten times its after-spike spread), at most {iterations} steps of "
        f"Levenberg and Marquardt in float64, {amount(minutes)} minutes of CPU in all; {exact} of {count} end at an "
        f"exact fit (loss below 1e-15), the worst at {max(losses):.0e}. No noise was added."
    )
    return "\n\n".join([_HEAD, markdown_table(columns, rows), last])


def _median(values: Sequence[float]) -> str:
    return f"{float(torch.tensor(values, dtype=torch.float64).median()):.0e}"


def _share(values: Iterable[bool]) -> str:
    found = list(values)
    return f"{sum(found)} of {len(found)}"


_HEAD = """# Can a neuron's parameters be recovered?

Made by `python -m benchmarks.recovery`; no number here is typed by hand. One GLIFR neuron with two after-spike currents
fires; another learns its firing and should find its parameters. Whether it can is a matter of the data first: the
columns give the mean squared error that is left if a value is 5 % off and all others make up for it as well as they can
(median over targets, of the worse of two currents; `glifr.characterise.fitting.identifiability`). What float32 rounds
away is about 1e-15, so nothing smaller can be learned from such data, by any method.

The targets of the task `realizable` have the after-spike currents of the usual start. Those of the task `identifiable`
are designed so that all five parameters can be told: R 40, tau 0.25 ms, a slow hyperpolarising and a faster
depolarising current, multipliers of 0.2 to 0.7 in size, and input that is held for 2 ms. They are fitted from the usual
starts by `glifr.characterise.fitting.fit`, not by gradient descent. What gradient descent finds is the question of the
study `identifiable_recovery`; [Results](results/README.md#parameter-recovery) has what it found."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description="Recovery of parameters.")
    parser.add_argument("--targets", type=int, default=20)
    parser.add_argument("--starts", type=int, default=6)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where recovery.md is written")
    given = parser.parse_args()
    text = document(given.targets, given.starts, given.iterations)
    given.docs.mkdir(parents=True, exist_ok=True)
    (given.docs / "recovery.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
