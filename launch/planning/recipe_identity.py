"""The part of a training recipe that decides a result, as units are identified by it.

What came later is in it only where it is given: units of earlier studies keep their identity.
"""

from __future__ import annotations

from typing import Any

from launch.studyfile import Training


def recipe_identity(training: Training) -> dict[str, Any]:
    """The settings that have an effect; epochs are those of a stage and stand beside it."""
    found: dict[str, Any] = {"batch_size": training.batch_size, "dropout": training.dropout}
    if training.optimizer == "sgd":
        sgd = training.sgd
        found["sgd"] = [sgd.momentum, sgd.nesterov, sgd.weight_decay]
    else:
        adam = training.adam
        decoupled = adam.decoupled or training.optimizer == "adamw"
        decay = [adam.weight_decay, decoupled] if adam.weight_decay else []
        found["adam"] = [adam.beta1, adam.beta2, adam.epsilon, *decay]
    if training.clip_norm is not None:
        found["clip_norm"] = training.clip_norm
    if training.sigma_v is not None:
        # "linear" is in the identity: earlier versions annealed in equal ratios, which is another experiment
        found["sigma_v"] = [training.sigma_v.start, training.sigma_v.end, "linear"]
    schedule = training.schedule
    if schedule.name != "constant" or schedule.warmup_epochs:
        of_its_own = {"cosine": [schedule.end], "step": [schedule.every, schedule.factor]}.get(schedule.name, [])
        found["schedule"] = [schedule.name, schedule.warmup_epochs, *of_its_own]
    return found
