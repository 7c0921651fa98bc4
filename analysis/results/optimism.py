"""Optimism of a selection: how far a choice was flattered by its own score, at equal epochs.

The best of several noisy scores is too good on average. It is measured where the choice was made, so the chosen
configuration's score in the stage that chose it is compared with that of the final networks after as many epochs: a
short search beside a long final stage would show what training longer gives instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from analysis.results.load import Results
from glifr.records import UnitId


@dataclass(frozen=True)
class Optimism:
    """By how much the choice of hyperparameters was flattered by its own score.

    Attributes:
        stage: The stage where the choice was made.
        epochs: How long was trained there.
        chosen: The score that it was made by.
        final: Mean score of the final networks after the same epochs.
        reason: Why the two cannot be compared, '' if they can.
    """

    stage: str = ""
    epochs: int = 0
    chosen: float = math.nan
    final: float = math.nan
    reason: str = ""

    @property
    def gap(self) -> float:
        """Final minus chosen: above 0, the choice was flattered, as a lower score is better."""
        return self.final - self.chosen


def optimism(results: Results, condition: str, repeat: int) -> Optimism:
    """The optimism of the choice of one of a condition's searches; a mean over its choices where it made several."""
    finals = results.finals
    finals = finals[(finals["condition"] == condition) & (finals["repeat"] == repeat) & finals["source"].notna()]
    if not len(finals):
        return Optimism(reason="no final network of a chosen configuration")
    found = [_of_choice(results, str(source), own) for source, own in finals.groupby("source", sort=False)]
    lacking = [one for one in found if one.reason]
    if lacking:
        return lacking[0]
    stage, epochs = found[0].stage, found[0].epochs
    if any((one.stage, one.epochs) != (stage, epochs) for one in found):
        return Optimism(reason="its choices were made after different epochs")
    return Optimism(stage, epochs, _mean(one.chosen for one in found), _mean(one.final for one in found))


def _of_choice(results: Results, source: str, finals: pd.DataFrame) -> Optimism:
    """Of the configuration of the unit `source`, and the final networks that were trained with it."""
    seeds = results.tables["seeds"]
    unit = UnitId.parse(source)
    rows = seeds[(seeds["stage"] == unit.stage) & (seeds["condition"] == unit.condition)]
    rows = rows[(rows["repeat"] == unit.repeat) & (rows["number"] == unit.number) & (rows["status"] == "complete")]
    if not len(rows):
        return Optimism(reason=f"{source} has no result")
    epochs = int(rows["epochs"].max())
    if results.info.training_of(unit.condition).get("sigma_v") and not (finals["epochs"] == epochs).all():
        return Optimism(unit.stage, epochs, reason="sigma_v is annealed over the epochs of each stage")
    scores = _scores_after(results, finals, epochs)
    if scores.isna().any():
        return Optimism(unit.stage, epochs, reason=f"no record of epoch {epochs} of every final network")
    return Optimism(unit.stage, epochs, float(rows["score"].mean()), float(scores.mean()))


def _scores_after(results: Results, finals: pd.DataFrame, epochs: int) -> pd.Series:
    """The score of each final network after `epochs` epochs, by seed; NaN where it was not recorded."""
    if (finals["epochs"] == epochs).all():
        return finals.set_index("seed")["score"]
    info, curves = results.info, results.tables["epochs"]
    own = curves[(curves["stage"] == "final") & curves["condition"].isin(finals["condition"].unique())]
    own = own[own["epoch"] <= epochs].sort_values("epoch").groupby("seed").last().reindex(finals["seed"])
    loss = own["validation_loss"].fillna(own["train_loss"]).where(own["epoch"] == epochs)
    lost = own["diverged"].fillna(False).astype(bool)
    return loss.mask(lost, info.task.worst_score).clip(upper=info.task.worst_score)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
