"""The ten conditions as data: what each network has, how it starts, what of it is learned.

The eight GLIFR conditions are a complete 2 x 2 x 2 factorial: after-spike currents {none, two} x start
{homogeneous, heterogeneous} x neuron parameters learned {no, yes}. To add a condition, add a row here and
name it in a study. Source: Winston et al., Neural Computation 35(4), 2023.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Architecture = Literal["GLIFR", "RNN", "LSTM"]
Start = Literal["homogeneous", "heterogeneous"]

FACTORS = ("after-spike currents", "heterogeneous start", "learned neurons")


@dataclass(frozen=True)
class Condition:
    """One condition of a study.

    architecture: the recurrent network. num_ascs: after-spike currents per neuron (J).
    start: how neuron parameters are initialised, None where the network has none.
    learned: whether neuron parameters are trained beside the weights.
    color, marker: how the condition is drawn, the same in every figure (Okabe-Ito palette).
    """

    name: str
    architecture: Architecture
    num_ascs: int = 0
    start: Start | None = None
    learned: bool = False
    color: str = "#000000"
    marker: str = "o"

    @property
    def family(self) -> str:
        """Which search space the condition takes: rnn, lstm, glifr_homogeneous or glifr_heterogeneous."""
        return self.architecture.lower() if self.start is None else f"glifr_{self.start}"

    @property
    def levels(self) -> dict[str, int] | None:
        """-1 or 1 on each of `FACTORS`; None for a network without neuron parameters."""
        if self.start is None:
            return None
        on = (self.num_ascs > 0, self.start == "heterogeneous", self.learned)
        return {factor: 1 if has else -1 for factor, has in zip(FACTORS, on, strict=True)}

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """What can be tuned: the spreads exist only where the condition has what they scale."""
        names = ["learning_rate", "weight_spread"]
        if self.start == "heterogeneous":
            names.append("neuron_spread")
        if self.num_ascs > 0:
            names.append("after_spike_spread")
        return tuple(names)

    @property
    def learned_from(self) -> str | None:
        """The condition whose trained networks a `learned` start draws from.

        None unless the start is heterogeneous, and where no condition learns from a homogeneous one with as many
        after-spike currents.
        """
        if self.start != "heterogeneous":
            return None
        alike = (c for c in CONDITIONS.values() if c.num_ascs == self.num_ascs and c.start == "homogeneous")
        return next((c.name for c in alike if c.learned and c.architecture == self.architecture), None)

    def describe(self, learned_start: bool = False) -> dict[str, str]:
        """The condition's features in words, for `--plan` and the report's table of differences."""
        if self.architecture != "GLIFR":
            return {"network": self.architecture}
        return {
            "network": "GLIFR",
            "after-spike currents": str(self.num_ascs) if self.num_ascs else "none",
            "start": f"drawn from trained {self.learned_from}" if learned_start else str(self.start),
            "neuron parameters": "learned" if self.learned else "fixed",
        }

    def difference_from(self, reference: Condition, learned_start: bool = False) -> str:
        """What differs from `reference`, in words; 'reference' for the reference itself."""
        if self == reference:
            return "reference"
        mine, theirs = self.describe(learned_start), reference.describe()
        if mine["network"] != theirs["network"]:
            return f"network {mine['network']} instead of {theirs['network']}"
        return ", ".join(f"{key} {mine[key]} instead of {theirs[key]}" for key in mine if mine[key] != theirs[key])


_ALL = (
    Condition("RNN", "RNN", color="#000000", marker="s"),
    Condition("LSTM", "LSTM", color="#666666", marker="D"),
    Condition("Hom", "GLIFR", 0, "homogeneous", False, "#56B4E9", "o"),
    Condition("HomA", "GLIFR", 2, "homogeneous", False, "#0072B2", "o"),
    Condition("LHet", "GLIFR", 0, "homogeneous", True, "#E69F00", "^"),
    Condition("LHetA", "GLIFR", 2, "homogeneous", True, "#D55E00", "^"),
    Condition("FHet", "GLIFR", 0, "heterogeneous", False, "#8FD6BE", "v"),
    Condition("FHetA", "GLIFR", 2, "heterogeneous", False, "#009E73", "v"),
    Condition("RHet", "GLIFR", 0, "heterogeneous", True, "#E3B4CE", "P"),
    Condition("RHetA", "GLIFR", 2, "heterogeneous", True, "#CC79A7", "P"),
)

CONDITIONS: Mapping[str, Condition] = MappingProxyType({c.name: c for c in _ALL})

HYPERPARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        "learning_rate": "step size of Adam",
        "weight_spread": "gain on sqrt(1/H), the half-width of the uniform start of the weights",
        "neuron_spread": "factor on the half-widths of thresh, k_m and k_j about their centres",
        "after_spike_spread": "factor on the half-widths of r_j and a_j about zero",
    }
)
