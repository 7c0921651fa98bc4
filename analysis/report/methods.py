"""The methods, ready to paste: what was compared, how it was chosen, how it was judged, by what it was made."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from analysis.judgement.assessment import Assessment
from analysis.measure import Measure
from analysis.published import words
from analysis.report.sentences import design, incidents
from analysis.results.load import Results
from analysis.results.study import StudyInfo
from analysis.sequential.futility import FUTILE
from analysis.sequential.results import Looked, price
from analysis.statistics import wording
from analysis.statistics.clusters import ALPHA as CLUSTER_ALPHA
from analysis.statistics.clusters import DRAWS as CLUSTER_DRAWS
from analysis.statistics.clusters import RESAMPLES, STABLE
from analysis.statistics.comparisons import DRAWS, EXACT_UP_TO
from analysis.statistics.intervals import BOOTSTRAP_FROM
from analysis.statistics.intervals import DRAWS as BOOTSTRAPS
from analysis.statistics.verdicts import RULE
from analysis.text import count, listed

SOFTWARE = "GLIFR studies"
_SAME_RULE = "Verdicts are given by the same rule."
_PACKAGES = ("torch", "optuna", "ray", "numpy", "scipy")


def methods(a: Assessment) -> list[str]:
    """A paragraph each: design, networks, statistics, software."""
    networks = [*_selection(a.results), *_networks(a.results)]
    return [design(a.results.info), " ".join(networks), " ".join(_statistics(a)), _software(a.results)]


def _selection(results: Results) -> Iterator[str]:
    """By what configurations were selected, and that no seed was used twice; nothing where none were selected."""
    info = results.info
    if not info.planned("search"):
        return
    validated = info.task.held_out and info.task.train_on == "train"
    yield f"Configurations were selected by their mean loss on the {'validation' if validated else 'training'} data."
    seeds = results.tables["seeds"]
    final = seeds["stage"] == "final"
    shared = sorted(set(seeds.loc[final, "seed"]) & set(seeds.loc[~final, "seed"]))
    yield (
        f"Tuning and final networks share seeds: {listed(shared)}."
        if shared
        else "No seed of the search or the confirmation is a seed of a final network."
    )


def _networks(results: Results) -> Iterator[str]:
    info = results.info
    unit = (
        "one trained network, that is one seed of one condition"
        if info.repeats == 1
        else "one repeat of the search, with the mean over its final networks"
    )
    yield (
        f"The unit of every statistic is {unit}; epochs and random choices of silenced neurons are nested in their "
        "network and were averaged within it first."
    )
    varied = "initial weights and order of the data"
    varied += ", dropout" if any(info.training_of(c.name).get("dropout") for c in info.conditions) else ""
    yield f"The seed decides {varied}."
    counts = results.final_values().notna().sum()
    yield f"Networks compared: {listed([f'{name} {int(n)}' for name, n in counts.items()])}. {incidents(results)}"
    yield _diverged_rule(info.measure)


def _diverged_rule(measure: Measure) -> str:
    chance = f" ({measure.chance_words})" if measure.chance_words else ""
    return (
        f"A network that diverges (loss or a parameter not finite) is kept and counts with the {measure.label} of "
        f"chance{chance}; as a score it has twice the loss of chance."
    )


def _statistics(a: Assessment) -> Iterator[str]:
    info, declared = a.results.info, a.results.info.declaration
    near = wording.margin(info.smallest_effect, info.measure)
    yield (
        f"The primary measure was {info.measure.label}; smallest effect of interest {near}, α = {declared.alpha:g}, "
        f"{count(len(declared.contrasts), 'planned contrast')} (declaration {declared.hash[:12]})."
    )
    middle = any(r.middle.n >= BOOTSTRAP_FROM for r in a.performances)
    yield "Means are given with 95 % t intervals" + (
        f", interquartile means with percentile bootstrap intervals ({BOOTSTRAPS:,} resamples)." if middle else "."
    )
    if on := info.conditional_on:
        yield f"Every interval and test is conditional on {on}."
    yield from _tests(a)
    if a.published is not None:
        said = bool(a.planned or a.factorial.effects)
        yield f"{words.methods(a.published)} {_SAME_RULE if said and info.evidence else _verdicts(info)}"
    if any(g.computed for g in a.groups):
        yield _clusters()


def _tests(a: Assessment) -> Iterator[str]:
    """How effects and contrasts were tested: the same for both, each in a family of its own."""
    info, effects = a.results.info, a.factorial.effects
    if effects:
        crossed = listed([factor.name for factor in info.factors])
        kinds = {effect.kind for effect in effects}
        yield (
            f"{count(len(a.factorial.cells), 'condition')} form a factorial of {crossed}: each of "
            f"{count(len(effects), 'effect')} is one contrast per {info.unit}, a weighted sum over its cells within "
            f"every {info.unit} that has them all{_of_kinds(kinds, info.unit)}."
        )
    if not effects and not a.planned:
        return
    if a.looked is not None:
        yield from _looks(info, a.looked)
        return
    families = [name for name, there in (("effects", effects), ("planned contrasts", a.planned)) if there]
    near = wording.margin(info.smallest_effect, info.measure)
    yield (
        f"The {' and the '.join(families)} were paired by {info.unit} and tested with a two-sided sign-flip "
        f"permutation test (all sign patterns up to {EXACT_UP_TO} pairs, else {DRAWS:,} random ones), Holm-adjusted "
        f"within {'each' if len(families) > 1 else 'the'} family; with n pairs no exact p can be smaller than "
        f"2^(1 − n). Equivalence was tested with two one-sided paired t tests at ±{near}, adjusted the same way. "
        f"{_verdicts(info)}"
    )
    if a.planned:
        yield "Beside the contrasts stand Welch's t test, Hedges' g and the probability of superiority."


def _of_kinds(kinds: Collection[str], unit: str) -> str:
    """What the effects of factors with more than two levels are."""
    trend = "; of an ordered factor the linear trend over its levels" if "trend" in kinds else ""
    levels = (
        "; of levels without an order the largest of their differences, by a permutation test in which all differences "
        f"of a {unit} change sign together"
    )
    return trend + (levels if "levels" in kinds else "")


def _looks(info: StudyInfo, found: Looked) -> Iterator[str]:
    """How comparisons were judged where seeds were added until they were decided."""
    near, paid, taken = wording.margin(info.smallest_effect, info.measure), price(info, found), len(found.looks)
    yield (
        f"Comparisons, paired by {info.unit}, were judged as one family at up to {len(found.design.sizes)} looks (at "
        f"{listed(found.design.sizes)} {info.unit}s; {taken} taken): a two-sided sign-flip permutation test at each "
        f"(all sign patterns up to {EXACT_UP_TO} pairs, else {DRAWS:,} random ones), with Lan and DeMets' boundaries "
        "for the spending function of Pocock's kind. The p of all looks so far is the smallest total level at which "
        "one of them met its boundary, Holm-adjusted over the family. Equivalence was tested with two one-sided "
        f"paired t tests at ±{near} in the same way. Intervals are repeated t intervals, which hold at all looks "
        "together."
    )
    yield (
        f"What had a predictive chance below {100 * FUTILE:.0f} % of a verdict by the last look stopped as futile, "
        "and a condition got no more seeds once all that used it was decided. A network without a result counted as "
        f"chance. Test results were read by looks alone. The study took {paid.asked:,} final networks, a fixed design "
        f"of {found.design.most} {info.unit}s {paid.fixed:,}. {_verdicts(info)}"
    )


def _verdicts(info: StudyInfo) -> str:
    return f"Verdicts: {RULE}." if info.evidence else "The profile is no evidence, so no verdict is given."


def _clusters() -> str:
    return (
        "The neurons of each GLIFR network were clustered by their parameters after training (rates as logarithms, "
        f"standardised, Ward) and the Calinski-Harabasz index compared with {CLUSTER_DRAWS} Gaussian-copula draws "
        f"without clusters; a network has structure beyond a continuum if p is at most {CLUSTER_ALPHA:g}, and clusters "
        f"if the adjusted Rand index over {RESAMPLES} resamplings of its neurons is at least {STABLE:g} too."
    )


def _software(results: Results) -> str:
    """The software by name, with the versions of the last session."""
    last = results.sessions[-1] if results.sessions else {}
    packages = last.get("packages") or {}
    name = f"{SOFTWARE} {last['version']}" if last.get("version") else SOFTWARE
    commit = f", commit {last['commit'][:12]}" if last.get("commit") else ""
    changed = " with uncommitted changes" if last.get("dirty") else ""
    python = f"Python {last['python']}" if last.get("python") else "Python"
    named = [python, *(f"{n} {packages[n]}" for n in _PACKAGES if n in packages)]
    return (
        f"Networks were trained with {name} ({results.info.name}, profile {results.info.profile}, study hash "
        f"{results.info.hash[:12]}{commit}{changed}), {listed(named)}."
    )
