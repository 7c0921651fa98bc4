"""Draws the report's figures, or takes those of an earlier report that are of the same data and the same program.

Drawing takes most of a report's time. `.analysis/figures.json` says what the files in `figures/` were drawn from; it
can be removed at any time, and a figure whose files are not as it says is drawn again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from analysis.files import remove, write_whole
from analysis.judgement.assessment import Assessment
from analysis.parallel import shared_out
from analysis.report.digest import figures_digest
from analysis.report.page_figure import PageFigure, data_uri, fits_page
from glifr.records import InputError, Layout
from glifr.records.collector import collect_young, uncollected

KINDS = ("svg", "png", "csv")
NAME = "figures.json"


@dataclass(frozen=True)
class _Made:
    """A figure and the content of its files by kind."""

    name: str
    shown: PageFigure
    contents: Mapping[str, bytes]


def page_figures(assessed: Assessment, png: bool = False) -> dict[str, PageFigure]:
    """All figures by name, in the order of the report, their files in `figures/`.

    png: whether each is wanted as PNG too; otherwise only one whose SVG is too large for the page is.
    """
    layout, digest = assessed.results.layout, figures_digest(assessed.results)
    kept = _kept(layout, digest, png)
    if kept is not None and all(kept.values()):
        return {name: figure for name, figure in kept.items() if figure is not None}
    from analysis.figures import FIGURES  # with matplotlib, which only drawing needs

    shown = dict(kept or dict.fromkeys(FIGURES))
    assessed.neurons  # noqa: B018  read once, before the work is shared out
    missing = [name for name in FIGURES if shown[name] is None]
    for made in shared_out(partial(_draw, assessed, png), missing):
        shown[made.name] = _written(layout, made)
    figures = {name: figure for name, figure in shown.items() if figure is not None}
    if assessed.results.source.resolve() == layout.root.resolve():
        _keep(layout, digest, figures)
    return figures


def _draw(assessed: Assessment, png: bool, names: Sequence[str]) -> list[_Made]:
    from analysis.figures import house_style

    found = []
    with house_style(), uncollected():
        for name in names:
            found.append(_drawn(assessed, png, name))
            collect_young()
    return found


def _drawn(assessed: Assessment, png: bool, name: str) -> _Made:
    from analysis.figures import FIGURES
    from analysis.figures.drawing.drawing import MissingFigure, png_bytes, svg_bytes

    drawn = FIGURES[name](assessed)
    if isinstance(drawn, MissingFigure):
        return _Made(name, PageFigure(drawn.title, why=drawn.why, todo=drawn.todo), {})
    contents = {"svg": svg_bytes(drawn)}
    if png or not fits_page(contents["svg"]):
        contents["png"] = png_bytes(drawn)
    contents["csv"] = drawn.data.to_csv(index=False, lineterminator="\n").encode()
    return _Made(name, PageFigure(drawn.title, drawn.alternative, drawn.caption), contents)


def _written(layout: Layout, made: _Made) -> PageFigure:
    """Writes the figure's files; those of an earlier report that it does not have are removed."""
    remove(*(_path(layout, made.name, kind) for kind in KINDS if kind not in made.contents))
    for kind, content in made.contents.items():
        write_whole(_path(layout, made.name, kind), content)
    files = {f"{made.name}.{kind}": _sum(content) for kind, content in made.contents.items()}
    return replace(made.shown, files=files, source=_source(made.contents))


def _source(contents: Mapping[str, bytes]) -> str:
    if "svg" not in contents:
        return ""
    kind = "svg" if fits_page(contents["svg"]) else "png"
    return data_uri(contents[kind], kind)


def _kept(layout: Layout, digest: str, png: bool) -> dict[str, PageFigure | None] | None:
    """The figures of an earlier report, None for one that must be drawn; None if all must be."""
    try:
        body = json.loads(_list(layout).read_bytes())
        if body["digest"] != digest:
            return None
        return {name: _read(layout, name, PageFigure(**figure), png) for name, figure in body["figures"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _read(layout: Layout, name: str, figure: PageFigure, png: bool) -> PageFigure | None:
    """The figure with its picture; None if its files are not those that were made, or it lacks one that is wanted."""
    contents = {}
    for kind in KINDS:
        path = _path(layout, name, kind)
        if path.name in figure.files:
            try:
                contents[kind] = path.read_bytes()
            except OSError:
                return None
            if _sum(contents[kind]) != figure.files[path.name]:
                return None
        elif path.exists() or (kind == "png" and png and not figure.empty):
            return None
    return replace(figure, source=_source(contents))


def _keep(layout: Layout, digest: str, figures: Mapping[str, PageFigure]) -> None:
    words = {name: {k: v for k, v in vars(figure).items() if k != "source"} for name, figure in figures.items()}
    body = json.dumps({"digest": digest, "figures": words}, indent=1).encode() + b"\n"
    with suppress(InputError):  # a report must not fail for want of this
        write_whole(_list(layout), body)


def _list(layout: Layout) -> Path:
    return layout.root / ".analysis" / NAME


def _path(layout: Layout, name: str, kind: str) -> Path:
    return layout.figures / f"{name}.{kind}"


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
