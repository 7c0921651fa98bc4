"""Parameter recovery: a single neuron learns the output of another whose parameters are known.

Twenty problems; a seed has the one numbered seed mod 20. The target of a problem is a neuron of its own: in the task
`realizable` the firing of a GLIFR neuron with two after-spike currents, whose weights and neuron parameters are drawn
from the heterogeneous start; the learner, one neuron without readout, could reproduce it exactly. Input:
eight sequences of 400 steps of 0.05 ms, the same in every problem, each of twenty levels held for 1 ms, drawn evenly
from -3 to 3: from silence to nearly the highest rate, and 20 ms, one time constant of the membrane, in length.
Nothing is held out; an epoch is 50 passes.

The after-spike currents of these targets hardly change their firing, so they cannot be found: see `identifiability` in
`glifr.characterise.fitting`. Those of the task `identifiable` do: there a value that is 5 % off leaves a loss far above
what float32 rounds away (docs/recovery.md). Its neurons have R 40 and tau 0.25 ms, and so must the learner; its input
has levels from -0.2 to 0.8, held for 2 ms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from glifr.errors import InputError, Problem
from glifr.tasks.task import Split, TaskData, TaskDefinition

if TYPE_CHECKING:  # a study of these tasks is read, and refused, without torch
    from torch import Tensor

    from glifr.networks import BNNFC, BaseNetwork

Target: TypeAlias = "Callable[[int], BaseNetwork]"
Stimuli: TypeAlias = "Callable[[], Tensor]"
_PROBLEMS, _SEQUENCES, _STEPS, _DT = 20, 8, 400, 0.05
_HELD = 20  # steps of one level
_HIGHEST = 3.0
_SOURCE = "simulated"
_STIMULUS_SEED, _FIRST_TARGET_SEED = 7, 1000
IDENTIFIABLE_CONSTANTS = {"R": 40.0, "tau": 0.25}
# `chance` of the two tasks, in numbers: it takes all their targets
_CHANCE, _IDENTIFIABLE_CHANCE = 0.07399170100688934, 0.09259685128927231


def stimuli() -> Tensor:
    """The input of every problem [8,400]."""
    return _levels(_HELD, -_HIGHEST, _HIGHEST)


def identifiable_stimuli() -> Tensor:
    """The input of every problem of the task `identifiable` [8,400]: from silence to the highest rate."""
    return _levels(2 * _HELD, -0.2, 0.8)


def _levels(held: int, low: float, high: float) -> Tensor:
    import torch

    generator = torch.Generator().manual_seed(_STIMULUS_SEED)
    levels = torch.rand(_SEQUENCES, _STEPS // held, generator=generator, dtype=torch.float64)
    middle, half = (low + high) / 2, (high - low) / 2
    return (middle + half * (2 * levels - 1)).repeat_interleave(held, 1)


def target(seed: int) -> BNNFC:
    """The neuron whose output a seed learns, float64."""
    import torch

    from glifr.networks import BNNFC

    generator = torch.Generator().manual_seed(_FIRST_TARGET_SEED + seed % _PROBLEMS)
    return BNNFC(1, 1, 1, _DT, hetinit=True, output_weight=False, backend="reference", generator=generator).double()


def identifiable_target(seed: int) -> BNNFC:
    """The neuron whose output a seed of the task `identifiable` learns, float64.

    It has a slow hyperpolarising and a faster depolarising current, both strong enough to be seen.
    """
    import torch

    from glifr.networks import BNNFC
    from glifr.parameters import store_decay, store_multiplier

    generator = torch.Generator().manual_seed(_FIRST_TARGET_SEED + seed % _PROBLEMS)
    options: dict[str, Any] = {
        "output_weight": False,
        "backend": "reference",
        "dtype": torch.float64,
        **IDENTIFIABLE_CONSTANTS,
    }
    found = BNNFC(1, 1, 1, _DT, generator=generator, **options)

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64)

    def sign() -> float:
        return 1.0 if torch.rand((), generator=generator) > 0.5 else -1.0

    layer = found.neuron_layer
    with torch.no_grad():
        layer.weight_iv.fill_(draw(0.5, 1.0))
        layer.weight_lat.fill_(sign() * draw(0.2, 0.4))
        layer.thresh.fill_(draw(0.2, 1.5))
        layer.trans_k_m.fill_(store_decay(_DT * draw(0.05, 0.2)))
        for j, (low, high) in enumerate([(0.15, 0.4), (1.0, 2.0)]):
            layer.trans_k_j[j] = store_decay(_DT * draw(low, high))
        layer.trans_r_j[0] = store_multiplier(-draw(0.2, 0.7))
        layer.trans_r_j[1] = store_multiplier(sign() * draw(0.2, 0.7))
        layer.a_j[0] = -draw(0.5, 2.0)
        layer.a_j[1] = draw(0.5, 2.0)
    return found


def decode(inputs: Tensor) -> Tensor:
    """Inputs as stored [B,400] -> [B,T=400,I=1]."""
    return inputs.unsqueeze(2)


@cache
def sequences(of: Target = target, driven: Stimuli = stimuli) -> Split:
    """All problems, one after another: inputs [160,400], targets [160,T=400,O=1]."""
    import torch

    from glifr.networks import forward_replicas

    inputs = driven()
    with torch.no_grad():
        targets = forward_replicas([of(problem) for problem in range(_PROBLEMS)], decode(inputs), readout="all")
    return Split(inputs.float().repeat(_PROBLEMS, 1), targets.flatten(0, 1).float(), decode, _PROBLEMS)


def _fingerprint(of: Target, driven: Stimuli) -> str:
    """Of the stimuli and the neurons: the last bits of the targets, which they decide, may differ between machines."""
    total = hashlib.sha256(driven().numpy().tobytes())
    for problem in range(_PROBLEMS):
        for values in of(problem).state_dict().values():
            total.update(values.numpy().tobytes())
    return total.hexdigest()


def chance(of: Target, driven: Stimuli) -> float:
    """The loss of the best constant output to each problem, on average."""
    return float(sequences(of, driven).targets.view(_PROBLEMS, -1).var(1, correction=0).mean())


def recovery_task(name: str, of: Target, driven: Stimuli = stimuli) -> TaskDefinition:
    """Makes the task of finding the parameters of known neurons, of any model.

    Args:
        name: The task's name.
        of: Problem number from 0 to 19 -> a network of one neuron of time step 0.05 ms, with one input and no readout,
            in float64, the same at each call. A seed has the problem numbered seed mod 20.
        driven: The input of every problem [8,400], in float64, the same at each call.

    Returns:
        The task. The report compares what networks have found with what was true.

    Raises:
        InputError: The network is another.
    """
    import torch

    first = of(0)
    found = (first.in_size, first.hidden_size, first.has_readout, first.dt, next(first.parameters()).dtype)
    if found != (1, 1, False, _DT, torch.float64):
        words = "inputs {}, neurons {}, readout {}, dt {} ms, {}".format(*found)
        allowed = f"inputs 1, neurons 1, readout False, dt {_DT} ms, torch.float64"
        raise InputError(Problem("the target of parameter recovery is one neuron", "of", words, allowed))
    return _recovery_task(name, of, driven, chance(of, driven))


def _recovery_task(name: str, of: Target, driven: Stimuli, chance_loss: float) -> TaskDefinition:
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
        chance_loss=chance_loss,
        chance_accuracy=None,
        sources=(_SOURCE,),
        sizes=lambda source: {"train": _PROBLEMS * _SEQUENCES},
        load=lambda settings: TaskData(sequences(of, driven), None),
        load_test=lambda settings: sequences(of, driven),
        fingerprint=lambda settings: _fingerprint(of, driven),
        passes=50,
        problems=_PROBLEMS,
        target=lambda seed: of(seed % _PROBLEMS),
        neurons_are_outputs=True,
    )


REALIZABLE = _recovery_task("realizable", target, stimuli, _CHANCE)
IDENTIFIABLE = _recovery_task("identifiable", identifiable_target, identifiable_stimuli, _IDENTIFIABLE_CHANCE)
