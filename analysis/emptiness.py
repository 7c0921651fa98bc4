"""Why there is nothing to show, and what to do about it."""

from __future__ import annotations

from analysis.load import Results
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


def single_network(results: Results) -> str:
    """Why there are no intervals where no condition has two networks; '' where one has."""
    most = int(results.final_values().notna().sum().max())
    if most != 1:
        return ""
    return (
        "One network a condition: its spread over seeds is unknown, so there is no interval and no test. "
        "Give 'final.seeds' in the study file more seeds (at least 10 for a result) and run it again."
    )


def _last_failure(results: Results, stage: Stage) -> str:
    table = results.tables["seeds"]
    failures = table.loc[(table["stage"] == stage) & (table["status"] == "failed"), "last_failure"].dropna()
    return f", the last with {str(failures.iloc[-1]).rstrip('.')}" if len(failures) else ""
