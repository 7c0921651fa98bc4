"""The training recipe in the report's words."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.results.recipe import recipe_words

WORDS: list[tuple[dict[str, Any], str]] = [
    ({}, "Adam"),
    ({"adam": {"beta1": 0.9, "weight_decay": 0.1}}, "Adam (weight decay 0.1)"),
    ({"adam": {"weight_decay": 0.1, "decoupled": True}}, "AdamW (weight decay 0.1)"),
    ({"adam": {"decoupled": True}}, "Adam"),
    ({"optimizer": "adamw", "adam": {"weight_decay": 0.1}}, "AdamW (weight decay 0.1)"),
    ({"optimizer": "sgd", "adam": {"weight_decay": 0.1}}, "SGD"),
    (
        {"optimizer": "sgd", "sgd": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.0}, "clip_norm": 1.0},
        "SGD (momentum 0.9, Nesterov), gradients clipped at norm 1",
    ),
    (
        {"schedule": {"name": "cosine", "warmup_epochs": 1.0, "end": 0.0}},
        "Adam, the learning rate rising over the first 1 epoch and falling along a cosine to zero",
    ),
    ({"schedule": {"name": "cosine", "end": 0.1}}, "Adam, the learning rate falling along a cosine to 10 % of it"),
    (
        {"schedule": {"name": "step", "warmup_epochs": 0.5, "every": 10, "factor": 0.1}},
        "Adam, the learning rate rising over the first 0.5 epochs and multiplied by 0.1 after every 10 epochs",
    ),
]


@pytest.mark.parametrize(("training", "words"), WORDS)
def test_a_recipe_is_told_with_what_is_not_usual_of_it(training: dict[str, Any], words: str) -> None:
    assert recipe_words(training) == words
