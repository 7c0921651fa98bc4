"""Says what of a search repeats when the same study is run again, and how far."""

from __future__ import annotations

from launch.studyfile import StudySpec
from launch.studyfile.search.samplers import LEARNING

ANY_ORDER = "the same whatever order trials end in"
SAME_ORDER = "the same if trials end in the same order with the same scores, as one at a time on one machine"


def what_repeats(spec: StudySpec) -> list[str]:
    """A sentence on the proposals and one on early stopping; none without search."""
    if spec.search is None:
        return []
    sampler, pruner = spec.search.sampler, spec.search.pruner
    told = f"proposals ({sampler.name}): {ANY_ORDER}"
    if isinstance(sampler, LEARNING) and not spec.proposals_repeat:
        blind = 0 if spec.search.learn_from else sampler.startup_trials
        first = f"the first {blind} {ANY_ORDER}; later ones " if blind else ""
        told = f"proposals ({sampler.name}): {first}{SAME_ORDER}"
    stopped = f"early stopping ({pruner.name}): {SAME_ORDER if pruner.compares else ANY_ORDER}"
    return [told, *([stopped] if pruner.stops else []), "an interrupted search goes on as if it had not been"]


def what_it_begins_with(spec: StudySpec) -> list[str]:
    """Of each condition's trials, which are known points."""
    points = {name: sum(bool(point) for point in spec.first_points(name)) for name in spec.conditions}
    if not any(points.values()):
        return []
    least, most = min(points.values()), max(points.values())
    count = str(most) if least == most else f"{least} to {most}"
    return [f"each condition begins with {count} known point{'s' if most > 1 else ''}, of its trials"]
