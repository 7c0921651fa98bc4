"""The tables as LaTeX with booktabs, and the methods as a paragraph to paste."""

from __future__ import annotations

import re
from collections.abc import Sequence

from analysis.files import remove, write_whole
from analysis.tables import Table
from glifr.records import Layout

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "×": r"$\times$",
    "±": r"$\pm$",
    "α": r"$\alpha$",
    "η²": r"$\eta^2$",
    "≥": r"$\geq$",
    "<": r"$<$",
    ">": r"$>$",
}
_ANY = re.compile("|".join(re.escape(c) for c in sorted(_SPECIAL, key=len, reverse=True)))
_INTRODUCED = "% Needs \\usepackage{booktabs}; wide tables also \\usepackage{graphicx}.\n"


def escape(text: str) -> str:
    """`text` as LaTeX prints it letter for letter."""
    return _ANY.sub(lambda m: _SPECIAL[m.group()], text)


def table(sheet: Table) -> str:
    """A floating table."""
    columns = "".join("l" if head.align == "left" else "r" for head in sheet.heads)
    lines = [
        _INTRODUCED + r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(sheet.title)}. {escape(sheet.caption)}}}",
        rf"\label{{tab:{sheet.name}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
    ]
    if sheet.groups:
        lines += _group_lines(sheet)
    lines.append(" & ".join(escape(head.text) for head in sheet.heads) + r" \\")
    lines.append(r"\midrule")
    lines += [" & ".join(_cell(c.text, c.note) for c in row) + r" \\" for row in sheet.rows]
    lines += [r"\bottomrule", r"\end{tabular}}", r"\end{table}", ""]
    return "\n".join(lines)


def _group_lines(sheet: Table) -> list[str]:
    heads, rules, place = [], [], 1
    for text, span in sheet.groups:
        heads.append(rf"\multicolumn{{{span}}}{{c}}{{{escape(text)}}}" if text else " & ".join([""] * span))
        if text:
            rules.append(rf"\cmidrule(lr){{{place}-{place + span - 1}}}")
        place += span
    return [" & ".join(heads) + r" \\", "".join(rules)]


def _cell(text: str, note: str) -> str:
    if not note:
        return escape(text)
    small = rf"{{\scriptsize {escape(note)}}}"
    return f"{escape(text)} {small}" if text else small


def write_latex(layout: Layout, sheets: Sequence[Table], methods: Sequence[str]) -> list[str]:
    """Writes latex/<table>.tex and latex/methods.tex; returns the paths relative to the results folder."""
    folder = layout.root / "latex"
    # 10,000 rows are no table of a paper: those are in tables/
    contents = {f"{s.name}.tex": table(s) for s in sheets if s.name != "runs"}
    contents["methods.tex"] = "\n\n".join(escape(paragraph) for paragraph in methods) + "\n"
    if folder.is_dir():
        remove(*(p for p in folder.glob("*.tex") if p.name not in contents))
    written = [write_whole(folder / name, content.encode()) for name, content in contents.items()]
    return [str(path.relative_to(layout.root)) for path in written]
