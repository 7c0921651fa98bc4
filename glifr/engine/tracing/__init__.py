"""Reads a neuron's step: runs it once on symbols instead of tensors and keeps what it computed as a graph.

A symbol has the shape that a tensor would have for one sample of one neuron, [1,1] or [J,1,1], and holds one node of
the graph for each number. What a compiled scan could not do is refused here, by name: a branch on data, a number taken
out of a tensor, a tensor from outside, an operation in place. An operation that the tables lack is no error: the step
then has no graph, and runs on the portable engine.
"""

from glifr.engine.tracing.refusals import UnknownOperationError, refusal
from glifr.engine.tracing.trace import StepGraph, apply, trace

__all__ = ["StepGraph", "UnknownOperationError", "apply", "refusal", "trace"]
