"""The column dictionary of the five tidy tables. docs/results-folder.md prints it; a test holds them equal."""

from __future__ import annotations

from collections.abc import Mapping
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


_UNIT = (
    Column("stage", "text", "", "search, confirm, final or silencing"),
    Column("condition", "text", "", "the condition's name"),
)
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
    Column("test_loss", "number", "nats or squared error", "mean loss on the test data; chance for a diverged network"),
    Column("test_accuracy", "number", "0 to 1", "share of the test data classified rightly; chance if diverged"),
)
_RUN = (
    Column("source", "text", "", "the unit whose hyperparameters were taken"),
    Column("attempts", "whole", "", "how often the unit was started"),
    Column("failures", "whole", "", "how many of the attempts failed"),
    Column("last_failure", "text", "", "kind and message of the last failure"),
    Column("started_at", "text", "UTC", "start of the attempt that gave the result"),
    Column("finished_at", "text", "UTC", "when the result was published"),
    Column("seconds", "number", "s", "wall time of that attempt; of a batch of seeds, the share of this unit"),
    Column("backend", "text", "", "the kernel that computed the unit"),
    Column("device", "text", "", "cpu, or the name of the GPU"),
    Column("threads", "whole", "", "CPU threads of the process"),
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
            Column("condition", "text", "", "the condition's name"),
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
            Column("when", "text", "", "start or end of training"),
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


_HEAD = ("| column | kind | unit | meaning |", "| --- | --- | --- | --- |")


def column_dictionary() -> str:
    """The dictionary as Markdown tables, as docs/results-folder.md holds it."""
    parts = []
    for table, columns in TABLES.items():
        rows = [f"| `{c.name}` | {c.kind} | {c.unit or '-'} | {c.meaning} |" for c in columns]
        parts.append("\n".join([f"### {table}", "", *_HEAD, *rows]))
    return "\n\n".join(parts) + "\n"
