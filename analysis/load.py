"""Loads a study from its results folder, or from a pack of one."""

from __future__ import annotations

from pathlib import Path

from analysis.pack.opened import opened
from analysis.results.load import Results, assemble, load_folder
from glifr.records import Layout, scan
from glifr.records.collector import uncollected


def load(root: Path, out: Path | None = None) -> Results:
    """Reads a results folder or a pack.

    Args:
        root: The folder or pack.
        out: Where what is made of it is written, see `output_folder`.

    Returns:
        Its content.

    Raises:
        InputError: It is neither, is of another version, or is a pack that cannot be trusted.
    """
    if not root.is_file():
        return load_folder(root, out)
    with uncollected(), opened(root) as pack:
        return assemble(scan(pack.folder), root, Layout(output_folder(root, out)), pack.networks)


def output_folder(root: Path, out: Path | None = None) -> Path:
    """`out`, or else the results folder itself; for a pack the folder beside it that has its name without suffix."""
    if out is not None:
        return out
    if not root.is_file():
        return root
    stem = root.name.removesuffix(".tar.xz") if root.name.endswith(".tar.xz") else root.stem
    return root.with_name(stem if stem != root.name else f"{root.name}-report")
