"""Finds the largest hidden size within a budget of trained parameters.

Networks are compared at equal numbers of trained parameters, so this decides their sizes.
"""

from __future__ import annotations

from glifr.conditions import Condition
from glifr.definitions.build import trained_parameters
from glifr.errors import InputError, Problem

_MOST = 2**24  # neurons; more than any budget allows


def hidden_size_for_budget(condition: Condition, in_size: int, out_size: int, budget: int) -> int:
    """The largest H whose number of trained parameters does not exceed `budget`; InputError if even H = 1 does."""

    def fits(hidden_size: int) -> bool:
        return trained_parameters(condition, in_size, out_size, hidden_size) <= budget

    if not fits(1):
        least = trained_parameters(condition, in_size, out_size, 1)
        raise InputError(Problem(f"the budget is too small for {condition.name}", "budget", budget, f">= {least}"))
    low, high = 1, 2
    while fits(high):
        if high > _MOST:
            rule = f"the number of trained parameters of {condition.name} does not grow with its size"
            raise InputError(Problem(rule, "hidden_size", todo="give it a number of neurons, as `hidden_size: 64`"))
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
