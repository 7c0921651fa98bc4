"""Counts the trained parameters of a condition, and finds the largest hidden size within a budget.

Networks are compared at equal numbers of trained parameters, so this decides their sizes.
"""

from __future__ import annotations

from glifr.conditions import OF_A_CURRENT, Condition
from glifr.errors import InputError, Problem


def trained_parameters(
    condition: Condition, in_size: int, out_size: int, hidden_size: int, output_weight: bool = True
) -> int:
    """Trained numbers of a network of `condition`, readout with its bias included, if it has one."""
    i, h = in_size, hidden_size
    readout = h * out_size + out_size if output_weight else 0
    if condition.architecture == "LSTM":
        return 4 * h * (i + h + 2) + readout  # two biases, as torch has them
    weights = i * h + h * h
    if condition.architecture == "RNN":
        return weights + h + readout
    learned = condition.learned_parameters
    neuron = sum(condition.num_ascs if name in OF_A_CURRENT else 1 for name in learned)
    return weights + neuron * h + readout


def hidden_size_for_budget(condition: Condition, in_size: int, out_size: int, budget: int) -> int:
    """The largest H whose number of trained parameters does not exceed `budget`; InputError if even H = 1 does."""

    def fits(hidden_size: int) -> bool:
        return trained_parameters(condition, in_size, out_size, hidden_size) <= budget

    if not fits(1):
        least = trained_parameters(condition, in_size, out_size, 1)
        raise InputError(Problem(f"the budget is too small for {condition.name}", "budget", budget, f">= {least}"))
    low, high = 1, 2
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
