"""The column dictionary of all tables. docs/results-folder.md prints it; a test holds them equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from glifr.conditions import HYPERPARAMETERS

Kind = Literal["text", "whole", "number", "truth"]
DTYPES: Mapping[Kind, str] = MappingProxyType(
    {"text": "string", "whole": "Int64", "number": "float64", "truth": "boolean"}
)


@dataclass(frozen=True)
class Column:
    """One column of a table: its name, kind, unit ('' where it has none) and meaning."""

    name: str
    kind: Kind
    unit: str
    meaning: str


_CONDITION = Column("condition", "text", "", "the condition's name")
_REPEAT = Column("repeat", "whole", "", "which of the condition's independent searches; 0 where there is one")
_UNIT = (Column("stage", "text", "", "search, confirm, final or silencing"), _CONDITION, _REPEAT)
_NUMBER = Column("number", "whole", "", "the trial's number in search and confirm, the seed in final")
_SEED = Column("seed", "whole", "", "the seed of the network")
_STATUS = Column(
    "status", "text", "", "complete, pruned (stopped early), failed (no attempt gave a result) or unfinished"
)
_HYPERPARAMETERS = tuple(
    Column(n, "number", "", f"{text}; empty where not used") for n, text in HYPERPARAMETERS.items()
)
_MEASURES = (
    Column("train_loss", "number", "nats or squared error", "mean loss over the epoch, while training"),
    Column("train_accuracy", "number", "0 to 1", "share classified rightly, while training"),
    Column("validation_loss", "number", "nats or squared error", "mean loss on the validation data after the epoch"),
    Column("validation_accuracy", "number", "0 to 1", "share of the validation data classified rightly"),
)
_TEST = (
    Column(
        "test_loss",
        "number",
        "nats or squared error",
        "mean loss on the test data, or on all data if none is held out; chance for a diverged network",
    ),
    Column("test_accuracy", "number", "0 to 1", "share of the test data classified rightly; chance if diverged"),
)
Part = Literal["validation", "test"]
_METRIC: Mapping[Part, str] = MappingProxyType(
    {
        "validation": "a metric of the task's own, mean over the validation data after the epoch",
        "test": "a metric of the task's own, mean over the test data; that of chance if diverged",
    }
)
# the tables that have metrics of the task's own, and on which data these are measured
MEASURED_ON: Mapping[str, Part] = MappingProxyType({"epochs": "validation", "seeds": "test", "silencing": "test"})


def metric_column(name: str, part: Part = "test") -> str:
    """The column of a metric of the task's own."""
    return f"{part}_{name}"


def metric_columns(found: Iterable[str], part: Part) -> tuple[Column, ...]:
    """The columns of metrics among the names of columns. part: the data that they are measured on."""
    known = {column.name for column in (*_MEASURES, *_TEST)}
    return tuple(Column(n, "number", "", _METRIC[part]) for n in found if n.startswith(f"{part}_") and n not in known)


_RUN = (
    Column("source", "text", "", "the unit whose hyperparameters were taken"),
    Column("attempts", "whole", "", "how often the unit was started"),
    Column("failures", "whole", "", "how many of the attempts failed"),
    Column("last_failure", "text", "", "kind and message of the last failure"),
    Column("resumed", "whole", "", "how many of the attempts went on from a checkpoint"),
    Column("repeated_epochs", "whole", "", "epoch records that a later attempt wrote again"),
    Column("started_at", "text", "UTC", "start of the attempt that gave the result"),
    Column("finished_at", "text", "UTC", "when the result was published"),
    Column("seconds", "number", "s", "wall time of that attempt; of a batch of seeds, the share of this unit"),
    Column("backend", "text", "", "the kernel that computed the unit"),
    Column("device", "text", "", "cpu, or the name of the GPU"),
    Column("threads", "whole", "", "CPU threads of the process"),
    Column("processor", "text", "", "the kind of processor; of a unit tried again on another kind, both, joined by ;"),
    Column("seeds_in_batch", "whole", "", "seeds computed together"),
    Column("code_version", "text", "", "hash of the code that proposed the unit"),
    Column("identity", "text", "", "hash of what decides the unit's result"),
)

TABLES: Mapping[str, tuple[Column, ...]] = MappingProxyType(
    {
        "trials": (
            *_UNIT,
            _NUMBER,
            _STATUS,
            Column("value", "number", "as the score", "mean score over the trial's seeds; lower is better"),
            *_HYPERPARAMETERS,
            Column("chosen", "truth", "", "whether the final networks were trained with this configuration"),
            Column("seeds", "whole", "", "seeds of the trial"),
            Column("diverged_seeds", "whole", "", "how many of them diverged"),
            Column("epochs", "whole", "", "epochs done, the most over the seeds"),
            *_RUN,
        ),
        "epochs": (
            *_UNIT,
            _NUMBER,
            _SEED,
            Column("epoch", "whole", "", "epochs done, counted from 1"),
            *_MEASURES,
            Column("diverged", "truth", "", "whether loss or a parameter was not finite by then"),
            Column("seconds", "number", "s", "wall time of the epoch divided by the seeds trained in it"),
        ),
        "seeds": (
            *_UNIT,
            _NUMBER,
            _SEED,
            _STATUS,
            Column(
                "diverged", "truth", "", "whether the network diverged; its scores are then those declared for that"
            ),
            Column("epochs", "whole", "", "epochs done"),
            Column(
                "score",
                "number",
                "nats or squared error",
                "validation loss after the last epoch (training loss "
                "without a validation split), at most twice the loss of chance, which a diverged network has",
            ),
            *_MEASURES,
            *_TEST,
            *_HYPERPARAMETERS,
            Column("hidden_size", "whole", "neurons", "size of the network"),
            Column("trained_parameters", "whole", "", "numbers that training adjusts"),
            Column("delay_steps", "whole", "time steps", "delay of the lateral input; empty for none"),
            Column("network", "text", "", "the trained network's file in the results folder"),
            *_RUN,
        ),
        "silencing": (
            _CONDITION,
            _REPEAT,
            _SEED,
            Column("fraction", "number", "0 to 1", "share of the neurons silenced"),
            Column("mask", "whole", "", "number of the random choice of neurons; nested in the network"),
            Column("silenced", "whole", "neurons", "neurons silenced"),
            *_TEST,
        ),
        "parameters": (
            *_UNIT,
            _NUMBER,
            _SEED,
            Column("parameter", "text", "", "thresh, k_m, k_j, r_j or a_j"),
            Column("index", "whole", "", "the after-spike current j; 0 for thresh and k_m"),
            Column(
                "when",
                "text",
                "",
                "start or end of training; target: of the neuron to be recovered, where the task knows it",
            ),
            Column("mean", "number", "natural, rates in 1/ms", "mean over the network's neurons"),
            Column("sd", "number", "as the mean", "standard deviation over the neurons"),
            Column("minimum", "number", "as the mean", "smallest"),
            Column("q05", "number", "as the mean", "5 % quantile"),
            Column("q25", "number", "as the mean", "25 % quantile"),
            Column("median", "number", "as the mean", "median"),
            Column("q75", "number", "as the mean", "75 % quantile"),
            Column("q95", "number", "as the mean", "95 % quantile"),
            Column("maximum", "number", "as the mean", "largest"),
        ),
    }
)


_P = "p of the two-sided sign-flip permutation test"
_VERDICT = (
    Column(
        "verdict",
        "text",
        "",
        "better, worse, equivalent, inconclusive or not testable; empty in a profile that is no evidence",
    ),
    Column("verdict_note", "text", "", "what qualifies the verdict"),
)
_ESTIMATE = (
    Column("pairs", "whole", "", "seeds, or repeats of the search, that all its conditions have"),
    Column("mean", "number", "as recorded", "mean difference within one of them"),
    Column("sd", "number", "as recorded", "standard deviation of the differences"),
    Column("low", "number", "as recorded", "lower end of the 95 % paired t interval of the mean"),
    Column("high", "number", "as recorded", "upper end"),
    Column("p", "number", "", _P),
    Column("p_holm", "number", "", "p after Holm over this table"),
    Column("p_welch", "number", "", "p of Welch's t test, unpaired"),
    Column("p_equivalence", "number", "", "p of the two one-sided paired t tests at the smallest effect of interest"),
    Column("p_equivalence_holm", "number", "", "the same after Holm over this table"),
    Column("g", "number", "", "Hedges' g, unpaired"),
    Column("superiority", "number", "0 to 1", "chance that a network of the first side is above one of the second"),
    Column("sd_ratio", "number", "", "larger over smaller standard deviation of the two sides"),
    *_VERDICT,
    Column("reason", "text", "", "why something could not be computed"),
)
_CONTRAST = (
    Column("contrast", "text", "", "the contrast's name"),
    Column("of", "text", "", "its first side: conditions, separated by spaces"),
    Column("minus", "text", "", "its second side"),
)

DERIVED: Mapping[str, tuple[Column, ...]] = MappingProxyType(
    {
        "conditions": (
            _CONDITION,
            Column("planned", "whole", "networks", "final networks planned"),
            Column("finished", "whole", "networks", "final networks with a value of the primary measure"),
            Column("diverged", "whole", "networks", "how many of them diverged"),
            Column("units", "whole", "", "independent values: networks, or repeats of the search with their mean"),
            Column("mean", "number", "as recorded", "mean over networks"),
            Column("sd", "number", "as recorded", "standard deviation over networks"),
            Column("low", "number", "as recorded", "lower end of the 95 % t interval of the mean"),
            Column("high", "number", "as recorded", "upper end"),
            Column(
                "test_error",
                "number",
                "as recorded",
                "standard error of the mean from the draw of the test data (binomial); empty for a loss",
            ),
            Column("iqm", "number", "as recorded", "interquartile mean, from 10 networks on"),
            Column("iqm_low", "number", "as recorded", "lower end of its 95 % bootstrap interval"),
            Column("iqm_high", "number", "as recorded", "upper end"),
            Column("median", "number", "as recorded", "median"),
            Column("minimum", "number", "as recorded", "smallest"),
            Column("maximum", "number", "as recorded", "largest"),
            Column("seconds", "number", "s", "mean wall time to train one final network"),
            Column("hidden_size", "whole", "neurons", "size of the network"),
            Column("trained_parameters", "whole", "", "numbers that training adjusts"),
        ),
        "factorial": (
            Column("effect", "text", "", "the factor, or factors joined by ×"),
            Column(
                "kind",
                "text",
                "",
                "difference; trend, with an ordered factor; levels, whether any of several without an order differ",
            ),
            Column(
                "estimate",
                "number",
                "as recorded",
                "second level minus first; of a trend the change from the first level to the last; for an interaction "
                "the difference of differences; of levels the largest of their differences",
            ),
            Column("at", "text", "", "the levels of the other factors that it is taken at; empty where at all"),
            Column("units", "whole", "", "seeds, or repeats of the search, that have all its cells"),
            Column(
                "low",
                "number",
                "as recorded",
                "lower end of the 95 % t interval of their mean; of levels widened for the choice of the largest",
            ),
            Column("high", "number", "as recorded", "upper end"),
            Column("eta2", "number", "0 to 1", "partial eta squared, a description: no test rests on it"),
            Column("p", "number", "", _P),
            Column("p_holm", "number", "", "p after Holm over this table"),
            Column(
                "p_equivalence", "number", "", "p of two one-sided paired t tests at the smallest effect of interest"
            ),
            Column("p_equivalence_holm", "number", "", "the same after Holm"),
            Column("verdict", "text", "", "as in contrasts; of an interaction present instead of better or worse"),
            Column("verdict_note", "text", "", "what qualifies the verdict; of an interaction its sign"),
        ),
        "levels": (
            Column("factor", "text", "", "name of the factor"),
            Column("level", "text", "", "name of the level"),
            Column("value", "number", "", "its number; empty where the level is none"),
            Column("at", "text", "", "the levels of the other factors that it is taken at; empty where at all"),
            Column("units", "whole", "", "seeds, or repeats of the search, that have all its cells"),
            Column("mean", "number", "as recorded", "of the primary measure, over the cells and then the units"),
            Column("low", "number", "as recorded", "lower end of the 95 % t interval of the mean over units"),
            Column("high", "number", "as recorded", "upper end"),
            Column("band_low", "number", "as recorded", "lower end of the band of an ordered factor's curve"),
            Column("band_high", "number", "as recorded", "upper end"),
        ),
        "level_pairs": (*_CONTRAST, *_ESTIMATE),
        "contrasts": (*_CONTRAST, *_ESTIMATE),
        "pairs": (*_CONTRAST, *_ESTIMATE),
        "silenced_networks": (
            _CONDITION,
            _SEED,
            Column(
                "area",
                "number",
                "0 to 1; of a loss as recorded",
                "area under the curve over the silenced share, masks averaged: of an accuracy from chance (0) to "
                "intact (1), cut to that range; of a loss as it is, that is the mean loss",
            ),
            Column(
                "half_loss",
                "number",
                "0 to 1",
                "share silenced at which half of the way from intact to chance is gone; empty if it never is",
            ),
            Column("reason", "text", "", "why there is no area, or of a loss no half_loss"),
        ),
        "tuning": (
            _CONDITION,
            _REPEAT,
            Column("trials", "whole", "", "trials planned"),
            Column("complete", "whole", "", "trials that ran to their last epoch"),
            Column("pruned", "whole", "", "trials stopped early"),
            Column("failed", "whole", "", "trials without a result"),
            Column("diverged", "whole", "", "trials with a diverged seed"),
            Column("best", "number", "as the score", "value of the best whole trial"),
            Column("chosen_value", "number", "as the score", "value of the chosen configuration in the search"),
            Column("final_score", "number", "as the score", "mean score of the final networks"),
            Column("chosen_in", "text", "", "the stage whose score made the choice: confirm, or search without one"),
            Column("compared_at", "whole", "epochs", "how long that stage trained: where the two scores are compared"),
            Column("chosen_score", "number", "as the score", "score of the chosen configuration there"),
            Column(
                "final_score_then", "number", "as the score", "mean score of the final networks after as many epochs"
            ),
            Column("gap", "number", "as the score", "that minus the chosen score: how much the choice was flattered"),
            Column("gap_reason", "text", "", "why the two cannot be compared"),
            Column("seconds", "number", "s", "wall time of search and confirmation"),
            Column("edges", "text", "", "hyperparameters chosen within 5 % of an end of their range"),
        ),
        "published": (
            Column("condition", "text", "", "the condition's name; a row for each that has published runs"),
            Column("n", "whole", "networks", "final networks with a value of the published measure"),
            Column("mean", "number", "as recorded", "mean over networks"),
            Column("sd", "number", "as recorded", "standard deviation over networks"),
            Column("mean_low", "number", "as recorded", "lower end of the 95 % t interval of the mean"),
            Column("mean_high", "number", "as recorded", "upper end"),
            Column("published_n", "whole", "runs", "published runs"),
            Column("published_mean", "number", "as recorded", "their mean"),
            Column("published_sd", "number", "as recorded", "their standard deviation"),
            Column("difference", "number", "as recorded", "mean minus published mean"),
            Column("low", "number", "as recorded", "lower end of the 95 % Welch interval of the difference"),
            Column("high", "number", "as recorded", "upper end"),
            Column("margin", "number", "as recorded", "within plus or minus this the two count as equivalent"),
            Column("p", "number", "", "p of Welch's t test"),
            Column("p_holm", "number", "", "p after Holm over this table"),
            Column("p_equivalence", "number", "", "p of the two one-sided Welch tests at the margin"),
            Column("p_equivalence_holm", "number", "", "the same after Holm over this table"),
            Column("verdict", "text", "", "better, worse, equivalent, inconclusive or not testable"),
            Column("verdict_note", "text", "", "what qualifies the verdict"),
            Column("reason", "text", "", "why there is no test"),
            Column("other_settings", "text", "", "settings that are not the published ones, separated by semicolons"),
            Column("would_pass", "text", "", "other published conditions within the margin of this one, semicolons"),
        ),
        "power": (
            Column("contrast", "text", "", "the contrast's name"),
            Column("pairs", "whole", "", "seeds that all its conditions have"),
            Column("sd", "number", "as recorded", "standard deviation of the differences"),
            Column("alpha", "number", "", "level of the first step of Holm"),
            Column("power", "number", "0 to 1", "to find the smallest effect; like what follows from 10 pairs on"),
            Column("detectable", "number", "as recorded", "difference found with 80 % power"),
            Column("needed", "whole", "pairs", "for 80 % power at the smallest effect; empty above 10,000"),
            Column("needed_low", "whole", "pairs", "the same with the lower end of the 95 % interval of sd"),
            Column("needed_high", "whole", "pairs", "the same with its upper end"),
            Column("needed_for_equivalence", "whole", "pairs", "to call equal conditions equivalent with 80 % power"),
            Column("needed_for_equivalence_low", "whole", "pairs", "the same with the lower end of the interval of sd"),
            Column("needed_for_equivalence_high", "whole", "pairs", "the same with its upper end"),
        ),
        "neurons": (
            _CONDITION,
            _SEED,
            Column("neuron", "whole", "", "the neuron's number in its network, from 0"),
            Column("parameter", "text", "", "thresh, k_m, k_j, r_j or a_j"),
            Column("index", "whole", "", "the after-spike current j; 0 for thresh and k_m"),
            Column("start", "number", "natural, rates in 1/ms", "before training"),
            Column("end", "number", "as the start", "after it"),
        ),
        "clusters": (
            _CONDITION,
            _SEED,
            Column("neurons", "whole", "neurons", "clustered"),
            Column("parameters", "whole", "", "neuron parameters that vary: each current's count by themselves"),
            Column("clusters", "whole", "", "where the Calinski-Harabasz index stands highest above its null"),
            Column("excess", "number", "", "how many times the null's geometric mean it is there"),
            Column("p", "number", "", "share of the draws without clusters, and the data, that stand as high anywhere"),
            Column("stability", "number", "", "mean adjusted Rand index when neurons are resampled"),
            Column("structured", "truth", "", "whether p is at most 0.05 and stability at least 0.8"),
            Column(
                "finding", "text", "", "clusters, structure but no stable clusters, or no structure beyond a continuum"
            ),
            Column("reason", "text", "", "why nothing could be computed"),
        ),
        "components": (
            Column("condition", "text", "", "the condition's name; no rows in a study that searched once"),
            Column("repeats", "whole", "", "repeats of its search with a final network"),
            Column("networks", "whole", "networks", "final networks over all of them"),
            Column("search", "number", "as recorded", "standard deviation between repeats beyond that of seeds"),
            Column("seed", "number", "as recorded", "standard deviation between networks of one repeat"),
            Column("share", "number", "0 to 1", "of the summed variance that is the search's"),
            Column("truncated", "truth", "", "whether the search's variance came out negative and is given as 0"),
            Column("reason", "text", "", "why nothing could be computed"),
        ),
        "warnings": (
            Column("code", "text", "", "the warning's code"),
            Column("text", "text", "", "what a reader must know"),
            Column("place", "text", "", "the part of the report that it is about"),
            Column("subjects", "text", "", "the rows it is about, separated by semicolons"),
        ),
    }
)


_HEAD = ("| column | kind | unit | meaning |", "| --- | --- | --- | --- |")


def column_dictionary(tables: Mapping[str, tuple[Column, ...]] = TABLES) -> str:
    """The dictionary as Markdown tables, as docs/results-folder.md holds it."""
    parts = []
    for table, columns in tables.items():
        rows = [f"| `{c.name}` | {c.kind} | {c.unit or '-'} | {c.meaning} |" for c in columns]
        parts.append("\n".join([f"### {table}", "", *_HEAD, *rows]))
    return "\n\n".join(parts) + "\n"
