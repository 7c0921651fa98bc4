"""A training recipe in words, from a study's own record of it; a setting that is not on record is at its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.text import count, listed

_NAMES = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}


def optimizer_name(training: Mapping[str, Any]) -> str:
    """'Adam', 'AdamW' or 'SGD'. Adam with decoupled weight decay is AdamW, however the study has asked for it."""
    found = str(training.get("optimizer") or "adam")
    adam = training.get("adam") or {}
    decoupled = found == "adam" and adam.get("decoupled") and adam.get("weight_decay")
    return _NAMES.get("adamw" if decoupled else found, found)


def recipe_words(training: Mapping[str, Any]) -> str:
    """'AdamW (weight decay 0.01), gradients clipped at norm 1, ...': the optimiser and what is not usual of it."""
    name = optimizer_name(training)
    own = training.get("sgd" if name == "SGD" else "adam") or {}
    details = [f"momentum {own['momentum']:g}"] if own.get("momentum") else []
    details += ["Nesterov"] if own.get("nesterov") else []
    details += [f"weight decay {own['weight_decay']:g}"] if own.get("weight_decay") else []
    words = f"{name} ({', '.join(details)})" if details else name
    return ", ".join([words, *further_words(training)])


def further_words(training: Mapping[str, Any]) -> list[str]:
    """Clipping and the learning rate's schedule, where there are any."""
    clip, schedule = training.get("clip_norm"), training.get("schedule") or {}
    clipped = [f"gradients clipped at norm {clip:g}"] if clip is not None else []
    return clipped + ([f"the learning rate {listed(course)}"] if (course := _course(schedule)) else [])


def _course(schedule: Mapping[str, Any]) -> list[str]:
    found, warm_up = [], schedule.get("warmup_epochs")
    if warm_up:
        found.append(f"rising over the first {_epochs(warm_up)}")
    if schedule.get("name") == "cosine":
        end = schedule.get("end") or 0.0
        found.append(f"falling along a cosine to {f'{100 * end:g} % of it' if end else 'zero'}")
    if schedule.get("name") == "step":
        found.append(f"multiplied by {schedule['factor']:g} after every {_epochs(schedule['every'])}")
    return found


def _epochs(number: float) -> str:
    return count(int(number), "epoch") if float(number).is_integer() else f"{number:g} epochs"
