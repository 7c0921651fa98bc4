"""The arrays that describe one trained network beyond its scores, kept beside the final unit's network.

Written as one compressed npz without pickled objects; its SHA-256 is in the unit's result. No torch here.
Shapes: H neurons, J after-spike currents, C currents, S times of a step, N neurons that stand for all, K samples,
T times, O outputs. Times in ms, rates in 1/ms; voltage, current and firing (a share of one spike a step) have no unit.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from glifr.records.layout import Layout
from glifr.records.reading import RecordError, read_bytes
from glifr.records.schema import NetworkFile

Array = NDArray[Any]
CHARACTERISTICS_FORMAT = 1
_FORMAT = "format"


class _Part:
    """A group of arrays whose dimensions are named; equal names have equal lengths."""

    shapes: ClassVar[Mapping[str, str]]

    def __post_init__(self) -> None:
        found: dict[str, int] = {}
        for name, dimensions in self.shapes.items():
            array = getattr(self, name)
            if array is None:
                continue
            if array.ndim != len(dimensions):
                raise ValueError(f"{name}: {array.ndim} dimensions, not {len(dimensions)}")
            for dimension, length in zip(dimensions, array.shape, strict=True):
                if found.setdefault(dimension, length) != length:
                    raise ValueError(f"{name}: {length} long where others are {found[dimension]}")


@dataclass(frozen=True, eq=False, kw_only=True)
class CurrentCurves(_Part):
    """Firing of each neuron by itself, without lateral input, under a constant synaptic input.

    Attributes:
        currents: The input, the same at every step [C].
        firing: Mean firing over the last `averaged_ms` of `lasted_ms` [C,H].
        lasted_ms: How long the input was given [ms].
        averaged_ms: How much of that is averaged [ms].
    """

    shapes: ClassVar[Mapping[str, str]] = MappingProxyType({"currents": "C", "firing": "CH"})
    currents: Array
    firing: Array
    lasted_ms: float
    averaged_ms: float


@dataclass(frozen=True, eq=False, kw_only=True)
class StepResponses(_Part):
    """Responses of neurons by themselves to a synaptic input that is switched on at time 0 and off again.

    Attributes:
        neurons: Which neurons [N].
        times: Times in ms [S].
        voltage: Voltage [S,N].
        firing: Firing [S,N].
        after_spike: After-spike currents, summed over j [S,N]; None where there are none.
        amplitude: The input.
        on_ms: How long it is on [ms].
        settled_ms: How long the neurons settle without input before the first time [ms].
    """

    shapes: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"neurons": "N", "times": "S", "voltage": "SN", "firing": "SN", "after_spike": "SN"}
    )
    neurons: Array
    times: Array
    voltage: Array
    firing: Array
    after_spike: Array | None = None
    amplitude: float
    on_ms: float
    settled_ms: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Examples(_Part):
    """The network on a few samples of its task's test data (of all data, where nothing is held out).

    Attributes:
        samples: Indices of the samples [K].
        times: Times of the steps kept, in ms [T].
        outputs: Outputs [K,T,O].
        targets: Targets [K,T,O], None for classification.
        classes: Classes [K], None for regression.
        neurons: Which neurons [N].
        activity: Their firing, or hidden state (RNN, LSTM) [K,T,N].
        after_spike: After-spike currents, summed over j [K,T,N]; None where there are none.
    """

    shapes: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "samples": "K",
            "times": "T",
            "outputs": "KTO",
            "targets": "KTO",
            "classes": "K",
            "neurons": "N",
            "activity": "KTN",
            "after_spike": "KTN",
        }
    )
    samples: Array
    times: Array
    outputs: Array
    targets: Array | None = None
    classes: Array | None = None
    neurons: Array
    activity: Array
    after_spike: Array | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Characteristics:
    """What a trained network is like beyond its scores.

    Attributes:
        start: Neuron parameters before training, in natural units: thresh and k_m [H], k_j, r_j and a_j [J,H]. Empty
            for RNN and LSTM.
        end: The same after training.
        examples: The network on a few samples.
        curves: Firing against input; None for RNN and LSTM.
        steps: Responses to a step; None for RNN and LSTM.
    """

    start: Mapping[str, Array]
    end: Mapping[str, Array]
    examples: Examples
    curves: CurrentCurves | None = None
    steps: StepResponses | None = None

    @property
    def finite(self) -> bool:
        """True if the parameters and all that the network did with the examples are."""
        own = [values for key, values in self._arrays().items() if not key.startswith(("curves/", "steps/"))]
        return all(bool(np.isfinite(values).all()) for values in own)

    def to_bytes(self) -> bytes:
        """The file's content; the same for equal values."""
        buffer = io.BytesIO()
        content: dict[str, Any] = {_FORMAT: np.asarray(CHARACTERISTICS_FORMAT), **self._arrays()}
        np.savez_compressed(buffer, **content)
        return buffer.getvalue()

    def _arrays(self) -> dict[str, Array]:
        """Everything held, as 'group/name'."""
        flat: dict[str, Array] = {}
        for when in ("start", "end"):
            flat |= {f"{when}/{name}": values for name, values in getattr(self, when).items()}
        for name in _PARTS:
            part = getattr(self, name)
            if part is not None:
                held = {f"{name}/{f.name}": getattr(part, f.name) for f in fields(part)}
                flat |= {key: np.asarray(value) for key, value in held.items() if value is not None}
        return flat

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Inverts `to_bytes`.

        Args:
            raw: The file's content.

        Returns:
            The characteristics.

        Raises:
            ValueError, KeyError, TypeError, BadZipFile: `raw` is something else.
        """
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            flat = {name: stored[name] for name in stored.files}
        form = int(flat.pop(_FORMAT))
        if form != CHARACTERISTICS_FORMAT:
            raise ValueError(f"format {form}, this version reads {CHARACTERISTICS_FORMAT}")
        groups: dict[str, dict[str, Array]] = {}
        for key, values in flat.items():
            group, _, name = key.partition("/")
            groups.setdefault(group, {})[name] = values
        parts = {name: _read_part(kind, groups[name]) for name, kind in _PARTS.items() if name in groups}
        return cls(start=groups.get("start", {}), end=groups.get("end", {}), **parts)


_PARTS: Mapping[str, type[_Part]] = MappingProxyType(
    {"curves": CurrentCurves, "steps": StepResponses, "examples": Examples}
)


def _read_part(kind: type[_Part], found: Mapping[str, Array]) -> Any:
    return kind(
        **{name: values if name in kind.shapes or values.ndim else values.item() for name, values in found.items()}
    )


def read_characteristics(layout: Layout, file: NetworkFile) -> Characteristics:
    """Reads a network's characteristics.

    Args:
        layout: Paths of the results folder.
        file: The file, as the unit's result names it.

    Returns:
        The characteristics.

    Raises:
        RecordError: The file is absent, does not match the checksum on record, or is not a file of characteristics.
    """
    try:
        raw = read_bytes(layout.inside(file.path))
    except FileNotFoundError:
        raise RecordError(f"{file.path}: no such file") from None
    if hashlib.sha256(raw).hexdigest() != file.sha256:
        raise RecordError(f"{file.path}: checksum does not fit its content")
    try:
        return Characteristics.from_bytes(raw)
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise RecordError(f"{file.path}: not a network's characteristics ({error})") from None
