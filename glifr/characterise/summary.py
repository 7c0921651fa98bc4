"""Summarises a trained network's neuron parameters, in natural units."""

from __future__ import annotations

import torch
from torch import Tensor

from glifr.networks import BaseNetwork
from glifr.records import ParameterSummary, When

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def _summary(name: str, index: int, when: When, values: Tensor) -> ParameterSummary:
    v = values.detach().to("cpu", torch.float64).flatten()
    q05, q25, median, q75, q95 = torch.quantile(v, torch.tensor(_QUANTILES, dtype=torch.float64)).tolist()
    return ParameterSummary(
        parameter=name,
        index=index,
        when=when,
        mean=v.mean().item(),
        sd=v.std(correction=1).item() if len(v) > 1 else 0.0,
        minimum=v.min().item(),
        q05=q05,
        q25=q25,
        median=median,
        q75=q75,
        q95=q95,
        maximum=v.max().item(),
    )


def summarise(network: BaseNetwork, when: When) -> tuple[ParameterSummary, ...]:
    """Summarises the distribution of each neuron parameter over the H neurons.

    Args:
        network: The network.
        when: What the rows are labelled with.

    Returns:
        One row per parameter and after-spike current; () for a network without neuron parameters, or with a non-finite
        one.
    """
    parameters = network.neuron_parameters()
    if not all(torch.isfinite(p).all() for p in parameters.values()):
        return ()
    rows = []
    for name, values in parameters.items():
        for index, row in enumerate(values.reshape(-1, values.shape[-1])):
            rows.append(_summary(name, index, when, row))
    return tuple(rows)
