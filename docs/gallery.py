"""Writes docs/gallery.md: the first screen of the report of each pack in docs/results. `make gallery`; needs Chromium.

Each report is made of its pack anew; its picture is taken by a browser without a window, and made smaller.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from analysis import assess, load, write_report
from analysis.judgement.headline import answer
from analysis.results.load import Results
from analysis.text import count, listed

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "gallery"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SCREEN, _SHOWN = (1200, 1050), (800, 700)  # pixels
_HEAD = """# Gallery

What a study ends with: the first screen of its report, made from the packs in `docs/results` by `make gallery`. The
sentence at the head, the lights and the figure come of the records alone. A study that says "inconclusive" is shown
like any other. [Results](results/README.md) has the numbers; `python -m analysis docs/results/NAME.tar.xz`
makes a whole report.
"""


def browser() -> str:
    """The browser's command."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit(f"a browser is needed to take pictures: one of {', '.join(BROWSERS)}")
    return found


def picture(page: Path, command: str) -> bytes:
    """The first screen of a page as a small PNG of few colours."""
    with tempfile.TemporaryDirectory() as folder:
        taken = Path(folder) / "screen.png"
        size = "--window-size={},{}".format(*_SCREEN)
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/user"]
        subprocess.run(
            [command, *words, size, f"--screenshot={taken}", page.resolve().as_uri()],
            check=True,
            capture_output=True,
            timeout=120,
        )
        small = Image.open(taken).convert("RGB").resize(_SHOWN, Image.Resampling.LANCZOS)
    content = BytesIO()
    small.quantize(128).save(content, "PNG", optimize=True)
    return content.getvalue()


def entry(name: str, results: Results) -> str:
    """A study's part of the page."""
    info = results.info
    title = info.task.title[:1].upper() + info.task.title[1:]
    conditions, networks = count(len(info.names), "condition"), count(len(results.finals), "final network")
    said = answer(assess(results)).text
    shown = f"![The first screen of the report of {info.name}](gallery/{name}.png)"
    return f"## {info.name}\n\n{title}; {conditions} ({listed(info.names)}), {networks}.\n\n> {said}\n\n{shown}\n"


def main() -> None:
    """Writes the page and its pictures."""
    command, parts = browser(), [_HEAD]
    PICTURES.mkdir(exist_ok=True)
    for pack in sorted((DOCS / "results").glob("*.tar.xz")):
        name = pack.name.removesuffix(".tar.xz")
        with tempfile.TemporaryDirectory() as folder:
            results = load(pack, Path(folder))
            made = write_report(results, ("html",))
            (PICTURES / f"{name}.png").write_bytes(picture(made.report, command))
        parts.append(entry(name, results))
        print(f"{name}: {(PICTURES / f'{name}.png').stat().st_size:,} bytes", flush=True)
    (DOCS / "gallery.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
