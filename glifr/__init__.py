"""GLIFR networks: generalised leaky-integrate-and-fire-rate neurons, in PyTorch.

The networks are imported when first asked for, so that `glifr.records` and `glifr.conditions` can be read where torch
is not installed, or in a moment.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glifr.networks import BNNFC, LSTMFC, RNNFC
    from glifr.networks.layers import GLIFR, LSTMC, RNNC
    from glifr.networks.state import NetworkState
    from glifr.records.storage.loading import best_seed, load

__all__ = ["BNNFC", "GLIFR", "LSTMC", "LSTMFC", "RNNC", "RNNFC", "NetworkState", "best_seed", "load"]

_HOMES = {
    "BNNFC": "glifr.networks",
    "GLIFR": "glifr.networks.layers",
    "LSTMC": "glifr.networks.layers",
    "LSTMFC": "glifr.networks",
    "RNNC": "glifr.networks.layers",
    "RNNFC": "glifr.networks",
    "NetworkState": "glifr.networks.state",
    "best_seed": "glifr.records.storage.loading",
    "load": "glifr.records.storage.loading",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'glifr' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
