"""What looks judge: the planned contrasts and the effects of the factorial, as one family, on declared units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis.results.load import Results
from analysis.results.study import StudyInfo
from analysis.statistics.contrasts import ContrastResult, judge
from analysis.statistics.factorial import factorial
from analysis.statistics.verdicts import Asked
from analysis.text import listed
from glifr.records import InputError, LookDesign, Problem, UnitId, design_in


@dataclass(frozen=True)
class Hypothesis:
    """One contrast or effect with its tests. Its verdict is that of a fixed number of units: looks have their own.

    Attributes:
        conditions: All that it uses.
        choices: The differences of which its result is the largest.
    """

    family: Literal["contrast", "effect"]
    result: ContrastResult
    conditions: tuple[str, ...]
    asked: Asked = "difference"
    choices: int = 1

    @property
    def name(self) -> str:
        return self.result.contrast.name

    @property
    def key(self) -> tuple[str, str]:
        return self.family, self.name


@dataclass(frozen=True)
class LookValues:
    """Values of a look's units: one row per unit and one column per condition, NaN where a condition has fewer units.

    Attributes:
        failed: Networks that failed, which count as chance.
    """

    values: pd.DataFrame
    failed: tuple[str, ...]


def hypotheses(values: pd.DataFrame, info: StudyInfo) -> list[Hypothesis]:
    """The family in its order: contrasts as declared, then effects. values: as `LookValues` has them."""
    declared, better = info.declaration, info.measure.higher_is_better
    effect, alpha = declared.smallest_effect, declared.alpha
    contrasts = judge(values, declared.contrasts, smallest_effect=effect, alpha=alpha, higher_is_better=better)
    crossed = factorial(
        values, smallest_effect=effect, alpha=alpha, higher_is_better=better, factors=info.factors
    ).effects
    effects = [
        Hypothesis("effect", e.judged, tuple(dict.fromkeys(e.term.used)), e.asked, len(e.term.questions))
        for e in crossed
    ]
    return [*(Hypothesis("contrast", found, found.contrast.conditions) for found in contrasts), *effects]


def planned_family(info: StudyInfo) -> list[Hypothesis]:
    """The family before there are values."""
    values = np.random.default_rng(0).normal(size=(3, len(info.names)))
    return hypotheses(pd.DataFrame(values, columns=info.names), info)


def design_of(info: StudyInfo) -> LookDesign:
    """The looks of a study that has them."""
    design = design_in(info.spec)
    if design is None:
        rule, seeds = "this study has a fixed number of seeds, and takes no looks", info.section("final").get("seeds")
        raise InputError(Problem(rule, info.name, seeds, "final.seeds as {first: 10, step: 5, most: 40}"))
    return design


def look_values(results: Results, asked: Mapping[str, int], units: int) -> LookValues:
    """The values of the first `units` units, of each condition as many as it was asked for.

    A network that failed counts with the value of chance, the worst that is declared. InputError if one is missing.
    """
    info, rows = results.info, results.tables["seeds"]
    finals = rows[rows["stage"] == "final"].drop_duplicates(["condition", "seed"])
    repeat = finals["repeat"].astype("int64").groupby(finals["seed"]).first().sort_index()
    unit = repeat if info.repeats > 1 else pd.Series(range(len(repeat)), index=repeat.index)
    wide = finals.pivot(index="seed", columns="condition", values=info.measure.column).astype("float64")
    wide = wide.reindex(index=repeat.index, columns=info.names)
    wide, unit = wide[unit < units], unit[unit < units]
    if unit.nunique() < units:
        raise _lacks(results, f"{unit.nunique()} of {units} {info.unit}s")
    failed: list[str] = []
    for condition in info.conditions:
        name, own = condition.name, unit < asked[condition.name]
        missing = wide.index[own & wide[name].isna()]
        state = finals[finals["condition"] == name].set_index("seed")["status"].reindex(missing)
        # one whose source network failed was never proposed
        waiting = [int(s) for s in missing[~(state.eq("failed") | (state.isna() & (condition.start_from is not None)))]]
        if waiting:
            raise _lacks(results, f"no result of {name}, seeds {listed(waiting)}, which have not failed")
        failed += [str(UnitId("final", name, int(seed), int(repeat[seed]))) for seed in missing]
        wide.loc[missing, name] = info.measure.chance
        wide.loc[~own, name] = np.nan
    if info.repeats > 1:
        wide = wide.groupby(unit).mean().rename_axis(index=info.unit)
    return LookValues(wide, tuple(failed))


def _lacks(results: Results, found: str) -> InputError:
    rule = "the results folder lacks networks of the look"
    return InputError(Problem(rule, str(results.source), found, todo="give the study's command again"))
