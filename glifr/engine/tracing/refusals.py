"""What keeps a step from being traced: what no engine can run, and what no table has."""

from __future__ import annotations

from typing import Any

from glifr.errors import InputError, Problem


class UnknownOperationError(Exception):
    """A step uses what the tables lack. Its text is the operation's name."""


def refusal(model: str, rule: str, value: Any, allowed: str, todo: str = "") -> InputError:
    """The error for a step that no engine can run."""
    return InputError(Problem(f"the step of the neuron model {model!r}: {rule}", "step", value, allowed, todo))
