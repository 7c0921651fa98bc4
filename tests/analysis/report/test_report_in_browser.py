"""The report in a real browser: nothing overflows on a phone or a desk, nothing is blocked, missing or malformed."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from records_factory import ALL, Synthetic, write_study

from analysis import make_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian package: chromium)")

_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--disable-sync"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
    *("--virtual-time-budget=4000", "--host-resolver-rules=MAP * ~NOTFOUND"),  # no network, for page and browser
)
# A frame is as narrow as asked for, a headless window is not. Tables and figures may scroll inside their own box.
_MEASURE = """<!DOCTYPE html><meta charset="utf-8"><body>
<iframe id="f" style="border:0;height:900px;width:WIDTHpx"></iframe>
<script>
const frame = document.getElementById("f");
frame.onload = () => {
  const page = frame.contentDocument, wide = page.documentElement.clientWidth;
  const out = e => e.closest(".scroll") === null && e.getBoundingClientRect().right > wide + 1;
  const images = [...page.images];
  document.body.innerHTML = "<pre>" + JSON.stringify({
    width: wide,
    content: page.documentElement.scrollWidth,
    over: [...page.querySelectorAll("body *")].filter(out).map(e => e.tagName + "." + e.className),
    images: images.length,
    drawn: images.filter(i => i.complete && i.naturalWidth > 0).length
  }) + "</pre>";
};
frame.srcdoc = PAGE;
</script></body>"""


def _browse(page: Path, profile: Path) -> subprocess.CompletedProcess[str]:
    command = [str(CHROMIUM), *_QUIET, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten conditions with everything that can be in a report."""
    study = Synthetic(conditions=ALL, seeds=5, trials=16, epochs=4, masks=2, diverged=frozenset({("Hom", 1)}))
    study = study.with_(characteristics=True)
    root = write_study(tmp_path_factory.mktemp("browser") / "a_study_with_quite_a_long_name", study)
    return make_report(root).report


@pytest.mark.program
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_overflows(report: Path, width: int, tmp_path: Path) -> None:
    source = report.read_text(encoding="utf-8")
    script_safe = json.dumps(source).replace("</", "<\\/")
    wrapper = tmp_path / "measure.html"
    wrapper.write_text(_MEASURE.replace("WIDTH", str(width)).replace("PAGE", script_safe), encoding="utf-8")
    dom = _browse(wrapper, tmp_path / "profile").stdout
    found = json.loads(html.unescape(re.search(r"<pre>(.*?)</pre>", dom, re.DOTALL).group(1)))  # type: ignore[union-attr]
    assert found["width"] in range(width - 20, width + 1)
    assert found["content"] <= found["width"]
    assert found["over"] == []
    figures = {figure.stem for figure in (report.parent / "figures").iterdir()}
    assert found["images"] == found["drawn"] == len(figures) > 20


def test_the_browser_has_nothing_to_complain_of(report: Path, tmp_path: Path) -> None:
    """A source that the policy blocks, that cannot be fetched, or a script error is written to the console."""
    ran = _browse(report, tmp_path / "profile")
    assert "<h1>synthetic</h1>" in ran.stdout
    assert ":CONSOLE" not in ran.stderr, ran.stderr


def test_a_page_that_asks_for_something_is_found_out(report: Path, tmp_path: Path) -> None:
    """The test above would see it: the same page with one picture from elsewhere."""
    page = tmp_path / "asks.html"
    page.write_text(report.read_text(encoding="utf-8").replace("<main>", '<main><img src="https://example.org/x.png">'))
    assert ":CONSOLE" in _browse(page, tmp_path / "profile").stderr
