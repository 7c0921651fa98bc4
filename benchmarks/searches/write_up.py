"""Puts the simulated rates into docs/statistics.md, between its marks.

python -m benchmarks.searches.write_up
"""

from __future__ import annotations

from pathlib import Path

from analysis.simulation.nulls import NULLS
from analysis.simulation.rates import UNITS
from benchmarks.searches.cases import CASES, Case
from benchmarks.searches.designs import DESIGNS, SEARCH_EPOCHS
from benchmarks.searches.look_tables import look_costs, look_errors
from benchmarks.searches.rate_tables import Rates, read_rates, read_rows, share, table

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- simulated: begin -->\n", "<!-- simulated: end -->\n"
LOOKS_BEGIN, LOOKS_END = "<!-- looks: begin -->\n", "<!-- looks: end -->\n"


def written(text: str, folder: Path) -> str:
    """`text` with the sections between the marks made from the CSV files in `folder`."""
    nulls = read_rates(folder / "nulls.csv", "null", "units", "what")
    searches = read_rates(folder / "searches.csv", "repeats", "proposals", "null", "what", "test")
    parts = [_nulls(nulls), _factors(nulls), _others(nulls), _clusters(nulls), _designs(folder), _searches(searches)]
    parts += [_control(folder)] if (folder / "negative_control.csv").exists() else []
    text = _between(text, BEGIN, END, parts)
    if not (folder / "looks.csv").exists():
        return text
    rates, costs = read_rates(folder / "looks.csv", "null", "what"), read_rows(folder / "looks_cost.csv")
    return _between(text, LOOKS_BEGIN, LOOKS_END, [look_errors(rates), *look_costs(costs)])


def _between(text: str, begin: str, end: str, parts: list[str]) -> str:
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    body = "\n\n".join(parts)
    return f"{before}{begin}\n{body}\n\n{end}{after}"


_CONTROLS = {  # of the rows' label and kind
    ("before", "pair"): "Hom against HomA, when each condition's search had proposals of its own",
    ("after", "pair"): "Hom against HomA, now",
    (
        "one search",
        "streams",
    ): "Hom against Hom by two search seeds, one search each: seeds as units, `one-search` fires",
    ("six searches", "streams"): "Hom against Hom by two search seeds, six searches each: repeats as units",
}


def _control(folder: Path) -> str:
    """What real studies of one network against itself came to."""
    rows = read_rows(folder / "negative_control.csv")
    lines = []
    for (label, kind), words in _CONTROLS.items():
        own = [row for row in rows if (row["label"], row["kind"]) == (label, kind)]
        if not own:
            continue
        different = sum(row["verdict"] in ("better", "worse") for row in own)
        largest = max(abs(float(row["difference"])) for row in own)
        named = f"{sum(row['alike'] == 'True' for row in own)} of {len(own)}" if kind == "pair" else "two studies"
        lines.append([words, str(len(own)), share((different, len(own))), f"{100 * largest:.1f}", named])
    head = ["real studies of one network against itself", "studies", "called better or worse, percent"]
    return table([*head, "largest difference, points", "named as one network"], lines)


def _nulls(rates: Rates) -> str:
    head = ["no effect, but", "n", "an error among 12 contrasts", "among the 10 pairs of them"]
    head += [
        "of the 2 others are tested",
        "among 7 effects",
        "intervals of contrasts cover, least and most",
        "of pairs, least",
        "of effects",
    ]
    head += ["t mean", "IQM", "`skewed` fires"]
    rows = []
    for null in NULLS:
        for n in map(str, UNITS):
            own = {what: found for (name, units, what), found in rates.items() if (name, units) == (null.name, n)}
            ranges = [
                f"{share(own[f'covers least {family}'])}, {share(own[f'covers most {family}'])}"
                for family in ("planned", "factorial")
            ]
            rates_of_tests = ("fwer planned", "fwer pairs", "groups tested", "fwer factorial")
            cells = [share(own[what]) for what in rates_of_tests]
            cells += [ranges[0], share(own["covers least pairs"]), ranges[1]]
            rows.append(
                [null.words, n, *cells, *(share(own[what]) for what in ("covers mean", "covers iqm", "warned"))]
            )
    total = next(iter(rates.values()))[1]
    return f"Percent of {total:,} studies (exact 95 % limits):\n\n{table(head, rows)}"


def _factors(rates: Rates) -> str:
    """Factors with more than two levels."""
    whats = ("fwer levels", "levels alone", "levels by F", "fwer trend")
    head = ["four levels x two, no effect, but", "n", "studies", "an error among 3 effects, levels without an order"]
    head += ["their test alone, at 5 %", "by F, as if spherical", "an error among 3 effects, trend over 1, 2, 4 and 8"]
    rows = []
    for null in NULLS:
        for n in map(str, UNITS):
            own = [rates[null.name, n, what] for what in whats]
            rows.append([null.words, n, f"{own[0][1]:,}", *map(share, own)])
    finds = [[what, n, share(rates["independent", n, f"finds {key}"])] for what, key in _FOUND.items() for n in _SIZES]
    return f"{table(head, rows)}\n\n{table(['four levels x two, independent networks', 'n', 'percent'], finds)}"


_SIZES = tuple(map(str, UNITS))
_FOUND = {
    "one of four levels lies 1.1 standard deviations of a network apart: found, after Holm": "levels",
    "a trend over 1, 2, 4 and 8 by as much in equal steps: found, after Holm": "trend",
}


def _others(rates: Rates) -> str:
    words = {
        "covers mean": "t interval of the mean covers",
        "false equivalence": "one or more of 9 contrasts called equivalent that differ by exactly the margin",
        "real but small": "no effect, margin of 2 standard deviations: one or more of 12 marked real but small",
        "finds main effect": "a main effect of 1.1 standard deviations of a network is found, after Holm",
    }
    rows = [
        [words[what], n, share(rates["independent", n, what])]
        for what, sizes in (("covers mean", ("3", "5")), *((w, ("10", "20")) for w in list(words)[1:]))
        for n in sizes
    ]
    return table(["independent networks", "n", "percent"], rows)


def _clusters(rates: Rates) -> str:
    own = {key: found for key, found in rates.items() if "clusters" in key[0]}
    rows = [[name, what, f"{count} of {total}"] for (name, _, what), (count, total) in own.items()]
    return table(["neurons of a network, 250 with 8 parameters", "", "networks"], rows)


def _designs(folder: Path) -> str:
    found = {(row["repeats"], row["proposals"], row["null"]): row for row in read_rows(folder / "searches_found.csv")}
    head = ["r", "trials × seeds", "confirmed × seeds", "final seeds", "epochs in all"]
    head += ["accuracy missed by the settings found, points", "its spread over conditions", "spread of networks"]
    rows = []
    for r, design in DESIGNS.items():
        own = found[str(r), "common", "same"]
        sizes = [f"{design.trials} × {design.trial_seeds}", f"{design.top} × {design.confirm_seeds}"]
        numbers = [f"{100 * float(own[key]):.2f}" if own[key] != "nan" else "" for key in ("regret", "luck", "noise")]
        rows.append([str(r), *sizes, str(design.final_seeds), f"{design.epochs:,}", *numbers])
    of_each = f"Of each of r searches of one condition ({SEARCH_EPOCHS} epochs per trial, 30 for the others):"
    return f"{of_each}\n\n{table(head, rows)}"


def _searches(rates: Rates) -> str:
    head = ["r", "proposals", "surfaces", "studies", "test", "unit", "an error among 12 contrasts", "among 7 effects"]
    head += ["intervals of contrasts cover, least and most", "of effects"]
    head += ["finds 0.5 points of currents", "finds 1 point of one pair"]
    rows = [_search_row(rates, case, test) for case in CASES for test in ("sign-flip", "t") if _known(rates, case)]
    return table(head, rows)


def _known(rates: Rates, case: Case) -> bool:
    return (*_key(case), "fwer planned", "t") in rates


def _key(case: Case) -> tuple[str, str, str]:
    return str(case.repeats), case.proposals, case.null


def _search_row(rates: Rates, case: Case, test: str) -> list[str]:
    key = _key(case)
    errors = [share(rates[*key, f"fwer {family}", test]) for family in ("planned", "factorial")]
    covers = [
        ", ".join(share(rates[*key, f"covers {end} {family}", "t"]) for end in ("least", "most"))
        for family in ("planned", "factorial")
    ]
    finds = [share(rates[*key, what, test]) for what in ("finds currents", "finds RHetA - LHetA")]
    proposals = "in common" if case.proposals == "common" else "each condition's own"
    surfaces = "the same" if case.null == "same" else "best settings apart"
    unit = "seed (wrong)" if case.repeats == 1 else "repeat"
    studies = str(rates[*key, "fwer planned", test][1])
    return [str(case.repeats), proposals, surfaces, studies, test, unit, *errors, *covers, *finds]


def main() -> None:
    page = DOCS / "statistics.md"
    page.write_text(written(page.read_text(encoding="utf-8"), DOCS / "statistics"), encoding="utf-8")


if __name__ == "__main__":
    main()
