"""The one rule of verdicts, case by case; and on random data no verdict contradicts the numbers beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_study import SEVERAL, repeated, with_values
from records_factory import Synthetic, write_study

from analysis import Results, assess, figures, judge, load, make_report, pair
from analysis.judgement import lights
from analysis.judgement.warnings import report_warnings
from analysis.report.compare import compare, comparison_sheet
from analysis.statistics.comparisons import smallest_p
from analysis.statistics.contrasts import all_pairs
from analysis.statistics.factorial import factorial
from analysis.statistics.verdicts import Family, Numbers, Verdict, verdict

MARGIN = 0.01
FAMILY = Family(tests=7, alpha=0.05, higher_is_better=True)
NAN = math.nan


def case(low: float, high: float, p: float, q: float, **more: object) -> Numbers:
    return Numbers(low, high, MARGIN, p, q, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        # not testable comes before everything: a test that cannot succeed says nothing, whatever else does
        (case(0.02, 0.04, 0.06, 1.0, floor=0.0079), "not testable (p is at least 0.055 after correction for 7 tests)"),
        (
            case(-0.001, 0.001, 1.0, 1e-9, floor=0.008),
            "not testable (p is at least 0.056 after correction for 7 tests)",
        ),
        (case(NAN, NAN, NAN, NAN, reason="one pair has no spread"), "not testable (one pair has no spread)"),
        # equivalent takes both: the tests after Holm and the printed interval
        (case(-0.004, 0.003, 0.9, 0.001, floor=0.001), "equivalent"),
        (case(0.001, 0.003, 0.001, 0.001, floor=0.001), "equivalent (real but small, +)"),
        (case(-0.003, -0.001, 0.04, 0.001, floor=0.001), "equivalent (real but small, −)"),
        (
            case(-0.003, -0.001, 0.9, 0.001, floor=0.001),
            "equivalent (not 0, but not after correction for 7 tests)",
        ),
        (case(-0.004, 0.0101, 0.9, 0.04, floor=0.001), "inconclusive"),
        (case(-0.004, 0.003, 0.9, 0.06, floor=0.001), "inconclusive"),
        # better takes both too
        (case(0.002, 0.03, 0.04, 1.0, floor=0.001), "better"),
        (case(-0.03, -0.002, 0.04, 1.0, floor=0.001), "worse"),
        (case(-0.001, 0.03, 0.04, 1.0, floor=0.001), "inconclusive (interval holds 0)"),
        (case(0.002, 0.03, 0.06, 1.0, floor=0.001), "inconclusive (not after correction for 7 tests)"),
        (case(NAN, NAN, 0.01, NAN, floor=0.001, reason="all differences are equal"),
         "inconclusive (no interval: all differences are equal)"),
        # an interaction is neither good nor bad
        (case(0.002, 0.03, 0.04, 1.0, asked="interaction"), "present (+)"),
        (case(-0.03, -0.002, 0.04, 1.0, asked="interaction"), "present (−)"),
    ],
)  # fmt: skip
def test_the_rule(found: Numbers, wanted: str) -> None:
    assert str(verdict(found, FAMILY)) == wanted
    assert verdict(found, Family(7, 0.05, True, evidence=False)) == Verdict(""), "no evidence, no word"


def test_lower_is_better_of_a_loss() -> None:
    loss = Family(7, 0.05, higher_is_better=False)
    assert verdict(case(0.002, 0.03, 0.04, 1.0), loss) == Verdict("worse", "", 1)
    assert verdict(case(-0.03, -0.002, 0.04, 1.0), loss) == Verdict("better", "", -1)
    assert str(verdict(case(0.002, 0.03, 0.04, 1.0, asked="interaction"), loss)) == "present (+)"


def test_a_large_and_sure_difference_that_five_seeds_cannot_test_says_so() -> None:
    """4.47 points, 4.15 to 4.80, beside 'inconclusive': with 5 pairs and 12 tests no p can be small enough."""
    rng = np.random.default_rng(0)
    base = rng.normal(0.94, 0.001, 5)
    wide = pd.DataFrame({f"c{i}": base + 0.04 * i + rng.normal(0, 0.001, 5) for i in range(13)})
    judged = judge(wide, [pair(f"c{i}", "c0") for i in range(1, 13)], smallest_effect=0.005)
    assert {j.verdict.word for j in judged} == {"not testable"}
    assert judged[0].verdict.note == "p is at least 0.75 after correction for 12 tests"
    assert judge(wide, [pair("c1", "c0")], smallest_effect=0.005)[0].verdict.word == "not testable"


def test_equal_differences_are_significant_but_have_no_interval() -> None:
    wide = pd.DataFrame({"A": np.linspace(0.5, 0.6, 20)})
    wide["B"] = wide["A"] + 0.1
    (found,) = judge(wide, [pair("B", "A")], smallest_effect=0.005)
    assert found.p == smallest_p(20)
    assert math.isnan(found.interval.low)
    assert math.isnan(found.p_equivalence)
    assert str(found.verdict) == "inconclusive (no interval: all differences are equal)"
    (same,) = judge(wide.assign(B=wide["A"]), [pair("B", "A")], smallest_effect=0.005)
    assert (same.p, same.verdict.word) == (1.0, "inconclusive")


# no verdict contradicts what stands beside it


def contradictions(v: Verdict, low: float, high: float, margin: float, p: float, higher: bool) -> Iterator[str]:
    """What a hostile reader would point at. Written from the meaning of the words, not from the rule's code."""
    away = low > 0 or high < 0
    if v.word in ("better", "worse", "present"):
        if not away:
            yield "a difference beside an interval that holds 0"
        if not p <= 0.05:
            yield "a difference beside p above alpha"
    if v.word in ("better", "worse") and (v.word == "better") != ((low > 0) == higher):
        yield "the wrong direction"
    if v.word == "present" and v.note != ("+" if low > 0 else "−"):
        yield "an interaction with the wrong sign"
    if v.word == "equivalent" and not -margin < low <= high < margin:
        yield "equivalent beside an interval that leaves the margin"
    if v.word == "equivalent" and ("real but small" in v.note) != (away and p <= 0.05):
        yield "real but small against its interval or p"
    if v.word == "equivalent" and bool(v.note) != away:
        yield "equivalent without a word on an interval that excludes 0"
    if v.word == "inconclusive" and away and "not after correction for" not in v.note:
        yield "inconclusive beside an interval that excludes 0, without a word"
    if not v.word:
        yield "no word"


COUNTS = st.integers(2, 20)
SIZES = st.floats(0, 3)
SEEDS = st.integers(0, 2**32 - 1)
CELLS = ("Hom", "HomA", "LHet", "LHetA", "FHet", "FHetA", "RHet", "RHetA")


def random_study(seed: int, n: int, size: float) -> pd.DataFrame:
    """Effects from none to several times the spread, skewed or with ties, copies, holes and failed networks."""
    rng = np.random.default_rng(seed)
    noise = rng.choice(["normal", "skewed", "ties", "none"])
    draw = {
        "normal": lambda: rng.normal(0, 0.01, n),
        "skewed": lambda: 0.01 * rng.exponential(1, n),
        "ties": lambda: rng.integers(-2, 3, n) / 100,
        "none": lambda: np.zeros(n),
    }[str(noise)]
    shared = rng.normal(0, 0.01, n)
    wide = pd.DataFrame({name: 0.9 + shared + rng.normal(0, 0.01 * size) + draw() for name in CELLS})
    if rng.random() < 0.3:
        wide["HomA"] = wide["Hom"]
    if rng.random() < 0.3:
        wide = wide.mask(rng.random(wide.shape) < 0.1)
    return wide.where(rng.random(wide.shape) > 0.05 * (rng.random() < 0.3), 0.1).where(wide.notna())


@settings(max_examples=25, deadline=None)
@given(SEEDS, COUNTS, SIZES, st.booleans())
def test_no_verdict_of_contrasts_and_factorial_contradicts_its_numbers(
    seed: int, n: int, size: float, higher: bool
) -> None:
    wide = random_study(seed, n, size)
    kind = {"smallest_effect": MARGIN, "higher_is_better": higher}
    judged = judge(wide, all_pairs(CELLS), **kind)
    judged += [e.judged for e in factorial(wide, **kind).effects]
    for j in judged:
        t = j.interval
        assert not list(contradictions(j.verdict, t.low, t.high, MARGIN, j.p_holm, higher)), j
    assert not {e.verdict.word for e in factorial(wide, **kind).effects if not e.single} & {"better", "worse"}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return repeated(tmp_path_factory.mktemp("line") / "s")


def moved(line: Results, seed: int, size: float) -> Results:
    """The study of the published runs with every condition shifted, spread anew, or made constant."""
    rng = np.random.default_rng(seed)
    finals = line.tables["seeds"][["condition", "seed", "test_accuracy", "test_loss"]].copy()
    for name in SEVERAL:
        own = finals["condition"] == name
        values = finals.loc[own, "test_accuracy"]
        spread = rng.choice([0.0, 0.3, 1.0, 3.0])
        finals.loc[own, "test_accuracy"] = (
            values.mean() + spread * (values - values.mean()) + rng.normal(0, 0.004 * size)
        )
    return with_values(line, finals)


@settings(max_examples=12, deadline=None)
@given(SEEDS, SIZES)
def test_no_verdict_beside_the_published_or_another_study_contradicts_its_numbers(
    line: Results, seed: int, size: float
) -> None:
    this, other = moved(line, seed, size), moved(line, seed + 1, 0.3)
    found = assess(this)
    assert found.published is not None
    rows = [(r.verdict, r.low, r.high, r.margin, r.p_holm) for r in found.published.rows]
    margin = this.info.smallest_effect
    rows += [(r.verdict, r.low, r.high, margin, r.p_holm) for r in compare(this, other).rows]
    for v, low, high, near, p in rows:
        assert not list(contradictions(v, low, high, near, p, True)), (v, low, high, near, p)
        assert (v.word == "not testable") == math.isnan(p), "Welch's test has no smallest p"
    # nor does the light
    words = [j.verdict for j in found.planned] + [e.verdict for e in found.factorial.effects]
    powered = next(light for light in lights.lights(found, report_warnings(found)) if light.name == "Powered")
    if powered.state == "no":
        assert not any(v.decided for v in words)
    if all(v.decided for v in words):
        assert powered.state == "yes"


NO_EVIDENCE = Synthetic(
    conditions=(*CELLS[:4], "RNN"), seeds=12, trials=2, confirm=1, epochs=2, masks=2, evidence=False, task="line_mnist",
    levels={"RNN": 0.99, "Hom": 0.8},
)  # fmt: skip
VERDICTS = r"\b(worse|inconclusive|not testable|real but small|not after correction|left open)\b"


def test_where_a_profile_is_no_evidence_no_verdict_and_no_colour_is_printed(tmp_path: Path) -> None:
    """'Better' and 'equivalent' stand in explanations too ('higher is better'): not as verdicts, see the classes."""
    root = write_study(tmp_path / "s", NO_EVIDENCE)
    made = make_report(root)
    html = made.report.read_text(encoding="utf-8")
    assert 'class="verdict' not in html
    body = re.sub(r"<(style|svg).*?</\1>", "", html, flags=re.DOTALL)
    assert not re.search(VERDICTS, unescape(re.sub(r"<[^>]*>", " ", body)))
    for path in (*made.latex, *made.figures, *made.tables):
        if path.endswith((".tex", ".csv")) and not path.endswith("columns.csv"):
            text = (root / path).read_text(encoding="utf-8")
            assert not re.search(VERDICTS, text), path
            assert not re.search(r"(^|[,&] *)(better|equivalent|present)( *[,&]|$)", text, re.MULTILINE), path
    found = assess(load(root))
    with figures.house_style():
        matrix = figures.FIGURES["pair_matrix"](found)
    assert isinstance(matrix, figures.Drawing)
    (image,) = matrix.figure.axes[0].get_images()
    assert len({tuple(c) for c in image.cmap(np.linspace(0, 1, 9))}) == 1
    assert not any(set(t.get_text()) & {"*", "="} for t in matrix.figure.axes[0].texts)
    compared = comparison_sheet(compare(load(root), load(root)))
    assert not any(cell.verdict for row in compared.rows for cell in row)
    assert "Verdict" not in compared.caption
