# mypy: disable-error-code="untyped-decorator"
"""The backward scan of a GLIFR layer for sixteen neurons of one sample, through the steps of a block.

Equations and names: `scan.py`. Carries and the sums of the parameters' gradients stay in registers over the block;
`emit.py` says why this is written in instructions. J, the number of after-spike currents, is known when it is compiled.

What a step waits for is the carry Gf of the step after it, so what does not depend on it is computed aside. With
b_j = c (r_j asc_j,t-1 + a_j) and the currents' carries Ga_j from step t+1, the next Gf is

    sum_j b_j (Ga_j + q g_t) - c g_t (v_{t-1} - v_reset) = sum_j b_j Ga_j + g_t (q sum_j b_j - c (v_{t-1} - v_reset))

and from one Gf to the next there are an addition, a product, an addition and a product with an addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils

from glifr.kernels.emit import Address, Value, integer, loop, zeros
from glifr.kernels.padding import LANES
from glifr.kernels.vectors import BYTES, FLOATS, everywhere, intrinsic


class _Current:
    """The coefficients of one after-spike current: 1 - dt k_j, c r_j, c a_j."""

    def __init__(self, first: Address, row: Any) -> None:
        self.keep, self.multiply, self.add = (place.load() for place in _series(first, row, 3))

    def factor(self, f: Value) -> Value:
        """What the current of the step before is multiplied by."""
        return self.keep + f * self.multiply


def _series(first: Address, distance: Any, count: int) -> list[Address]:
    """So many places, each `distance` behind the one before."""
    places = [first]
    while len(places) < count:
        places.append(places[-1] + distance)
    return places[:count]


def _currents_of(J: int, coefficients: Address, row: Any) -> list[_Current]:
    """coefficients: [3 + 3J,W], of thresh, 1 - dt k_m, dt k_m R, then of each current."""
    return [_Current(first, row) for first in _series(coefficients, row, 3 + 3 * J)[3::3]]


@intrinsic(prefer_literal=True)
def redo(context: Any, J: Any, steps: Any, fired: Any, kept: Any, coefficients: Any, result: Any) -> Any:
    """Writes the currents before each of so many steps, and after the last, to [steps + 1,J,16].

    J: a constant. fired: firing before the first step and at the first, and the distance of steps. kept: the first
    current before the first step, and the distance of the others. coefficients: [3 + 3J,W], and their distance.
    """
    count = J.literal_value

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, steps, fired, kept, coefficients, result = arguments
        before, f, stride = _unpacked(builder, fired, 3)
        first, layer = _unpacked(builder, kept, 2)
        of_neurons, row = _unpacked(builder, coefficients, 2)
        currents = _currents_of(count, Address(builder, of_neurons), row)

        def write(place: Address, ascs: Sequence[Value]) -> None:
            for j, asc in enumerate(ascs):
                (place + BYTES * j).store(asc)

        def step(left: Any, f: Address, fired: Value, place: Address, *old: Value) -> list[Any]:
            write(place, old)
            new = [asc * c.factor(fired) + fired * c.add for asc, c in zip(old, currents, strict=True)]
            return [f + stride, f.load(), place + BYTES * count, *new]

        start = [place.load() for place in _series(Address(builder, first), layer, count)]
        if count:
            carried = [Address(builder, f), Address(builder, before).load(), Address(builder, result), *start]
            _, _, place, *last = loop(builder, steps, carried, step)
            write(place, last)
        return context.get_dummy_value()

    return types.void(J, steps, fired, kept, coefficients, result), build


class _Places(NamedTuple):
    """Addresses of vectors, and distances, of the steps first .. last of a block; grouped as `retreat` takes them."""

    lateral_steps: Any  # so many of the first steps have a gradient from lateral input, where s's will be written
    ahead: Any  # from a sample to the next, whose firing, voltage and upstream will be needed soon
    stride: Any  # from a step to the next, of firing, voltage and the gradient of s; and from a coefficient to the next

    firing_before: Any  # the first step
    firing: Any  # at the first step

    voltage_before: Any
    voltage: Any

    synaptic: Any  # at the last step, as upstream and mask

    upstream: Any
    upstream_stride: Any

    mask: Any
    mask_stride: Any

    currents: Any  # before each step and after the last [steps + 1,J,16]
    unmasked: Any  # firing before its mask [steps,16]
    zeros: Any
    coefficients: Any  # [3 + 3J,W]
    sums: Any  # [2 + 3J,W]

    g_firing: Any  # carries
    g_voltage: Any
    g_ascurrents: Any  # of the first current, and the distance of the others
    layer: Any


class _Retreat:
    """Emits the loop from the last step to the first."""

    def __init__(
        self, builder: Any, J: int, masked: bool, learned: bool, places: _Places, constants: list[Value]
    ) -> None:
        self._builder, self._J, self._masked, self._learned, self._places = builder, J, masked, learned, places
        self._rate, self._inverse, self._resistance, self._current0, self._reset = constants
        self._one, self._zero = Value(builder, ir.Constant(FLOATS, [1.0] * LANES)), zeros(builder)
        coefficients = Address(builder, places.coefficients)
        _, self._keep_m, self._drive = (place.load() for place in _series(coefficients, places.stride, 3))
        self._currents = _currents_of(J, coefficients, places.stride)

    def emit(self, steps: Any) -> None:
        p, builder = self._places, self._builder
        carries = [Address(builder, p.g_firing), Address(builder, p.g_voltage)]
        carries += _series(Address(builder, p.g_ascurrents), p.layer, self._J)
        sums = _series(Address(builder, p.sums), p.stride, 2 + 3 * self._J) if self._learned else []
        memory = carries + sums
        more = builder.mul(builder.sub(steps, integer(1)), p.stride)  # from the first step to the last
        f_last = Address(builder, p.firing) + more
        pointers = [Address(builder, each) for each in (p.synaptic, p.upstream, p.mask)]
        start = [f_last, Address(builder, p.voltage) + more, *pointers, f_last.load()]
        after = Address(builder, p.currents) + builder.mul(steps, integer(BYTES * self._J))
        current = total([(after + BYTES * j).load() for j in range(self._J)], self._zero)
        found = loop(builder, steps, [*start, *(place.load() for place in memory), current], self._step)
        for place, value in zip(memory, found[len(start) : -1], strict=True):
            place.store(value)

    def _step(self, left: Any, *carried: Any) -> list[Any]:
        f_at, v_at, g_at, up_at, mask_at, p, g_f, g_v, *others = carried
        places, builder = self._places, self._builder
        first, index = builder.icmp_signed("==", left, integer(1)), builder.sub(left, integer(1))
        f = self._select(first, places.firing_before, f_at - places.stride).load()
        v = self._select(first, places.voltage_before, v_at - places.stride).load()
        has_lateral = builder.icmp_signed("<=", left, places.lateral_steps)
        lateral = self._select(has_lateral, g_at.value, Address(builder, places.zeros))
        slope = p * (self._one - p) * self._inverse
        if self._masked:
            unmasked = (Address(builder, places.unmasked) + builder.mul(index, integer(BYTES))).load()
            slope = unmasked * (self._one - unmasked) * self._inverse * mask_at.load()
        d = (g_f + (up_at.load() + lateral.load())) * slope
        g_s = d + g_v
        g_at.store(g_s)
        for each in (f_at, v_at, up_at):
            (each + places.ahead).prefetch()
        fired, reset = self._rate * f, self._rate * (v - self._reset)
        g_a, sums = list(others[: self._J]), list(others[self._J : -1])
        before = Address(builder, places.currents) + builder.mul(index, integer(BYTES * self._J))
        ascs = [(before + BYTES * j).load() for j in range(self._J)]
        through = [c.multiply * asc + c.add for c, asc in zip(self._currents, ascs, strict=True)]
        aside = total([g * b for g, b in zip(g_a, through, strict=True)], self._zero)
        g_f = aside + g_s * (self._drive * total(through, self._zero) - reset)
        g_a = [g + g_s * self._drive for g in g_a]
        if self._learned:
            sums[:2] = [sums[0] - d, sums[1] + g_s * (self._resistance * (self._current0 + others[-1]) - v)]
            for j, (g, asc) in enumerate(zip(g_a, ascs, strict=True)):
                product, s = g * asc, sums[2 + 3 * j : 5 + 3 * j]
                sums[2 + 3 * j : 5 + 3 * j] = [s[0] - product, s[1] + fired * product, s[2] + fired * g]
        g_a = [g * c.factor(f) for g, c in zip(g_a, self._currents, strict=True)]
        pointers = [f_at - places.stride, v_at - places.stride, g_at - places.stride]
        pointers += [up_at - places.upstream_stride, mask_at - places.mask_stride]
        return [*pointers, f, g_f, g_s * (self._keep_m - fired), *g_a, *sums, total(ascs, self._zero)]

    def _select(self, condition: Any, yes: Any, no: Address) -> Address:
        return Address(self._builder, self._builder.select(condition, yes, no.value))


@intrinsic(prefer_literal=True)
def retreat(context: Any, J: Any, masked: Any, learned: Any, steps: Any, places: Any, constants: Any) -> Any:
    """Goes back through so many steps: writes the gradient of s, takes the carries along, adds to the sums.

    J, masked, learned: constants; whether firing is masked and neuron parameters are learned. places: groups of what
    `_Places` lists, in its order. constants: dt/tau, 1 / sigma_v, R, I0, v_reset.
    """
    facts, groups = (J.literal_value, masked.literal_value, learned.literal_value), places.types

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *_, steps, places, constants = arguments
        numbers = [Value(builder, everywhere(builder, n)) for n in _unpacked(builder, constants, 5)]
        each = zip(_unpacked(builder, places, len(groups)), groups, strict=True)
        flat = [one for group, kind in each for one in _ungrouped(builder, group, kind)]
        _Retreat(builder, *facts, _Places(*flat), numbers).emit(steps)
        return context.get_dummy_value()

    return types.void(J, masked, learned, steps, places, constants), build


def _unpacked(builder: Any, several: Any, count: int) -> list[Any]:
    return list(cgutils.unpack_tuple(builder, several, count))  # type: ignore[no-untyped-call]


def _ungrouped(builder: Any, group: Any, kind: Any) -> list[Any]:
    """The integers of a tuple, or the one integer."""
    return _unpacked(builder, group, len(kind)) if isinstance(kind, types.BaseTuple) else [group]


def total(values: Sequence[Value], zero: Value) -> Value:
    """Their sum, from the first to the last."""
    return reduce(add, values) if values else zero
