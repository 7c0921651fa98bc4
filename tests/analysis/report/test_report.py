"""The report: what it says, that it is self-contained and reproducible, and what it does with little or nothing."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from records_factory import ALL, Synthetic, write_study

import analysis
from analysis import figures
from analysis.__main__ import main
from analysis.judgement import findings
from analysis.judgement.headline import answer
from analysis.judgement.sample_size import more_seeds
from glifr.conditions import CONDITIONS
from glifr.records import InputError, Layout

QUICK = "Quick profile: this run shows that the system works; its numbers are no evidence."
SMALL = Synthetic(conditions=("RNN", "Hom", "LHetA"), seeds=6, trials=6, epochs=3, masks=2)
FIGURES = [name for name in figures.FIGURES if name != "parameter_recovery"]  # which one task alone has
# these need eight conditions, ten whole trials, and ten pairs
NOT_OF_THREE = {"factor_effects", "factor_curves", "factorial_interaction", "importance", "power"}
TUNING = {"search_results", "search_slices", "best_so_far", "importance", "parallel_coordinates"}


class _Page(HTMLParser):
    """Text, and every attribute that can make a browser fetch or run something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.fetched, self.tags, self.ids = "", [], [], []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [values["id"]] if values.get("id") else []
        self.fetched += [v or "" for k, v in attrs if k in ("src", "srcset", "data") or (k == "href" and tag != "a")]
        assert not [k for k in values if k.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def _page(root: Path) -> _Page:
    return _Page(Layout(root).report.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> analysis.ReportPaths:
    """The report of a study with a diverged and a missing final network."""
    study = SMALL.with_(diverged=frozenset({("Hom", 3)}), missing=frozenset({("RNN", 2)}), characteristics=True)
    return analysis.make_report(write_study(tmp_path_factory.mktemp("whole") / "study", study))


@pytest.fixture(scope="module")
def whole(made: analysis.ReportPaths) -> Path:
    return made.report.parent


def test_everything_promised_is_made(whole: Path, made: analysis.ReportPaths) -> None:
    assert made.report == whole / "report.html"
    assert sorted(made.figures) == sorted(
        f"figures/{n}.{k}" for n in FIGURES if n not in NOT_OF_THREE for k in ("svg", "csv")
    )
    assert len(made.tables) == 2 * (5 + 14) + 1
    assert "latex/contrasts.tex" in made.latex
    assert "latex/methods.tex" in made.latex
    assert all((whole / p).stat().st_size > 0 for p in (*made.tables, *made.figures, *made.latex))
    assert not made.complete
    assert not list(whole.rglob("*.tmp"))


def test_the_same_records_give_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(whole, copy)
    for path in [*copy.glob("tables/*"), *copy.glob("figures/*"), *copy.glob("latex/*"), copy / "report.html"]:
        path.unlink()
    made = analysis.make_report(copy)
    for relative in (*made.tables, *made.figures, *made.latex, "report.html", "manifest.json"):
        assert (copy / relative).read_bytes() == (whole / relative).read_bytes(), relative


def test_the_page_is_self_contained(whole: Path) -> None:
    page = _page(whole)
    assert page.fetched
    assert all(source.startswith("data:") for source in page.fetched)
    assert not {"script", "iframe", "object", "embed", "form"} & set(page.tags)
    html = Layout(whole).report.read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert f'content="{policy}"' in unescape(html)
    assert "@import" not in html
    assert "url(" not in html
    assert len(html) < 5_000_000
    assert len(page.ids) == len(set(page.ids))


def test_nothing_private_is_shown(whole: Path) -> None:
    html = unescape(Layout(whole).report.read_text(encoding="utf-8"))
    assert "someone" not in html
    assert "/home" not in html
    assert str(whole.parent) not in html
    assert "python launch/study.py studies/synthetic.yaml --results out" in html


def test_sections_come_in_order(whole: Path) -> None:
    wanted = ["answer", "findings", "warnings", "design", "performance", "factorial", "contrasts", "robustness"]
    wanted += ["tuning", "neurons", "power", "reliability", "methods", "provenance", "exports", "problems"]
    assert [i for i in _page(whole).ids if i in wanted] == wanted


def test_numbers_of_the_page_are_those_of_the_table(whole: Path) -> None:
    table = analysis.summary_table(whole)
    text = _page(whole).text
    assert list(table["condition"]) == ["RNN", "Hom", "LHetA"]
    for row in table.to_dict("records"):
        assert row["test accuracy (%)"] in text
        assert row["95 % interval"] in text
    assert list(table["final"]) == ["5/6", "6/6", "6/6"]
    finals = analysis.load(whole).finals
    mean = 100 * finals.loc[finals["condition"] == "RNN", "test_accuracy"].mean()
    assert table.loc[0, "test accuracy (%)"] == f"{mean:.2f}"


def test_missing_and_diverged_networks_are_said(whole: Path) -> None:
    text = " ".join(_page(whole).text.split())
    assert "Incomplete" in text
    assert "17 of 18 final networks" in text
    assert "RNN lacks seeds 2" in text
    assert "1 final network diverged" in text
    assert "without 1 diverged" in text
    assert "Hollow: with a diverged network (1 of Hom − LHetA and 1 of GLIFR − RNN)" in text
    assert "no difference" not in text.lower()


def test_an_axis_that_does_not_start_at_zero_is_said(whole: Path) -> None:
    assert re.search(r"axis runs from [\d.]+ to [\d.]+ and does not include 0", _page(whole).text)


def test_a_quick_profile_says_so_in_the_first_line(tmp_path: Path) -> None:
    root = write_study(tmp_path / "q", SMALL.with_(conditions=("LHetA", "RNN"), seeds=2, evidence=False))
    made = analysis.make_report(root)
    body = made.report.read_text(encoding="utf-8").split("<body>")[1]
    assert _Page(body).text.strip().splitlines()[0] == QUICK
    assert made.complete


def test_a_full_study_does_not_call_itself_quick(whole: Path) -> None:
    assert QUICK not in _page(whole).text


def test_few_pairs_say_that_significance_is_out_of_reach(tmp_path: Path) -> None:
    root = write_study(tmp_path / "f", SMALL.with_(seeds=3))
    analysis.make_report(root)
    text = " ".join(_page(root).text.split())
    assert "Holm over 3 planned contrasts that cannot reach 0.05, whatever the difference. 7 seeds could." in text
    assert "Below 5 networks the line is their range and no interval is drawn" in text


TWO = SMALL.with_(
    conditions=("Hom", "LHetA"), seeds=2, epochs=2, trials=3, confirm=1, failed_share=0.0, pruned_share=0.0
)
EVERY_FINAL = frozenset((c, s) for c in TWO.conditions for s in (1, 2))
EMPTY = {
    "nothing": (TWO.with_(done=()), "No trial has finished yet.", "Run the study's command again"),
    "every trial failed": (TWO.with_(failed_share=1.0), "Every trial that was started failed, the last", "Mend"),
    "every final failed": (TWO.with_(failed=EVERY_FINAL), "Every final network that was started failed", "Mend"),
    "search only": (TWO.with_(done=("search",)), "No final network has finished yet.", "Run the study's command"),
    "no reference": (TWO.with_(missing=frozenset({("LHetA", 1), ("LHetA", 2)})), "No seed has a finished network of",
                     "Run the study's command again"),
    "one seed": (TWO.with_(seeds=1), "One network per condition", "Give 'final.seeds' in the study file more seeds"),
    "one condition": (TWO.with_(conditions=("LHetA",)), "The study has one condition.", "Add a second condition"),
    "no silencing": (TWO.with_(silencing=False), "The study has no silencing stage.", "Add a 'silencing' section"),
    "no characteristics": (TWO, "No final network has its characteristics on file.", "networks trained from now on"),
    "no search": (TWO.with_(trials=0), "No tuning", "Add a 'search' section"),
}  # fmt: skip


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("case", EMPTY)
def test_an_empty_state_says_why_and_what_to_do(case: str, tmp_path: Path) -> None:
    study, why, todo = EMPTY[case]
    root = write_study(tmp_path / "e", study)
    made = analysis.make_report(root)
    text = " ".join(_page(root).text.split())
    assert why in text
    assert todo in text
    drawn = {Path(p).stem for p in made.figures}
    ids = _page(root).ids
    assert drawn < set(FIGURES)
    shown = [name for name in FIGURES if f"figure-{name}" in ids]
    assert shown == [n for n in FIGURES if study.trials or n not in TUNING]
    assert "nan" not in re.findall(r"\w+", text.lower())


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_task_of_loss_without_held_out_data(tmp_path: Path) -> None:
    root = write_study(
        tmp_path / "l", TWO.with_(accuracy=False, held_out=False, seeds=5, diverged=frozenset({("Hom", 1)}))
    )
    analysis.make_report(root)
    text = " ".join(_page(root).text.split())
    assert "Learning curves: training loss" in text
    assert "test loss (lower is better)" in text
    assert "left of 0 the first side did better" in text
    assert "trained on training and validation data" in text


def test_every_link_leads_somewhere(whole: Path) -> None:
    html = Layout(whole).report.read_text(encoding="utf-8")
    targets = set(re.findall(r'href="#([^"]+)"', html))
    assert targets
    assert targets <= set(_page(whole).ids)


def test_findings_are_verdicts_and_nothing_else(tmp_path: Path) -> None:
    """Far apart, alike within the smallest effect, and neither: only the first two are findings."""
    levels = {"LHetA": 0.94, "RNN": 0.98, "Hom": 0.90}
    results = analysis.load(write_study(tmp_path / "s", SMALL.with_(seeds=12, levels=levels)))
    judged = analysis.assess(results)
    found = findings.findings(judged)
    decided = [j.contrast.name for j in judged.planned if j.verdict.decided]
    assert {"RNN − LHetA", "Hom − LHetA"} <= set(decided)
    assert len(found) == len(decided)
    assert any("RNN did better than LHetA: +" in f.text for f in found)
    assert any("Hom did worse than LHetA: −" in f.text for f in found)
    quick = analysis.load(write_study(tmp_path / "q", SMALL.with_(seeds=12, levels=levels, evidence=False)))
    assert findings.findings(analysis.assess(quick)) == []
    assert "no evidence" in answer(analysis.assess(quick)).text


def test_the_answer_names_the_parts_of_the_neuron(tmp_path: Path) -> None:
    """Planted: after-spike currents +2 points, learning and the start nothing."""
    levels = {n: 0.94 if c.num_ascs else 0.92 for n, c in CONDITIONS.items()}
    study = Synthetic(conditions=ALL[2:], seeds=12, trials=0, silencing=False, epochs=2, levels=levels)
    judged = analysis.assess(analysis.load(write_study(tmp_path / "s", study)))
    effects = {e.name: e for e in judged.factorial.effects}
    assert effects["after-spike currents"].verdict.word == "better"
    assert effects["after-spike currents"].estimate == pytest.approx(0.02, abs=0.002)
    assert effects["learned neurons"].verdict.word == effects["heterogeneous start"].verdict.word == "equivalent"
    said = [clause.text for clause in answer(judged).clauses[:3]]
    assert re.fullmatch(r"after-spike currents \+[12]\.\d\d points \(.*\), better", said[0])
    assert [re.sub(r" .[0-9.]+ points \(.*?\)", "", text) for text in said[1:]] == [
        "heterogeneous start, equivalent",
        "learned neurons, equivalent",
    ]


def test_the_command_for_more_seeds_is_the_studys_own(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", SMALL.with_(seeds=4))
    advice = more_seeds(analysis.assess(analysis.load(root)))
    assert "pairs at most" in advice.text
    found = re.fullmatch(
        r"python launch/study.py studies/synthetic.yaml --results out --set final.seeds=(\d+)", advice.command
    )
    assert found, advice
    assert int(found.group(1)) > 4


def test_the_manifest_lists_what_is_there(whole: Path) -> None:
    body = json.loads((whole / "manifest.json").read_text())
    there = {p.relative_to(whole).as_posix() for f in ("tables", "figures", "latex") for p in (whole / f).iterdir()}
    assert set(body["files"]) == there | {"report.html"}
    for name, entry in body["files"].items():
        assert hashlib.sha256((whole / name).read_bytes()).hexdigest() == entry["sha256"]


def test_latex_is_balanced_and_has_no_letter_it_cannot_set(whole: Path) -> None:
    for path in (whole / "latex").glob("*.tex"):
        text = path.read_text(encoding="utf-8")
        bare = re.sub(r"\\.", "", text)
        assert bare.count("{") == bare.count("}"), path.name
        assert not set("−×±αη²") & set(text), path.name
        columns = re.search(r"begin\{tabular\}\{([lr]+)\}", text)
        for line in text.splitlines() if columns else ():
            if line.endswith(r"\\") and "multicolumn" not in line:
                assert len(re.findall(r"(?<!\\)&", line)) == len(columns.group(1)) - 1, line  # type: ignore[union-attr]


def test_figures_of_an_earlier_report_do_not_stay(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", TWO)
    analysis.make_report(root)
    shutil.rmtree(root / "units" / "silencing")
    made = analysis.make_report(root)
    assert not list((root / "figures").glob("silencing*"))
    assert not [p for p in made.figures if "silencing" in p]


def test_text_of_the_records_cannot_become_markup(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", TWO.with_(failed=frozenset({("Hom", 1)})))
    for path in root.rglob("failure.json"):
        path.write_text("<script>alert(1)</script>")
    analysis.make_report(root)
    assert "<script" not in Layout(root).report.read_text()


def test_the_command_prints_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_study(tmp_path / "s", TWO)
    assert main([str(root)]) == 0
    out = capsys.readouterr().out
    assert str(root / "report.html") in out
    assert str(root / "tables/seeds.csv") in out
    assert str(root / "latex/methods.tex") in out
    assert "LHetA" in out
    shutil.rmtree(root / "units" / "final" / "Hom" / "2")
    assert main([str(root)]) == 1
    assert "not complete" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "there", "not_there"), [
    (["--format", "csv"], {"tables"}, {"figures", "latex", "report.html"}),
    (["--format", "latex,csv"], {"tables", "latex"}, {"figures", "report.html"}),
    (["--format", "html"], {"figures", "report.html"}, {"tables", "latex"}),
    (["--only", "figures"], {"figures"}, {"tables", "latex", "report.html"}),
])  # fmt: skip
def test_only_what_was_asked_for_is_made(
    tmp_path: Path, arguments: list[str], there: set[str], not_there: set[str]
) -> None:
    root = write_study(tmp_path / "s", TWO.with_(conditions=("LHetA", "RNN"), trials=0, silencing=False))
    assert main([str(root), *arguments]) == 0
    assert all((root / name).exists() for name in there)
    assert not [name for name in not_there if (root / name).exists()]


def test_an_unknown_format_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write_study(tmp_path / "s", TWO)), "--format", "pdf"]) == 2
    assert "there is no such format" in capsys.readouterr().err


def test_a_wrong_folder_is_refused_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    captured = capsys.readouterr()
    assert "this is not a results folder" in captured.err
    assert captured.out == ""
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    root = write_study(tmp_path / "s", TWO)
    (root / "tables").write_text("a file where a folder belongs")
    with pytest.raises(InputError, match="cannot be written"):
        analysis.make_report(root)


def test_ten_conditions_with_twenty_seeds_are_small_enough(tmp_path: Path) -> None:
    study = Synthetic(conditions=ALL, seeds=20, trials=10, epochs=30, diverged=frozenset({("FHet", 5)}))
    made = analysis.make_report(write_study(tmp_path / "big", study), {"html"})
    assert made.report.stat().st_size < 5_000_000
