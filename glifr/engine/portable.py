"""The portable engine: block products outside, the model's own step inside, autograd through both.

A block are the D steps whose lateral input is known before it begins: one matrix product. Any device, any type of
number, any step; double backward and `torch.func` work as for every torch function.
"""

from __future__ import annotations

from torch import Tensor

from glifr.engine.sequence import SequenceInput, SequenceResult, gates_of, mask_at, over_time, start_of


def run(sequence: SequenceInput) -> SequenceResult:
    """Runs the sequence; differentiable by autograd, as often as the step itself."""
    model, delay, x = sequence.model, sequence.delay, sequence.x
    state, steps, parameters = start_of(sequence), x.shape[-2], sequence.values
    projected = x.transpose(-3, -2).flatten(-3, -2) @ sequence.weight_in
    synaptic = projected.view(*projected.shape[:-2], steps, x.shape[-3], projected.shape[-1])  # [*,T,B,G*H]
    masks, sent = mask_at(sequence.mask, steps), list[Tensor]()
    before = None if sequence.history is None else sequence.history.transpose(-3, -2)
    if before is None and steps <= delay:  # no lateral product: its weights have a gradient all the same, of zeros
        before = synaptic.new_zeros(*synaptic.shape[:-1], sequence.weight_lat.shape[-2])
    for begin in range(0, steps, delay):
        block = synaptic.narrow(-3, begin, min(delay, steps - begin))
        length = block.shape[-3]
        if begin:
            before = over_time(sent[-delay:]).transpose(-3, -2)
        if before is not None:
            rows = before.narrow(-3, 0, length).flatten(-3, -2)
            block = block + (rows @ sequence.weight_lat).view(block.shape)
        for t, s in enumerate(block.unbind(-3), begin):
            new = model.step(gates_of(model, s), state, parameters, sequence.constants, masks[t])
            state = model.State(*new)
            sent.append(state[0])
    return SequenceResult(over_time(sent), state)
