"""Writes what the site is built from: `python docs/site_pages.py FOLDER`. Without one: docs/study-file.md anew.

Beside the files of `docs` that is what is made of others: the notebook, and copies of files outside `docs` that its
pages link to.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from launch.studyfile.schema import allowed_at, described, sections, untagged
from launch.studyfile.sections import Changes

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
NOTEBOOK, PAGE = "library.ipynb", "library.md"
STUDY_FILE = DOCS / "study-file.md"
OUTSIDE = re.compile(r"\]\(\.\./([^)#]+)\)")  # in a page of docs/ itself: a link to another file of the project

_STUDY_FILE = """# The study file

Every key of a study's YAML, made from the types that check it. Below `profiles:` any of them can be given again, and
`--set training.epochs=10` sets one from the command line. An unknown key is refused with the nearest known one.
"""


def write_pages(folder: Path) -> None:
    """Writes into an empty folder all that the site is built from: the files of `docs`, and the pages that are made.

    Links that lead out of `docs` lead to copies in `source/`, and those to the notebook to its page.
    """
    shutil.copytree(DOCS, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name, content in notebook_page().items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    linked: set[str] = set()
    for page in folder.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        if page.parent == folder:
            linked |= set(OUTSIDE.findall(text))
            text = OUTSIDE.sub(r"](source/\1)", text)
        if page.name != PAGE:
            text = text.replace(f"]({NOTEBOOK})", f"]({PAGE})")
        page.write_text(text, encoding="utf-8")
    for name in sorted(linked):
        copy = folder / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy)


def notebook_page() -> dict[str, str | bytes]:
    """The notebook as a page with its stored outputs, and its pictures, each by path in the site."""
    parts, pictures = [], {}
    for cell in nbformat.read(ROOT / "docs" / NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            picture = output.get("data", {}).get("image/png")
            if picture:
                path = f"{Path(PAGE).stem}_files/{cell.id}.png"
                pictures[path] = base64.b64decode(picture)
                parts.append(f"![what the cell above draws]({path})")
            else:
                text = output.get("text") or output["data"]["text/plain"]
                parts.append(f"```text\n{text.rstrip()}\n```")
    head, *rest = parts
    link = f"This page is a notebook: [{NOTEBOOK}]({NOTEBOOK})."
    return {PAGE: "\n\n".join([head, link, *rest]) + "\n", **pictures}


def study_file_page() -> str:
    """A table for each mapping of the study file."""
    return _STUDY_FILE + "".join(f"\n{_section(path, kind)}\n" for path, kind in sections())


def _section(path: tuple[Any, ...], kind: type[BaseModel]) -> str:
    said, meanings = described(kind)
    rows = ["| key | may be | default | meaning |", "| --- | --- | --- | --- |", *_rows(path, kind, meanings)]
    return "\n".join([f"## {_shown(path)}", "", said, "", *rows])


def _shown(path: tuple[Any, ...]) -> str:
    """The path as a heading; a name that the user chooses stands in angle brackets, one of several types behind."""
    if (plain := untagged(path)) != path:
        return f"{_shown(plain)}: {path[-1]}"
    chosen = {"conditions": "condition", "spaces": "family", "contrasts": "name"}
    names = [chosen.get(str(path[i - 1])) if i else None for i in range(len(path))]
    if len(path) > 2 and path[-3:-2] == ("spaces",):
        names[-1] = "hyperparameter"
    dotted = ".".join(f"<{name}>" if name else str(key) for key, name in zip(path, names, strict=True))
    return f"`{dotted}`" if path else "The whole"


def _rows(path: tuple[Any, ...], kind: type[BaseModel], meanings: dict[str, str]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        allowed = allowed_at((*path, name)).replace("|", "\\|") or "see below"
        default = kind.otherwise if issubclass(kind, Changes) else _default(field.default)
        meaning = meanings.get(name, "").replace("|", "\\|")
        yield f"| `{name}` | {allowed} | {default} | {meaning} |"


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "must be given"
    if isinstance(value, BaseModel):
        return "that of each key"
    return "empty" if value == "" else f"`{json.dumps(value)}`".replace('"', "")


if __name__ == "__main__":
    if sys.argv[1:]:
        shutil.rmtree(sys.argv[1], ignore_errors=True)
        write_pages(Path(sys.argv[1]))
    else:
        STUDY_FILE.write_text(study_file_page(), encoding="utf-8")
