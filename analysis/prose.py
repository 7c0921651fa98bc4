"""The report's sentences, generated from the study and its counts: nothing is said that was not planned or run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.assessment import Assessment
from analysis.clusters import ALPHA as CLUSTER_ALPHA
from analysis.clusters import DRAWS as CLUSTER_DRAWS
from analysis.clusters import RESAMPLES, STABLE
from analysis.comparisons import DRAWS, EXACT_UP_TO
from analysis.intervals import BOOTSTRAP_FROM
from analysis.intervals import DRAWS as BOOTSTRAPS
from analysis.load import Results
from analysis.published import words
from analysis.study import Measure, StudyInfo
from analysis.text import count, listed
from analysis.verdicts import RULE
from analysis.wording import margin
from glifr.records import STAGES

QUICK = "Quick profile: this run shows that the system works; its numbers are no evidence."
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
        f"Data: {task.source} ({splits} samples; {task.steps} steps of {task.time_step_ms:g} ms); "
        f"trained on {'training and validation data' if task.train_on != 'train' else 'the training data'}"
        f"{_training_words(training, task.passes)}.",
        *_search_words(info),
        _final_words(info),
        *_silencing_words(info),
    ]
    return " ".join(parts)


def _training_words(training: Mapping[str, Any], passes: int) -> str:
    if not training.get("epochs"):
        return ""
    each = f" of {passes} passes" if passes > 1 else ""
    batch = f", batches of {training['batch_size']:,}" if training.get("batch_size") else ""
    return f" for {count(training['epochs'], 'epoch')}{each} with Adam{batch}"


def _search_words(info: StudyInfo) -> list[str]:
    search, confirm = info.section("search"), info.section("confirm")
    if not info.planned("search"):
        return ["Hyperparameters were fixed in the study file; nothing was searched."]
    budgets = sorted({c.planned["search"] for c in info.conditions})
    budget = count(budgets[0], "trial") if len(budgets) == 1 else f"{budgets[0]} to {budgets[-1]} trials"
    seeds = how_many(search.get("seeds_per_trial"))
    each = f" of {count(seeds, 'seed')}" if seeds else ""
    short = f" and {count(search['epochs'], 'epoch')}" if search.get("epochs") else ""
    sampler = {"tpe": " (TPE)", "random": " (random search)"}.get(
        str(info.section("search", "sampler").get("name")), ""
    )
    pruned = info.section("search", "pruner").get("name") not in (None, "none")
    stopping = ", with early stopping within the condition" if pruned else ""
    words = [f"Each condition searched its own settings in {budget}{each}{short}{sampler}{stopping}."]
    if info.planned("confirm"):
        top, fresh = info.conditions[0].planned["confirm"], how_many(confirm.get("seeds"))
        on = f" on {count(fresh, 'fresh seed')}" if fresh else ""
        words.append(f"The best {top} were trained again{on}; the best mean won.")
    return words


def _final_words(info: StudyInfo) -> str:
    n = max(c.planned["final"] for c in info.conditions)
    winner = "the winner" if info.planned("search") else "each condition"
    return f"For the result {winner} was trained on {count(n, 'fresh seed')}, the same for every condition; " + (
        "the test data were read only after a network's last epoch."
        if info.task.held_out
        else "its value is the loss on the training data after the last epoch, as the task holds nothing out."
    )


def _silencing_words(info: StudyInfo) -> list[str]:
    silencing = info.section("silencing")
    if not info.planned("silencing") or not silencing:
        return []
    fractions = [f"{100 * f:g}" for f in silencing.get("fractions", [])]
    return [f"Then {listed(fractions)} % of the neurons were silenced, {silencing.get('masks')} random choices each."]


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


def methods(a: Assessment) -> list[str]:
    """The methods, ready to paste: what was compared, how it was chosen, how it was judged, by what it was made."""
    return [
        design(a.results.info),
        f"{_selection(a.results)} {_networks(a.results)}",
        _statistics(a),
        _software(a.results),
    ]


def _networks(results: Results) -> str:
    measure = results.info.measure
    counts = listed([f"{name} {int(n)}" for name, n in results.final_values().notna().sum().items()])
    chance = f" ({measure.chance_words})" if measure.chance_words else ""
    return (
        "The unit of every statistic is one trained network, that is one seed of one condition; epochs and random "
        "choices of silenced neurons are nested in their network and were averaged within it first. Between the "
        "networks of a condition the seed varies: initial weights, order of the data, dropout. Networks compared: "
        f"{counts}. {incidents(results)} {_diverged_rule(measure, chance)}"
    )


def _statistics(a: Assessment) -> str:
    info, declared = a.results.info, a.results.info.declaration
    near = margin(info.smallest_effect, info.measure)
    parts = [
        f"The primary measure was {info.measure.label}; smallest effect of interest {near}, α = {declared.alpha:g}, "
        f"{count(len(declared.contrasts), 'planned contrast')} (declaration {declared.hash[:12]}).",
        "Means are given with 95 % t intervals, interquartile means with percentile bootstrap intervals "
        f"({BOOTSTRAPS:,} resamples) from {BOOTSTRAP_FROM} networks on.",
    ]
    if a.factorial.effects:
        parts.append(
            f"{count(len(a.factorial.cells), 'condition')} were analysed as a factorial: for each effect the signed "
            f"mean over its cells within every {info.unit} that has them all, tested as a contrast is and "
            f"Holm-adjusted over the {count(len(a.factorial.effects), 'effect')}."
        )
    if a.planned:
        exact = f"all sign patterns up to {EXACT_UP_TO} pairs, else {DRAWS:,} random ones"
        parts.append(
            f"Contrasts were paired by seed and tested with a two-sided sign-flip permutation test ({exact}), "
            "Holm-adjusted within the family; with n pairs no exact p can be smaller than 2^(1 − n). Equivalence was "
            "tested with two one-sided paired t tests at the smallest effect of interest, adjusted the same way. "
            f"Verdicts: {RULE}. Beside them stand Welch's t test, Hedges' g and the probability of superiority."
        )
    if a.published is not None:
        parts.append(words.methods(a.published))
    if any(g.computed for g in a.groups):
        parts.append(
            "The neurons of each GLIFR network were clustered by their parameters after training (rates as logarithms, "
            f"standardised, Ward) and the Calinski-Harabasz index compared with {CLUSTER_DRAWS} Gaussian-copula draws "
            f"without clusters; a network has clusters if p is at most {CLUSTER_ALPHA:g} and the adjusted Rand index "
            f"over {RESAMPLES} resamplings of its neurons at least {STABLE:g}."
        )
    return " ".join(parts)


def _software(results: Results) -> str:
    last = results.sessions[-1] if results.sessions else {}
    packages = last.get("packages") or {}
    named = [f"{n} {packages[n]}" for n in ("torch", "optuna", "ray", "numpy", "scipy") if n in packages]
    commit = f" (commit {last['commit'][:12]})" if last.get("commit") else ""
    python = f"Python {last['python']}" if last.get("python") else "Python"
    return f"Made with this project{commit}, {listed([python, *named])}; study {results.info.hash[:12]}."


def _diverged_rule(measure: Measure, chance: str) -> str:
    return (
        f"A network that diverged (loss or a parameter not finite) is kept and counts with the {measure.label} of "
        f"chance{chance}; as a score it has twice the loss of chance."
    )


def _selection(results: Results) -> str:
    if not results.info.planned("search"):
        return "Hyperparameters were fixed in the study file; none were selected."
    validated = results.info.task.held_out and results.info.task.train_on == "train"
    data = "validation data" if validated else "training data, as nothing is held out"
    seeds = results.tables["seeds"]
    final = seeds["stage"] == "final"
    shared = sorted(set(seeds.loc[final, "seed"]) & set(seeds.loc[~final, "seed"]))
    if shared:
        return (
            f"Configurations were selected by the score on {data}. Tuning and final networks share seeds: "
            f"{listed(shared)}."
        )
    return (
        f"Configurations were selected by the score on {data}; no seed of the search or the confirmation is a seed of "
        "a final network."
    )
