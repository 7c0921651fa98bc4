"""Parameter recovery: networks against the neuron whose output they learned, where the task knows it.

A parameter with several values, as those of after-spike currents, has one for each part of the neuron. The numbering of
parts means nothing, so a network's are matched with the target's so that the summed relative error is least; parameters
with equally many values belong to the same parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from analysis.statistics.intervals import share_limits

WITHIN = 0.05
_KEY = ["condition", "seed", "parameter", "index"]


@dataclass(frozen=True)
class ParameterRecovery:
    """One parameter in the networks of one condition.

    Attributes:
        networks: Networks with a known target.
        recovered: Those with all its values (one per part) within WITHIN of the target, as a share of the target's
            size.
        low: Lower end of the exact 95 % interval of their share.
        high: Upper end.
        error: Median relative error over networks, each its mean over parts; infinite where most diverged.
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
    known = wide.assign(found=found).groupby(["condition", "seed"], sort=False)
    matched = [_matched(network) for _, network in known if network["target"].notna().any()]
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
    """The targets of one network beside what it found, its parts renumbered as the target's."""
    wanted = network[network["target"].notna()]
    found_as = wanted["found"].copy()
    values = wanted.groupby("parameter")["target"].transform("size")
    for count in sorted(set(values[values > 1])):
        parts = wanted[values == count]
        own = network[network["parameter"].isin(parts["parameter"])]
        target, found = (_by_part(rows, value) for rows, value in ((parts, "target"), (own, "found")))
        renumbered = _renumbered(target, found.reindex(columns=target.columns))
        at = zip(parts["index"], parts["parameter"], strict=True)
        found_as[parts.index] = [renumbered.at[index, parameter] for index, parameter in at]
    error = ((found_as - wanted["target"]).abs() / wanted["target"].abs()).fillna(np.inf)
    return wanted.assign(found=found_as, error=error)


def _by_part(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """A row for each part, a column for each parameter."""
    return rows.pivot_table(index="index", columns="parameter", values=value)


def _renumbered(target: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """`found` in the numbering of `target`; missing where the network has fewer parts."""
    wanted, own = target.to_numpy(), found.to_numpy()
    cost: NDArray[np.float64] = (np.abs(own[None] - wanted[:, None]) / np.abs(wanted[:, None])).sum(axis=2)
    rows, columns = linear_sum_assignment(np.nan_to_num(cost, nan=np.finfo(float).max / cost.size if cost.size else 0))
    same = pd.DataFrame(np.nan, target.index, target.columns)
    same.iloc[rows] = own[columns]
    return same
