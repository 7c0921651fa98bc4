"""A condition as a value: the network it trains, what of it is learned, how it starts. The ten published ones as data.

The eight GLIFR conditions are a complete 2 x 2 x 2 factorial: after-spike currents {none, two} x start
{homogeneous, heterogeneous} x neuron parameters learned {no, yes}. A study makes others from them by base and values.
Source: Winston et al., Neural Computation 35(4), 2023.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal, Self

Start = Literal["homogeneous", "heterogeneous"]
Delay = float | Literal["one_step", "none"]
Setting = float | str  # also a whole number, or true and false

# a GLIFR neuron's trained parameters: those of every neuron, and those of each after-spike current
OF_A_NEURON = ("thresh", "k_m")
OF_A_CURRENT = ("k_j", "r_j", "a_j")
CONSTANTS = ("tau", "sigma_v", "R", "I0", "v_reset")  # of GLIFR neurons
UNITS = {"delay": "ms", "dt": "ms", "tau": "ms"}  # of those values of a condition that have one
NOT_SEARCHED = ("learned", "output_weight", "learned_from")  # settings that say what a condition is


@dataclass(frozen=True)
class NetworkKind:
    """What a study knows of a kind of network without building one, whether from outside or of the project.

    Attributes:
        keys: Keys of a condition, in addition to its size, its training and its start.
        settings: The kind's own settings, by name, with their defaults.
        delay: The usual delay of its lateral connections [ms]; "none" where it has none.
        parameters: Parameters of its neurons, which may be learned.
        of_a_current: Those that it has only with after-spike currents.
        spreads: Hyperparameters of its start.
        spreads_heterogeneous: Hyperparameters of its heterogeneous start.
        silenced: What silencing a neuron acts on, in words; "" where neurons cannot be silenced.
    """

    keys: tuple[str, ...]
    settings: tuple[tuple[str, Setting], ...] = ()
    delay: Delay = "none"
    parameters: tuple[str, ...] = ()
    of_a_current: tuple[str, ...] = ()
    spreads: tuple[str, ...] = ()
    spreads_heterogeneous: tuple[str, ...] = ()
    silenced: str = "all that it sends"

    def to_json(self) -> dict[str, Any]:
        """Plain lists and values."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; TypeError for what is no kind of network."""
        settings = tuple((name, value) for name, value in body.get("settings", ()))
        return cls(**{n: tuple(v) if isinstance(v, list) else v for n, v in body.items()} | {"settings": settings})


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


_COMMON = ("delay", "dt", "output_weight", "learned_from")
KINDS: Mapping[str, NetworkKind] = MappingProxyType(
    {
        "GLIFR": NetworkKind(
            keys=(*_COMMON, "num_ascs", "learned", *CONSTANTS),
            delay=1.0,
            parameters=OF_A_NEURON,
            of_a_current=OF_A_CURRENT,
            spreads=("weight_spread", "after_spike_spread"),
            spreads_heterogeneous=("weight_spread", "neuron_spread", "after_spike_spread"),
        ),
        "RNN": NetworkKind(keys=_COMMON, delay="one_step", spreads=("weight_spread",)),
        "LSTM": NetworkKind(keys=("dt", "output_weight", "learned_from"), spreads=("weight_spread",)),
    }
)
# of a network from outside whose code has not been imported: only what follows from the study file is known
NOT_READ = NetworkKind(keys=())


@dataclass(frozen=True)
class Condition:
    """One condition of a study.

    Attributes:
        name: Its name.
        architecture: The network: one of `KINDS`, or one from outside, as `module:object`.
        num_ascs: After-spike currents per neuron J.
        start: How neuron parameters are initialised; None where the network has none.
        learned: Whether neuron parameters are trained in addition to the weights; names where only some are (see
            `parameters`).
        color: The colour in which it is drawn, the same in every figure.
        marker: Its marker, likewise.
        dt: Time step of the network [ms]; None for the task's.
        tau: Time constant of spiking [ms] of GLIFR neurons. None for the model's own, as with the next four.
        sigma_v: Width of the firing sigmoid.
        R: Membrane resistance.
        I0: Constant input current.
        v_reset: Reset voltage.
        output_weight: Whether there is a readout; None for what the task needs.
        settings: The network's own settings that are not at their default.
        outside: What is known of a network from outside.
    """

    name: str
    architecture: str
    num_ascs: int = 0
    start: Start | None = None
    learned: bool | tuple[str, ...] = False
    color: str = "#000000"
    marker: str = "o"
    dt: float | None = None
    tau: float | None = None
    sigma_v: float | None = None
    R: float | None = None
    I0: float | None = None
    v_reset: float | None = None
    output_weight: bool | None = None
    settings: tuple[tuple[str, Setting], ...] = ()
    outside: NetworkKind | None = None

    def __post_init__(self) -> None:
        """Makes all names True, none False, and orders the others: one value for one meaning."""
        if not isinstance(self.learned, bool):
            some = tuple(name for name in self.parameters if name in self.learned)
            object.__setattr__(self, "learned", bool(some) if some in ((), self.parameters) else some)

    @property
    def kind(self) -> NetworkKind:
        """What is known of its network."""
        return self.outside or KINDS.get(self.architecture, NOT_READ)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The neuron parameters that could be learned; () for a network without."""
        if self.start is None:
            return ()
        return (*self.kind.parameters, *(self.kind.of_a_current if self.num_ascs else ()))

    @property
    def learned_parameters(self) -> tuple[str, ...]:
        """The neuron parameters that are learned."""
        if isinstance(self.learned, bool):
            return self.parameters if self.learned else ()
        return self.learned

    @property
    def constants(self) -> dict[str, float]:
        """The constants of the neurons that are not the model's own."""
        return {name: value for name in CONSTANTS if (value := getattr(self, name)) is not None}

    @property
    def usual_delay(self) -> Delay:
        """The delay that its network has where nothing is said [ms]."""
        return self.kind.delay

    @property
    def all_settings(self) -> dict[str, Setting]:
        """The network's own settings, by name."""
        return dict(self.kind.settings) | dict(self.settings)

    @property
    def family(self) -> str:
        """Which search space it takes: rnn, lstm, glifr_homogeneous, glifr_heterogeneous; or its network's name."""
        if self.architecture not in KINDS:
            return self.architecture
        return self.architecture.lower() if self.start is None else f"glifr_{self.start}"

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """What can be tuned: the spreads exist only where the condition has what they scale."""
        spreads = self.kind.spreads_heterogeneous if self.start == "heterogeneous" else self.kind.spreads
        without = "after_spike_spread" if self.kind.of_a_current and not self.num_ascs else None
        return ("learning_rate", *(name for name in spreads if name != without))

    @property
    def searchable(self) -> tuple[str, ...]:
        """Settings of its network that a search may try values of, by key path within the condition."""
        own = tuple(f"settings.{name}" for name, _ in self.kind.settings)
        return ("hidden_size", *(name for name in self.kind.keys if name not in NOT_SEARCHED), *own)

    def learned_from(self, among: Iterable[Condition]) -> str | None:
        """Finds the first condition whose trained networks a `learned` start can draw from.

        It learns its neurons from a homogeneous start, and has as many after-spike currents.

        Args:
            among: The conditions of the study.

        Returns:
            Its name; None if there is none, or this condition's start is not heterogeneous.
        """
        if self.start != "heterogeneous":
            return None
        alike = (c for c in among if c.num_ascs == self.num_ascs and c.start == "homogeneous")
        return next((c.name for c in alike if c.learned is True and c.architecture == self.architecture), None)

    def describe(self, learned_start: str | None = None) -> dict[str, str]:
        """Describes the condition in words, for `--plan` and the report's table of differences.

        Args:
            learned_start: The condition whose trained networks it starts from.

        Returns:
            Its features by name.
        """
        if self.start is None:
            begins = {"start": f"drawn from trained {learned_start}"} if learned_start else {}
            return {"network": self.architecture, **begins}
        some = self.learned_parameters
        currents = {"after-spike currents": str(self.num_ascs) if self.num_ascs else "none"}
        return {
            "network": self.architecture,
            **(currents if self.kind.of_a_current else {}),
            "start": f"drawn from trained {learned_start}" if learned_start else str(self.start),
            "neuron parameters": ("learned" if self.learned else "fixed")
            if isinstance(self.learned, bool)
            else f"{', '.join(some)} learned",
        }

    def to_json(self) -> dict[str, Any]:
        """What the condition is, without what it leaves to the model or the task."""
        later = {f.name: f.default for f in fields(self) if f.default is None or f.name == "settings"}
        later.pop("start")
        kept = {f.name: v for f in fields(self) if (v := getattr(self, f.name)) != later.get(f.name, ...)}
        return {name: v.to_json() if isinstance(v, NetworkKind) else v for name, v in kept.items()}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; TypeError for what is no condition."""
        learned, outside = body.get("learned", False), body.get("outside")
        given = {**body, "learned": learned if isinstance(learned, bool) else tuple(learned)}
        if outside is not None:
            given["outside"] = NetworkKind.from_json(outside)
            given["settings"] = tuple((name, value) for name, value in body.get("settings", ()))
        return cls(**given)


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

# For all others, in the order of their study: dark colours (P. Tol, "muted"), and markers that no published one has
_COLORS = ("#332288", "#882255", "#117733", "#999933", "#AA4499", "#661100", "#6699CC", "#44AA99", "#CC6677", "#777777")
_MARKERS = ("X", "*", "h", "<", "p", ">", "d", "8", "H")


def own_style(place: int) -> tuple[str, str]:
    """Colour and marker of a study's own condition, counted from 0; no two have the same marker."""
    marker = _MARKERS[place] if place < len(_MARKERS) else f"${place + 1}$"
    return _COLORS[place % len(_COLORS)], marker


def styled(conditions: Iterable[Condition], hues: Mapping[str, int] = MappingProxyType({})) -> dict[str, Condition]:
    """Gives the conditions of a study their colours and markers; a published name keeps its own.

    Args:
        conditions: The conditions.
        hues: Index of the colour, for conditions that share one.

    Returns:
        The conditions by name.
    """
    found: dict[str, Condition] = {}
    own = 0
    for condition in conditions:
        known = CONDITIONS.get(condition.name)
        color, marker = (known.color, known.marker) if known else own_style(own)
        if condition.name in hues:
            color, _ = own_style(hues[condition.name])
        own += known is None
        found[condition.name] = replace(condition, color=color, marker=marker)
    return found


HYPERPARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        "learning_rate": "step size of the optimiser",
        "weight_spread": "gain on sqrt(1/H), the half-width of the uniform start of the weights",
        "neuron_spread": "factor on the half-widths of thresh, k_m and k_j about their centres",
        "after_spike_spread": "factor on the half-widths of r_j and a_j about zero",
    }
)
