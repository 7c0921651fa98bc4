"""Synthetic characteristics of networks, with or without clusters among their neurons."""

from __future__ import annotations

import numpy as np

from glifr.conditions import CONDITIONS, Condition
from glifr.records import Characteristics, CurrentCurves, Examples, StepResponses

NEURONS = 40


def characteristics_of(condition: str, seed: int, clusters: int = 1, classes: bool = True) -> Characteristics:
    """Plausible arrays of a network of `NEURONS` neurons: firing that saturates, currents that decay."""
    style, rng = CONDITIONS[condition], np.random.default_rng([seed, len(condition), clusters])
    times, kept = 0.05 * np.arange(28), np.arange(0, NEURONS, NEURONS // 8)
    waves = np.sin(times[None, :, None] + rng.uniform(0, 6, (6, 1, 10 if classes else 1)))
    activity = rng.uniform(0, 1, (6, 28, len(kept)))
    examples = Examples(
        samples=np.arange(6),
        times=times,
        outputs=waves,
        targets=None if classes else waves + 0.1,
        classes=np.arange(6) if classes else None,
        neurons=kept,
        activity=activity,
        after_spike=-activity if style.num_ascs else None,
    )
    if style.architecture != "GLIFR":
        return Characteristics(start={}, end={}, examples=examples)
    start, end = _neurons_of(style, rng, clusters)
    currents, steps = np.linspace(-2, 6, 41), np.linspace(-1, 10, 60)
    on = ((steps >= 0) & (steps < 5)).astype(float)[:, None]
    voltage = on * end["thresh"][kept]
    return Characteristics(
        start=start,
        end=end,
        examples=examples,
        curves=CurrentCurves(
            currents=currents,
            firing=1 / (1 + np.exp(end["thresh"] - currents[:, None])),
            lasted_ms=40.0,
            averaged_ms=10.0,
        ),
        steps=StepResponses(
            neurons=kept,
            times=steps,
            voltage=voltage,
            firing=1 / (1 + np.exp(-voltage)),
            after_spike=-voltage if style.num_ascs else None,
            amplitude=1.0,
            on_ms=5.0,
            settled_ms=10.0,
        ),
    )


def _neurons_of(
    style: Condition, rng: np.random.Generator, clusters: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Parameters before and after training; clusters differ by 20 standard deviations in every parameter."""
    rows = {"thresh": 1, "k_m": 1} | ({"k_j": 2, "r_j": 2, "a_j": 2} if style.num_ascs else {})
    centre = {"thresh": 1.0, "k_m": 0.05, "k_j": 2.0, "r_j": 0.0, "a_j": 0.0}
    start = {name: np.full((n, NEURONS), centre[name]) for name, n in rows.items()}
    moved = start
    if style.learned or style.start == "heterogeneous":
        shift = 0.2 * rng.permutation(clusters)[np.arange(NEURONS) % clusters]
        moved = {name: values * np.exp(rng.normal(0, 0.01, values.shape) + shift) for name, values in start.items()}
        moved |= {name: rng.normal(0, 0.01, start[name].shape) + shift for name in ("r_j", "a_j") if name in start}
    flat = {"thresh", "k_m"}
    return tuple({k: v[0] if k in flat else v for k, v in values.items()} for values in (start, moved))  # type: ignore[return-value]
