"""Parameter recovery: a single neuron learns the output of another whose parameters are known.

Twenty problems; a seed has the one numbered seed mod 20. The target of a problem is a neuron of its own: in the task
`realizable` the firing of a GLIFR neuron with two after-spike currents, whose weights and neuron parameters are drawn
from the heterogeneous start; the learner, one neuron without readout, could reproduce it exactly. Input:
eight sequences of 400 steps of 0.05 ms, the same in every problem, each of twenty levels held for 1 ms, drawn evenly
from -3 to 3: from silence to nearly the highest rate, and 20 ms, one time constant of the membrane, in length.
Nothing is held out; an epoch is 50 passes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from glifr.errors import InputError, Problem
from glifr.networks import BNNFC, BaseNetwork, forward_replicas
from glifr.tasks.task import Split, TaskData, TaskDefinition

Target = Callable[[int], BaseNetwork]
_PROBLEMS, _SEQUENCES, _STEPS, _DT = 20, 8, 400, 0.05
_HELD = 20  # steps of one level
_HIGHEST = 3.0
_SOURCE = "simulated"
_STIMULUS_SEED, _FIRST_TARGET_SEED = 7, 1000


def stimuli() -> Tensor:
    """The input of every problem [8,400]."""
    generator = torch.Generator().manual_seed(_STIMULUS_SEED)
    levels = torch.rand(_SEQUENCES, _STEPS // _HELD, generator=generator, dtype=torch.float64)
    return (_HIGHEST * (2 * levels - 1)).repeat_interleave(_HELD, 1)


def target(seed: int) -> BNNFC:
    """The neuron whose output a seed learns, float64."""
    generator = torch.Generator().manual_seed(_FIRST_TARGET_SEED + seed % _PROBLEMS)
    return BNNFC(1, 1, 1, _DT, hetinit=True, output_weight=False, backend="reference", generator=generator).double()


def decode(inputs: Tensor) -> Tensor:
    """Inputs as stored [B,400] -> [B,T=400,I=1]."""
    return inputs.unsqueeze(2)


@cache
def sequences(of: Target = target) -> Split:
    """All problems, one after another: inputs [160,400], targets [160,T=400,O=1]."""
    inputs = stimuli()
    with torch.no_grad():
        targets = forward_replicas([of(problem) for problem in range(_PROBLEMS)], decode(inputs), readout="all")
    return Split(inputs.float().repeat(_PROBLEMS, 1), targets.flatten(0, 1).float(), decode, _PROBLEMS)


def _fingerprint(of: Target) -> str:
    """Of the stimuli and the neurons: the last bits of the targets, which they decide, may differ between machines."""
    total = hashlib.sha256(stimuli().numpy().tobytes())
    for problem in range(_PROBLEMS):
        for values in of(problem).state_dict().values():
            total.update(values.numpy().tobytes())
    return total.hexdigest()


def _chance(of: Target) -> float:
    """The loss of the best constant output to each problem, on average."""
    return float(sequences(of).targets.view(_PROBLEMS, -1).var(1, correction=0).mean())


def recovery_task(name: str, of: Target) -> TaskDefinition:
    """Makes the task of finding the parameters of known neurons, of any model.

    Args:
        name: The task's name.
        of: Problem number from 0 to 19 -> a network of one neuron of time step 0.05 ms, with one input and no readout,
            in float64, the same at each call. A seed has the problem numbered seed mod 20.

    Returns:
        The task. The report compares what networks have found with what was true.

    Raises:
        InputError: The network is another.
    """
    first = of(0)
    found = (first.in_size, first.hidden_size, first.has_readout, first.dt, next(first.parameters()).dtype)
    if found != (1, 1, False, _DT, torch.float64):
        words = "inputs {}, neurons {}, readout {}, dt {} ms, {}".format(*found)
        allowed = f"inputs 1, neurons 1, readout False, dt {_DT} ms, torch.float64"
        raise InputError(Problem("the target of parameter recovery is one neuron", "of", words, allowed))
    return TaskDefinition(
        name=name,
        title="parameter recovery: one neuron learns the output of another",
        inputs=1,
        outputs=1,
        steps=_STEPS,
        time_step_ms=_DT,
        loss="mean_squared_error",
        readout="all",
        primary="loss",
        chance_loss=_chance(of),
        chance_accuracy=None,
        sources=(_SOURCE,),
        sizes=lambda source: {"train": _PROBLEMS * _SEQUENCES},
        load=lambda settings: TaskData(sequences(of), None),
        load_test=lambda settings: sequences(of),
        fingerprint=lambda settings: _fingerprint(of),
        passes=50,
        problems=_PROBLEMS,
        target=lambda seed: of(seed % _PROBLEMS),
        neurons_are_outputs=True,
    )


REALIZABLE = recovery_task("realizable", target)
