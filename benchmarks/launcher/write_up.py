"""Puts the measured rows into docs/cluster.md, between its marks.

python -m benchmarks.launcher.write_up
"""

from __future__ import annotations

import csv
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- launcher: begin -->\n", "<!-- launcher: end -->\n"


def written(text: str, measured: Path) -> str:
    """`text` with the section between the marks made from the CSV files in `measured`."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{_section(measured)}{END}{after}"


def _section(measured: Path) -> str:
    real, played = _last(measured / "overhead.csv"), _last(measured / "simulation.csv")
    title = f"{real['trials']} trials that train nothing, through Ray, Optuna ({real['sampler']}) and the ledger"
    slot = f"{real['slot_seconds_per_trial']} s ({real['best_stretch']} s)"
    return f"""
| {title}, {real["slots"]} slots | |
| --- | --- |
| a slot's time for each trial, median over the run (fastest stretch) | {slot} |
| inside the trial (proposal, lease, records, result), mean | {real["seconds_in_trials"]} s |
| the driver's memory, at the first and the last sample | {real["driver_mb_begin"]} MB, {real["driver_mb_end"]} MB |
| growth | {real["kb_per_trial"]} kB per trial |

| {played["conditions"]} conditions x {played["trials_each"]} trials played on {played["slots"]} simulated slots | |
| --- | --- |
| units, of which stopped early | {played["units"]}, {played["pruned"]} |
| simulated time | {played["simulated_hours"]} h |
| slots occupied, computing | {float(played["occupied"]):.1%}, {float(played["computing"]):.1%} |
| real time and memory of the simulation | {played["real_seconds"]} s, {played["peak_mb"]} MB |

"""


def _last(path: Path) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))[-1]


def main() -> None:
    page = DOCS / "cluster.md"
    page.write_text(written(page.read_text(), DOCS / "launcher"))


if __name__ == "__main__":
    main()
