"""The report's sentences, generated from the study and its counts: nothing is said that was not planned or run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from analysis.results.load import Results
from analysis.results.recipe import recipe_words
from analysis.results.study import StudyInfo, TaskInfo
from analysis.text import count, listed
from glifr.records import STAGES, design_in

QUICK = "Quick profile: this run shows that the system works; its numbers are no evidence."
_SAMPLERS = {
    "tpe": " (TPE)",
    "random": " (random search)",
    "gp": " (a Gaussian process)",
    "cmaes": " (CMA-ES)",
    "qmc": " (quasi-random search)",
    "grid": " (a grid)",
}
_STAGE_WORDS = {"search": "trial", "confirm": "confirm run", "final": "final network", "silencing": "silencing run"}


def how_many(value: Any) -> int:
    """The number behind a study's `seeds`: a count, or a list of them."""
    return len(value) if isinstance(value, list | tuple) else int(value or 0)


def design(info: StudyInfo) -> str:
    """One paragraph: what is compared, on what, and how."""
    task, training = info.task, info.section("training")
    others = len(info.conditions) - 1
    against = f"with {info.reference} as the reference" if others > 0 else "alone"
    splits = ", ".join(f"{n:,} {name}" for name, n in task.splits.items())
    parts = [
        f"{count(len(info.conditions), 'condition')} on {task.title}, {against}. "
        f"Data: {task.source} ({splits} samples; {_steps(task)} of {task.time_step_ms:g} ms); "
        f"trained on {'training and validation data' if task.train_on != 'train' else 'the training data'}"
        f"{_training_words(training, task.passes)}.",
        *_search_words(info),
        _final_words(info),
        *_silencing_words(info),
    ]
    return " ".join(parts)


def _steps(task: TaskInfo) -> str:
    if task.lengths is None:
        return f"{task.steps} steps"
    shortest, longest = task.lengths
    return f"{shortest} to {longest} steps, each sequence read to its own end,"


def _training_words(training: Mapping[str, Any], passes: int) -> str:
    if not training.get("epochs"):
        return ""
    each = f" of {passes} passes" if passes > 1 else ""
    batch = f", batches of {training['batch_size']:,}" if training.get("batch_size") else ""
    return f" for {count(training['epochs'], 'epoch')}{each} with {recipe_words(training)}{batch}"


def _search_words(info: StudyInfo) -> list[str]:
    search, confirm = info.section("search"), info.section("confirm")
    if not info.planned("search"):
        return ["Hyperparameters were fixed in the study file; nothing was searched."]
    budgets = sorted({c.planned["search"] // info.repeats_of(c) for c in info.conditions})
    budget = count(budgets[0], "trial") if len(budgets) == 1 else f"{budgets[0]} to {budgets[-1]} trials"
    equal = info.section("budget").get("equal", "trials")
    budget = {"epochs": f"the epochs of {budget}", "time": f"equal time, at most {budget}"}.get(equal, budget)
    seeds = how_many(search.get("seeds_per_trial"))
    each = f" of {count(seeds, 'seed')}" if seeds else ""
    short = f" and {count(search['epochs'], 'epoch')}" if search.get("epochs") else ""
    sampler = _SAMPLERS.get(str(info.section("search", "sampler").get("name")), "")
    pruned = info.section("search", "pruner").get("name") not in (None, "none")
    stopping = ", with early stopping within the condition" if pruned else ""
    repeats = sorted({info.repeats_of(c) for c in info.conditions})
    times = " to ".join(map(str, dict.fromkeys((repeats[0], repeats[-1]))))
    often = f" {times} times, independently, each time" if info.repeats > 1 else ""
    words = [f"Each condition searched its own settings{often} in {budget}{each}{short}{sampler}{stopping}."]
    if equal == "time":
        words.append("How many trials that was depended on the machine, so the search does not repeat.")
    words += _beginning_words(info)
    if info.planned("confirm"):
        first, fresh = info.conditions[0], how_many(confirm.get("seeds"))
        top = first.planned["confirm"] // info.repeats_of(first)
        on = f" on {count(fresh, 'further seed')}" if fresh else ""
        won = f"The best {top} were trained again{on}; the best mean won."
        words.append(won if top > 1 else f"The best was trained again{on}.")
    return words


def _beginning_words(info: StudyInfo) -> list[str]:
    """What searches began with, beside their own trials."""
    words = []
    if any(info.known_points.values()):
        words.append(f"Its first trials were at {_span(info.known_points.values(), 'known point')}.")
    if info.learned:
        taught = _span(info.learned.values(), "trial")
        words.append(f"Its sampler had learned from {taught} of {info.learned_from}, which come to its budget.")
    return words


def _span(counts: Collection[int], what: str) -> str:
    least, most = min(counts), max(counts)
    return count(most, what) if least == most else f"{least} to {count(most, what)}"


def _final_words(info: StudyInfo) -> str:
    planned = sorted({c.planned["final"] for c in info.conditions})
    winner = "the winner" if info.planned("search") else "each condition"
    winner = "each search's winner" if info.repeats > 1 else winner
    if design_in(info.spec) is None:
        seeds = f"{count(planned[-1] // info.repeats, 'seed')}, the same for every condition"
    else:
        seeds = " to ".join(f"{n:,}" for n in dict.fromkeys((planned[0], planned[-1])))
        seeds = f"{seeds} seeds, as many as looks asked for, those that conditions share being the same"
    return f"For the result {winner} was trained on {seeds}; " + (
        "the test data were read only after a network's last epoch."
        if info.task.held_out
        else "its value is that on the training data after the last epoch, as the task holds nothing out."
    )


def _silencing_words(info: StudyInfo) -> list[str]:
    silencing = info.section("silencing")
    if not info.planned("silencing") or not silencing:
        return []
    fractions = [f"{100 * f:g}" for f in silencing.get("fractions", [])]
    acts_on = {c.name: c.style.outside.silenced for c in info.conditions if c.style.outside is not None}
    return [
        f"Then {listed(fractions)} % of the neurons were silenced, {silencing.get('masks')} random choices each.",
        *(f"In {name} a silenced neuron is cut from {what}." for name, what in acts_on.items()),
    ]


def standing(results: Results) -> str:
    """One sentence: what is done of what was planned; and what failed or is missing."""
    parts = []
    for stage in STAGES:
        planned = results.info.planned(stage)
        if planned:
            done = results.count("complete", stage) + results.count("pruned", stage)
            parts.append(f"{done:,} of {count(planned, _STAGE_WORDS[stage])}")
    return f"Done: {listed(parts)}." if parts else "Nothing was planned."


def incidents(results: Results) -> str:
    """What did not go as planned: pruned, failed, unfinished, not started and diverged."""
    states = ("pruned", "failed", "unfinished", "not started")
    found = [f"{n:,} {what}" for what in states if (n := results.count(what))]
    diverged = results.count("diverged", "final")
    found += [f"{count(diverged, 'final network')} diverged"] if diverged else []
    if not found:
        return "No unit was pruned, failed or is missing; no final network diverged."
    return f"{listed(found)}."
