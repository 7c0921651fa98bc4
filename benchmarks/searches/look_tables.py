"""Tables of how often looks err, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.simulation.look_rates import DESIGN, MARGIN, families
from analysis.simulation.nulls import NULLS
from benchmarks.searches.rate_tables import Rates, share, table


def look_errors(rates: Rates) -> str:
    """How often looks err over all of them."""
    head = ["no effect, but", "an error among 9 pairs", "among 12 planned", "among these and 7 effects"]
    head += [f"intervals cover, least of {words}" for words in ("9", "12", "19")]
    rows = []
    for null in NULLS:
        own = [
            share(rates[null.name, f"looks: {what} {family}"])
            for what in ("fwer", "covers least")
            for family in families()
        ]
        rows.append([null.words, *own])
    total = rates["independent", "looks: fwer pairs"][1]
    false = share(rates["independent", "looks: false equivalence"])
    return (
        f"Percent of {total:,} studies over all looks, at {DESIGN.first} to {DESIGN.most} units in steps of "
        f"{DESIGN.step} (exact 95 % limits); nothing can be called equivalent here, so that all goes on the "
        f"longest:\n\n{table(head, rows)}\n\nWith a margin of {MARGIN:g} standard deviation of a network one or more "
        f"of 9 pairs called equivalent that differ by exactly the margin: {false}."
    )


def look_costs(rows: list[dict[str, str]]) -> list[str]:
    """What looks cost; then what other rules would."""
    used = [row for row in rows if row["rule"] == "Pocock"]
    head = ["family", "d of pairs with the reference", f"networks, % of a fixed design of {DESIGN.most}", "found, %"]
    head += ["found by that design, %", "fixed seeds that find as many"]
    lines = [
        [row["family"], f"{float(row['effect']):g}", *_percent(row, "networks", "found", "fixed"), row["enough"] or "-"]
        for row in used
    ]
    others: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        if row["rule"] != "Pocock":
            others.setdefault(row["rule"], {})[row["effect"]] = _percent(row, "networks", "found")
    effects = list(next(iter(others.values())))
    compared = [[rule, *(" / ".join(own[e]) for e in effects)] for rule, own in others.items()]
    return [
        table(head, lines),
        "Other rules, 9 pairs with the reference, networks (%) / found (%):\n\n"
        + table(["rule", *(f"d = {float(e):g}" for e in effects)], compared),
    ]


def _percent(row: Mapping[str, str], *keys: str) -> list[str]:
    return [f"{100 * float(row[key]):.0f}" for key in keys]
