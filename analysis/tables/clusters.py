"""Whether the neurons of a network fall into groups."""

from __future__ import annotations

from statistics import median

from analysis import text
from analysis.judgement.assessment import Assessment
from analysis.judgement.warnings import ReportWarning, codes_for
from analysis.statistics.clusters import ALPHA, DRAWS, RESAMPLES, STABLE, Clustering
from analysis.statistics.groups import Groups
from analysis.tables.table import Cell, Head, Table


def clusters_sheet(a: Assessment, found: list[ReportWarning]) -> Table:
    """One row per condition of GLIFR neurons."""
    by_name = {c.name: c for c in a.results.info.conditions}
    heads = (
        Head("Condition", "left"),
        *(Head(n) for n in ("networks", "beyond null", "with clusters")),
        *(Head(n) for n in ("clusters", "excess over null", "p", "stability")),
        Head("verdict", "left"),
    )
    rows = []
    for own in a.groups:
        first = Cell(
            own.condition,
            condition=by_name[own.condition],
            codes=tuple(codes_for(found, "table-clusters", own.condition)),
        )
        rows.append([first, *_cells(own)])
    caption = (
        "Ward's clusters of a network's neurons by their parameters after training (rates as logarithms, each "
        "standardised; what does not vary is left out). The number of clusters is where the Calinski-Harabasz index "
        f"stands highest above its mean in {DRAWS} draws without clusters (Gaussian copula with the distribution of "
        "each parameter and their correlations); p is of that height, over all numbers from 2 to 10 at once. "
        f"Stability: mean adjusted Rand index over {RESAMPLES} resamplings of the neurons. A network is beyond the "
        f"null if p is at most {ALPHA:g}, as one in twenty without clusters is by chance; it has clusters if stability "
        f"is at least {STABLE:g} too. Of a condition it is said of more than half of its networks. Columns give "
        "medians over networks, clusters their range."
    )
    return Table("clusters", "Clusters of neurons", caption, heads, rows)


def _cells(own: Groups) -> list[Cell]:
    if not own.computed:
        nothing = [Cell(text.NOTHING)] * 6
        return [Cell(str(own.networks)), *nothing, Cell(f"not computable: {text.listed(own.reasons)}")]
    found = own.computed
    counts = text.span([c.k for c in found])
    verdict = f"{own.finding} ({text.span([c.k for c in own.found])})" if own.structured else own.finding
    left = own.networks - len(found)
    return [
        Cell(str(own.networks), f"{left} not computable" if left else ""),
        *(Cell(f"{len(those)} of {len(found)}") for those in (own.beyond, own.found)),
        Cell(counts),
        Cell(text.number(median(c.excess for c in found))),
        Cell(text.p_value(median(c.p for c in found))),
        Cell(text.number(median(c.stability for c in found))),
        Cell(verdict),
    ]


def cluster_networks_sheet(a: Assessment) -> Table:
    """One row per network."""
    by_name = {c.name: c for c in a.results.info.conditions}
    heads = (
        Head("Condition", "left"),
        *(Head(n) for n in ("seed", "neurons", "parameters", "clusters", "excess over null", "p", "stability")),
        Head("verdict", "left"),
    )
    rows = []
    for network in a.neurons.clustered:
        found = network.clustering
        rows.append(
            [
                Cell(network.condition, condition=by_name[network.condition]),
                Cell(str(network.seed)),
                Cell(str(found.neurons)),
                Cell(str(found.parameters)),
                Cell(str(found.k) if found.k else text.NOTHING),
                Cell(text.number(found.excess)),
                Cell(text.p_value(found.p)),
                Cell(text.number(found.stability)),
                Cell(_verdict(found)),
            ]
        )
    caption = "As above, for each network. Parameters: those that vary, each after-spike current by itself."
    title = f"Clusters of neurons by network ({len(rows):,} networks)"
    return Table("cluster_networks", title, caption, heads, rows, folded=True)


def _verdict(found: Clustering) -> str:
    return f"not computable: {found.reason}" if found.reason else found.finding
