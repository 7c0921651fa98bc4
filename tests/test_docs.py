"""The site builds without a warning, fetches nothing, and its reference has every public name."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from paths import ROOT

pytest.importorskip("zensical")

import glifr
from launch.studyfile import StudySpec
from launch.studyfile.schema import described, sections


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    settings = (ROOT / "mkdocs.yml").read_text()
    for ours, other in (("build/docs", "docs"), ("build/site", "site"), ("paths: [.]", f"paths: [{ROOT}]")):
        assert ours in settings
        settings = settings.replace(ours, other)
    (folder / "mkdocs.yml").write_text(settings)
    for command in (
        [sys.executable, str(ROOT / "docs" / "site_pages.py"), str(folder / "docs")],
        [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"],
    ):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@pytest.fixture
def site_pages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return importlib.import_module("site_pages")


@pytest.mark.parametrize("name", glifr.__all__)
def test_every_public_name_is_said_and_stands_in_the_reference(site: Path, name: str) -> None:
    said = getattr(glifr, name).__doc__
    assert said
    page = (site / "reference" / "networks.html").read_text()
    assert f'id="glifr.{name}"' in page
    first = re.sub(r"`.*", "", said.splitlines()[0]).split("'")[0]
    assert first in page


def test_a_page_that_is_read_fetches_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 12
    for page in pages:
        text = page.read_text()
        fetched = re.findall(r'<(?:script|img|iframe|source)[^>]* src="([^"]+)"', text)
        fetched += re.findall(r'<link[^>]* rel="?(?:stylesheet|preconnect|icon)"?[^>]* href="([^"]+)"', text)
        assert not [address for address in fetched if re.match(r"(https?:)?//", address)], page


def test_pages_and_links_to_files_beside_docs_are_there(site: Path) -> None:
    assert (site / "source" / "launch" / "cluster" / "slurm.sh").read_bytes() == (
        ROOT / "launch" / "cluster" / "slurm.sh"
    ).read_bytes()
    assert "source/launch/cluster/slurm.sh" in (site / "cluster.html").read_text()
    assert (site / "library.ipynb").is_file()
    assert 'href="library.html"' in (site / "new_task.html").read_text().split("<article")[1]
    library = (site / "library.html").read_text()
    for picture in re.findall(r'src="(library_files/[^"]+)"', library):
        assert (site / picture).read_bytes().startswith(b"\x89PNG")
    assert "glifr.load(" in re.sub(r"<[^>]+>", "", library)


def test_the_study_files_page_has_every_key_with_what_it_may_be(site_pages: ModuleType) -> None:
    page = site_pages.STUDY_FILE.read_text()
    assert page == site_pages.study_file_page(), "write it anew: PYTHONPATH=. .venv/bin/python docs/site_pages.py"
    for name in StudySpec.model_fields:
        assert f"| `{name}` |" in page
    assert "| `batch_size` | a whole number from 1 to 10000000 | must be given |" in page
    assert "| `beta2` | a number from 0, below 1 | `0.999` |" in page
    assert "| `epochs` | a whole number from 1 to 10000000, or null | `null` | Of one trial, null for those of" in page
    assert re.search(r"\| `seeds_per_batch` \|.*\| Seeds trained as one computation; auto for a number by", page)
    assert "Attributes:" not in page, "what a docstring says of a key stands in its row"
    assert "## `conditions.<condition>`" in page
    assert "## `search.spaces.<family>.<hyperparameter>`" in page
    assert "| `scale` | log or linear, or null | `null` |" in page


def test_a_section_of_the_study_file_says_what_each_of_its_keys_means() -> None:
    for path, kind in sections():
        assert set(described(kind)[1]) == set(kind.model_fields), path


def test_a_docstrings_marks_are_shown_as_they_are_written(site: Path) -> None:
    for page in sorted((site / "reference").glob("*.html")):
        text = page.read_text().partition("<article")[2].partition("</article")[0]
        assert "<em>" not in text, page.name


def test_every_link_between_files_of_the_repository_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    assert len(pages) > 20
    for page in pages:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
        for link in re.findall(r"\]\(([^)#\s]+)", text):
            assert re.match(r"\w+:", link) or (page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link}"


def test_every_file_and_room_that_tour_and_contributing_name_is_there() -> None:
    for page in ("docs/tour.md", "CONTRIBUTING.md"):
        named = re.findall(
            r"`((?:glifr|launch|analysis|studies|tests|docs|benchmarks)/[\w./-]*)`", (ROOT / page).read_text()
        )
        assert named
        missing = [name for name in named if not (ROOT / name).exists()]
        assert not missing, page


def test_the_picture_of_the_rooms_is_that_of_the_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    architecture = importlib.import_module("architecture")
    current = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert current == architecture.picture(), "draw it again: python docs/architecture.py"


def test_contributing_has_no_long_table_cells() -> None:
    for page in ("CONTRIBUTING.md", "docs/tour.md"):
        rows = [line for line in (ROOT / page).read_text().splitlines() if line.startswith("|")]
        assert max(len(cell.split()) for row in rows for cell in row.split("|")) <= 25, page


def test_every_message_that_troubleshooting_explains_is_one_of_ours() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    quoted = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    source = "\n".join(
        path.read_text() for room in ("launch", "analysis", "glifr") for path in (ROOT / room).rglob("*.py")
    )
    parts = [part for text in quoted for part in text.split(" ... ")]
    assert len(parts) > 20
    assert [part for part in parts if part not in source] == []


def test_ci_runs_every_target_of_tests_and_between_them_every_test() -> None:
    makefile = (ROOT / "Makefile").read_text()
    called = re.findall(r"^\s*make (\S+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    targets = re.findall(r"^(test[\w-]*): dev$", makefile, re.MULTILINE)
    assert called == ["test-all", "test-cluster", "check", "resolve"]
    assert "\ntest-all: dev\n\t$(TESTS)\n" in makefile
    assert "\ntest: dev\n\t$(TESTS) -m 'not program'\n" in makefile
    assert "\ntest-programs: dev\n\t$(TESTS) -m program\n" in makefile
    assert re.findall(r"--ignore=(\S+)", makefile) == re.findall(r"-m pytest (tests/\S+)\n", makefile)[:1]
    for page in ("README.md", "CONTRIBUTING.md", "Makefile"):
        text = (ROOT / page).read_text()
        assert [name for name in targets if f"make {name}" not in text] == [], page
