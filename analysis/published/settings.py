"""Settings of a study's networks and of the published runs, in words, condition by condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.published.data import PublishedCondition, PublishedTask
from analysis.results.load import Results
from analysis.results.recipe import further_words, optimizer_name, recipe_words
from analysis.results.study import ConditionInfo, StudyInfo
from analysis.results.summaries import Tuning, by_condition
from analysis.text import NOTHING, count, significant
from glifr.conditions import CONDITIONS, HYPERPARAMETERS
from glifr.records import Value

_SPREADS = ("weight_spread", "neuron_spread", "after_spike_spread")
_KNOWN = {
    "name",
    "source",
    "data_root",
    "train_on",
}  # of the study file's task; others change it if set


@dataclass(frozen=True)
class Setting:
    """One setting of one condition: ours and the published, in the same words where they are the same."""

    name: str
    ours: str
    published: str

    @property
    def same(self) -> bool:
        return self.ours == self.published


def settings(results: Results, task: PublishedTask, tunings: Iterable[Tuning]) -> dict[str, tuple[Setting, ...]]:
    """The settings of each condition that the study shares with the published runs, in one order for all."""
    info = results.info
    tuned = {name: [_numbers(t.chosen) for t in own] for name, own in by_condition(tunings).items()}
    return {
        c.name: (*_of_the_training(info, c.name, task), *_of_condition(info, c, tuned[c.name], task))
        for c in info.conditions
        if c.name in task.conditions
    }


def _of_the_training(info: StudyInfo, condition: str, task: PublishedTask) -> list[Setting]:
    mine, splits, training = info.task, info.task.splits, info.training_of(condition)
    trained = sum(splits.get(n, 0) for n in ("train", "validation")) if mine.train_on != "train" else splits["train"]
    passes = int(training.get("epochs", 0)) * mine.passes
    found = [
        Setting("training data", _data(mine.source, trained), _data(task.source, task.trained_on)),
        Setting("test data", _held_out(splits.get("test", 0)), _held_out(task.tested_on)),
        Setting("sequence", _sequence(mine.steps, mine.time_step_ms), _sequence(task.steps, task.time_step_ms)),
        Setting("passes over the training data", f"{passes:,}", f"{task.passes:,}"),
        Setting("batch size", _batch(training.get("batch_size")), _batch(task.batch_size)),
        Setting("hyperparameters", "searched" if info.planned("search") else "fixed", "fixed"),
        Setting("Adam", _adam(training), _adam({"adam": task.adam})),
        Setting("dropout in training", _dropout(training.get("dropout")), "none"),
        Setting("sigma_v", _annealed(training.get("sigma_v")), "1"),
    ]
    more = {k: v for k, v in info.section("task").items() if k not in _KNOWN and v}
    return found + (
        [Setting("task", ", ".join(f"{k} {v}" for k, v in sorted(more.items())), "its own")] if more else []
    )


def _of_condition(
    info: StudyInfo, condition: ConditionInfo, chosen: Sequence[Mapping[str, float]], task: PublishedTask
) -> list[Setting]:
    """chosen: by each of the condition's searches."""
    theirs: PublishedCondition = task.conditions[condition.name]
    # final networks tell; before there are any, the study file does
    values = [own or info.section("conditions", condition.name, "fixed") for own in chosen]
    found = [
        Setting("learning rate", _span([own.get("learning_rate") for own in values]), significant(task.learning_rate)),
        Setting("initial spreads", _spreads(values), "1"),
        Setting("neurons", str(condition.hidden_size), str(theirs.hidden_size)),
        Setting(
            "delay",
            _delay(condition.delay_steps, info.task.time_step_ms),
            _delay(theirs.delay_steps, task.time_step_ms),
        ),
    ]
    start = condition.features.get("start", "")
    if own_values := _own_values(condition):
        found.append(Setting("values of its own", own_values, "none"))
    return found + ([Setting("start of neuron parameters", start, theirs.start)] if start or theirs.start else [])


def _numbers(chosen: Mapping[str, Value]) -> dict[str, float]:
    return {name: float(value) for name, value in chosen.items() if name in HYPERPARAMETERS}


def _own_values(condition: ConditionInfo) -> str:
    """What the study has changed of the published condition of that name, beside its start."""
    published = CONDITIONS[condition.name].to_json() if condition.name in CONDITIONS else {}
    changed = {k: v for k, v in condition.style.to_json().items() if published.get(k) != v and k != "start"}
    return ", ".join(f"{k} {v}" for k, v in changed.items())


def _data(source: str, samples: int) -> str:
    return f"{source}, {count(samples, 'sample')}"


def _held_out(samples: int) -> str:
    return count(samples, "sample") if samples else "none held out"


def _sequence(steps: int, time_step_ms: float) -> str:
    return f"{count(steps, 'step')} of {time_step_ms:g} ms"


def _batch(size: int | None) -> str:
    return f"{size:,}" if size else NOTHING


def _adam(training: Mapping[str, Any]) -> str:
    """Its constants, as published studies have them; of another optimiser, or with more to it, all in words."""
    if optimizer_name(training) != "Adam" or further_words(training):
        return recipe_words(training)
    found = training.get("adam")
    return ", ".join(f"{key} {found[key]:g}" for key in sorted(found)) if found else NOTHING


def _dropout(share: float | None) -> str:
    return f"{100 * share:g} %" if share else "none"


def _annealed(found: Mapping[str, Any] | None) -> str:
    return f"{found['start']:g} to {found['end']:g}" if found else "1"


def _spreads(values: Sequence[Mapping[str, float]]) -> str:
    spans = {n: _span([own.get(n, 1.0) for own in values]) for n in _SPREADS}
    words = [f"{n.removesuffix('_spread').replace('_', ' ')} {span}" for n, span in spans.items() if span != "1"]
    return ", ".join(words) or "1"


def _span(values: Sequence[float | None]) -> str:
    """'0.001'; '0.00075 to 0.0057' where searches chose several."""
    known = sorted(v for v in values if v is not None)
    ends = dict.fromkeys(map(significant, known[:1] + known[-1:]))
    return " to ".join(ends) or NOTHING


def _delay(steps: int | None, time_step_ms: float) -> str:
    return "none" if steps is None else f"{count(steps, 'step')} ({steps * time_step_ms:g} ms)"
