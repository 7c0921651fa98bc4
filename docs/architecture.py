"""Draws docs/architecture.svg from the imports of the code: `python docs/architecture.py`.

A box is a room, an arrow an import. Arrows that follow from others are left out (transitive reduction).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"
PACKAGES = ("analysis", "glifr", "launch")  # from left to right
WIDTH, HEIGHT, GAP_X, GAP_Y, TOP = 164, 30, 22, 34, 20

Arrow = tuple[str, str]


def room_of(module: str) -> str:
    """'launch.ledger' of 'launch.ledger.units': the deepest folder that a module, or a name in one, lies in."""
    parts = module.split(".")
    depth = max(d for d in range(1, len(parts) + 1) if ROOT.joinpath(*parts[:d]).is_dir())
    return ".".join(parts[:depth])


def arrows() -> set[Arrow]:
    """Room -> room that it imports. Files of a package's own folder are no room: they are above or below all."""
    found = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if path.name == "__main__.py":  # a command stands above the rooms
                continue
            here = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
                    found |= {(here, room_of(f"{node.module}.{alias.name}")) for alias in node.names}
    return {(a, b) for a, b in found if a != b and "." in a and "." in b}


def below(room: str, known: Iterable[Arrow]) -> set[str]:
    """Every room that can be reached from `room`."""
    known, reached, todo = list(known), set(), [room]
    while todo:
        fresh = {b for a, b in known if a == todo[-1]} - reached
        todo.pop()
        reached |= fresh
        todo += fresh
    return reached


def reduced(known: set[Arrow]) -> set[Arrow]:
    """Without the arrows that follow from two others."""
    return {(a, b) for a, b in known if not any(b in below(c, known) for x, c in known if x == a and c != b)}


def floors(known: set[Arrow]) -> dict[str, int]:
    """Room -> 0 where it imports no room, else one above the highest that it imports."""
    rooms = sorted({room for arrow in known for room in arrow})
    height: dict[str, int] = {}
    ordered = sorted(known)  # where rooms import each other, the order decides

    def of(room: str) -> int:
        if room not in height:
            height[room] = -1  # a circle would end here
            height[room] = 1 + max((of(b) for a, b in ordered if a == room), default=-1)
        return height[room]

    return {room: of(room) for room in rooms}


def picture() -> str:
    """The SVG, the same text for the same imports."""
    known = arrows()
    height = floors(known)
    by_floor = {floor: sorted(r for r, f in height.items() if f == floor) for floor in sorted(set(height.values()))}
    lanes = {p: max(sum(r.startswith(p) for r in rooms) for rooms in by_floor.values()) for p in PACKAGES}
    step, total = WIDTH + GAP_X, TOP + len(by_floor) * (HEIGHT + GAP_Y)
    width = sum(lanes.values()) * step + GAP_X
    centre: dict[str, tuple[float, float]] = {}
    for floor, rooms in by_floor.items():
        begin = 0
        for package in PACKAGES:
            own = [room for room in rooms if room.startswith(package)]
            left = GAP_X + (begin + (lanes[package] - len(own)) / 2) * step + WIDTH / 2
            for i, room in enumerate(own):
                centre[room] = (left + i * step, total - GAP_Y - floor * (HEIGHT + GAP_Y))
            begin += lanes[package]
    colors = {"glifr": "#0072B2", "launch": "#D55E00", "analysis": "#009E73"}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" font-family="sans-serif" '
        'font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#8b949e"/></marker></defs>',
    ]
    for a, b in sorted(reduced(known)):
        (x, y), (u, v) = centre[a], centre[b]
        start, end = y + HEIGHT / 2, v - HEIGHT / 2
        bend = (start + end) / 2
        parts.append(
            f'<path d="M{x:.0f} {start:.0f}C{x:.0f} {bend:.0f} {u:.0f} {bend:.0f} {u:.0f} {end:.0f}" fill="none" '
            'stroke="#8b949e" marker-end="url(#a)"/>'
        )
    for room, (x, y) in centre.items():
        color = colors[room.split(".")[0]]
        parts.append(
            f'<rect x="{x - WIDTH / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="5" '
            f'fill="white" stroke="{color}" stroke-width="1.5"/>'
            f'<text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle" fill="#1f2328">'
            f"{escape(room.replace('.', '/'))}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    sys.stdout.write(f"{PICTURE}\n")
