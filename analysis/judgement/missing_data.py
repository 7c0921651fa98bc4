"""Explains missing tables and figures, and what to do about them."""

from __future__ import annotations

from analysis.results.load import Results
from glifr.records import Stage

CONTINUE = "Run the study's command again: it goes on where it stopped and makes this report again."
MEND = (
    "Mend the cause (each attempt's folder has a failure.json with its traceback), then run the study's command again: "
    "failed units are tried again."
)
_WORDS: dict[Stage, str] = {
    "search": "trial",
    "confirm": "confirm run",
    "final": "final network",
    "silencing": "silencing run",
}


def nothing_from(results: Results, stage: Stage) -> tuple[str, str]:
    """Why no unit of `stage` has a usable result, and what to do."""
    words = _WORDS[stage]
    if results.count("complete", stage):
        return f"No {words} has a {results.info.measure.label}.", "The task has none; compare the learning curves."
    failed, open_ = results.count("failed", stage), results.count("unfinished", stage)
    if failed and not open_:
        return f"Every {words} that was started failed{_last_failure(results, stage)}.", MEND
    if stage == "final" and results.info.planned("search") and not results.count("complete", "search"):
        why, todo = nothing_from(results, "search")
        return f"No final network has started. {why}", todo
    return f"No {words} has finished yet.", CONTINUE


def not_recorded(results: Results, *, glifr: bool = False) -> tuple[str, str]:
    """Why nothing is on file of what trained networks are like, and what to do. glifr: of neurons with parameters."""
    conditions = results.info.conditions
    own = {c.name for c in conditions if not glifr or c.style.parameters}
    if not own:
        return "No condition has GLIFR neurons.", "RNN and LSTM have no neurons of this kind."
    if results.networks is None:
        return (
            "The pack was made without what its networks are like.",
            "Make the report from the results folder, or the pack without `--without networks`.",
        )
    if not results.finals["condition"].isin(own).any():
        return nothing_from(results, "final")
    return (
        "No final network has its characteristics on file.",
        "They diverged, or are from an earlier version of this project: networks trained from now on have them.",
    )


def single_network(results: Results) -> str:
    """Why there are no intervals where no condition has two independent values; '' where one has."""
    most = int(results.unit_values().notna().sum().max())
    if most != 1:
        return ""
    if results.info.repeats > 1:
        return (
            "One repeat of the search per condition has a result: how far repeats differ is unknown, so there is no "
            "interval and no test, however many networks it has."
        )
    return (
        "One network per condition: its spread over seeds is unknown, so there is no interval and no test. "
        "Give 'final.seeds' in the study file more seeds (at least 10 for a result) and run it again."
    )


def _last_failure(results: Results, stage: Stage) -> str:
    table = results.tables["seeds"]
    failures = table.loc[(table["stage"] == stage) & (table["status"] == "failed"), "last_failure"].dropna()
    return f", the last with {str(failures.iloc[-1]).rstrip('.')}" if len(failures) else ""
