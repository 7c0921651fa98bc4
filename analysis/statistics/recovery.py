"""Parameter recovery: networks against the neuron whose output they learned, where the task knows it.

The numbering of after-spike currents means nothing, so a network's currents are matched with the target's so that the
summed relative error is least.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.intervals import share_limits

WITHIN = 0.05
PARAMETERS = ("thresh", "k_m", "k_j", "r_j", "a_j")
_KEY = ["condition", "seed", "parameter", "index"]


@dataclass(frozen=True)
class ParameterRecovery:
    """One parameter in the networks of one condition.

    Attributes:
        networks: Networks with a known target.
        recovered: Those with all its values (one per current) within WITHIN of the target, as a share of the target's
            size.
        low: Lower end of the exact 95 % interval of their share.
        high: Upper end.
        error: Median relative error over networks, each its mean over currents; infinite where most diverged.
    """

    condition: str
    parameter: str
    networks: int
    recovered: int
    low: float
    high: float
    error: float


def recoveries(parameters: pd.DataFrame) -> pd.DataFrame:
    """Compares each parameter of each final network with its target.

    Args:
        parameters: The tidy table.

    Returns:
        Columns condition, seed, parameter, index, target, found, error. Empty where no target is known; found is
        missing and error infinite where the network diverged.
    """
    final = parameters["stage"] == "final"
    own = parameters[final & parameters["when"].isin(["end", "target"])]
    wide = own.pivot_table(index=_KEY, columns="when", values="mean", sort=False).reset_index()
    if "target" not in wide:
        return pd.DataFrame(columns=[*_KEY, "target", "found", "error"])
    found = wide["end"] if "end" in wide else pd.Series(np.nan, index=wide.index)
    wide = wide.assign(found=found)[wide["target"].notna()]
    matched = [_matched(network) for _, network in wide.groupby(["condition", "seed"], sort=False)]
    whole = pd.concat(matched, ignore_index=True)
    # a model without after-spike currents has none to recover
    had = whole.groupby(["condition", "parameter"])["found"].transform(lambda values: values.notna().any())
    diverged = whole.groupby(["condition", "seed"])["found"].transform(lambda values: values.isna().all())
    return whole[had | diverged][[*_KEY, "target", "found", "error"]].reset_index(drop=True)


def recovered(values: pd.DataFrame) -> list[ParameterRecovery]:
    """A row for each condition and parameter of `recoveries`."""
    rows = []
    for (condition, parameter), own in values.groupby(["condition", "parameter"], sort=False):
        errors = own.groupby("seed")["error"]
        n, k = errors.ngroups, int((errors.max() <= WITHIN).sum())
        low, high = share_limits(k, n)
        rows.append(ParameterRecovery(str(condition), str(parameter), n, k, low, high, float(errors.mean().median())))
    return rows


def _matched(network: pd.DataFrame) -> pd.DataFrame:
    """One network with its after-spike currents renumbered as the target's."""
    currents = network[network["parameter"].isin(["k_j", "r_j", "a_j"])]
    target, found = (currents.pivot_table(index="index", columns="parameter", values=v) for v in ("target", "found"))
    found_as = network["found"].to_numpy(float).copy()
    if len(found):
        order = min(permutations(range(len(found))), key=lambda p: _error(target.to_numpy(), found.to_numpy()[list(p)]))
        renumbered = found.iloc[list(order)].set_axis(found.index)
        for place, (parameter, index) in enumerate(zip(network["parameter"], network["index"], strict=True)):
            if parameter in renumbered:
                found_as[place] = renumbered.loc[index, parameter]
    wanted = network["target"].to_numpy(float)
    error = np.where(np.isnan(found_as), np.inf, np.abs(found_as - wanted) / np.abs(wanted))
    return network.assign(found=found_as, error=error)


def _error(target: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    return float((np.abs(found - target) / np.abs(target)).sum())
