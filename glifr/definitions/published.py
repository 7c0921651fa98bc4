"""The definitions of GLIFR, RNN and LSTM networks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from glifr.conditions import KINDS, OF_A_CURRENT, Condition, NetworkKind
from glifr.definitions.definition import BuildOptions, NetworkDefinition, NeuronNetworkDefinition, delay_of
from glifr.engine.definition import NeuronModel
from glifr.errors import InputError, Problem
from glifr.networks.base import BaseNetwork
from glifr.networks.whole import BNNFC, LSTMFC, RNNFC
from glifr.neurons import glifr, lstm, tanh
from glifr.neurons.published import MOST_ASCS, PUBLISHED


class GLIFRNetworks(NeuronNetworkDefinition):
    """GLIFR neurons with delayed lateral connections."""

    input_weight = ("weight_iv", 0)

    @property
    def kind(self) -> NetworkKind:
        return KINDS["GLIFR"]

    def neuron(self, condition: Condition) -> NeuronModel:
        return glifr(condition.num_ascs)

    def numbers_a_neuron(self, condition: Condition) -> int:
        return sum(condition.num_ascs if name in OF_A_CURRENT else 1 for name in condition.learned_parameters)

    def build(self, condition: Condition, options: BuildOptions) -> BaseNetwork:
        own: dict[str, Any] = {
            **_common(options),
            **condition.constants,
            "neuron_spread": options.spread("neuron_spread"),
            "after_spike_spread": options.spread("after_spike_spread"),
        }
        return BNNFC(
            *options.sizes,
            options.dt,
            condition.start == "heterogeneous",
            learnparams=condition.learned,
            num_ascs=condition.num_ascs,
            delay=delay_of(options),
            **own,
        )

    def published(self, condition: Condition) -> bool:
        """The step for more than `MOST_ASCS` currents is the same text, and is judged by that for so many."""
        judged = min(condition.num_ascs, MOST_ASCS)
        return glifr(judged).digest == PUBLISHED[f"glifr {judged}"]


class RNNNetworks(NeuronNetworkDefinition):
    """Tanh units with delayed lateral connections."""

    input_weight = ("weight_ih", 0)

    @property
    def kind(self) -> NetworkKind:
        return KINDS["RNN"]

    def neuron(self, condition: Condition) -> NeuronModel:
        return tanh()

    def numbers_a_neuron(self, condition: Condition) -> int:
        return 1

    def build(self, condition: Condition, options: BuildOptions) -> BaseNetwork:
        return RNNFC(*options.sizes, options.dt, delay=delay_of(options), **_common(options))

    def published(self, condition: Condition) -> bool:
        return tanh().digest == PUBLISHED["tanh"]


class LSTMNetworks(NeuronNetworkDefinition):
    """An LSTM layer in torch's parametrisation, without delay."""

    input_weight = ("weight_ih", 1)

    @property
    def kind(self) -> NetworkKind:
        return KINDS["LSTM"]

    def neuron(self, condition: Condition) -> NeuronModel:
        return lstm()

    def numbers_a_neuron(self, condition: Condition) -> int:
        return 8  # two biases of each gate, as torch has them

    def build(self, condition: Condition, options: BuildOptions) -> BaseNetwork:
        if options.delay_steps is not None:
            raise InputError(Problem("the LSTM has no delay", "delay_steps", options.delay_steps, "none"))
        return LSTMFC(*options.sizes, options.dt, **_common(options))

    def published(self, condition: Condition) -> bool:
        return lstm().digest == PUBLISHED["lstm"]


def _common(options: BuildOptions) -> dict[str, Any]:
    return {
        "output_weight": options.output_weight,
        "dropout_prob": options.dropout_prob,
        "weight_spread": options.spread("weight_spread"),
        "backend": options.backend,
        "generator": options.generator,
    }


DEFINITIONS: Mapping[str, NetworkDefinition] = MappingProxyType(
    {"GLIFR": GLIFRNetworks(), "RNN": RNNNetworks(), "LSTM": LSTMNetworks()}
)
