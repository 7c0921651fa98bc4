"""Tries every layer and writes docs/abilities.md: `python -m benchmarks.abilities [--docs DIR]`.

A library that is not installed is written as not tried.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import warnings
from pathlib import Path

from benchmarks.abilities.layers import LAYERS
from benchmarks.abilities.probes import NOT_OFFERED, PROBES, tried
from benchmarks.speed.peers import why_not_importable
from benchmarks.words import markdown_table

_HEAD = f"""# Among torch's own tools

Made by `python -m benchmarks.abilities`; nothing here is typed by hand. Each ability was tried on a layer of 8 neurons
and 12 steps, in its library's own idiom, and judged by its numbers; "no" names the error or the difference.
"{NOT_OFFERED}": the library has no call for it, as far as we know. GLIFR is `glifr.BNNFC`, a recurrent layer with a
readout, called as in [the library's notebook](library.ipynb); snnTorch gives a step, so the loop over time, and what it
collects, is the user's. SpikingJelly's layer keeps its state itself until it is reset. The layers have other equations,
and no speed is compared here (that is [Performance](performance.md)); `torch.compile` says how long the first call took
beyond what torch loads for any. `torch.export` with `strict=True` has Dynamo read the layer's Python; a neuron model of
this project is checked and traced in Python that Dynamo does not read, so it is refused, and the refusal names
`strict=False`, torch's default, which records the same operations."""


def document() -> str:
    """The page."""
    absent = {name: why_not_importable(layer.library) for name, layer in LAYERS.items()}
    rows = []
    for ability, probe in PROBES.items():
        row = [ability]
        for name, layer in LAYERS.items():
            row.append("not tried" if absent[name] else tried(probe, layer))
            print(f"{ability} - {name}: {row[-1]}", flush=True)
        rows.append(row)
    notes = [f"- {name} was not tried: {why}." for name, why in absent.items() if why]
    return "\n\n".join(
        [_HEAD, markdown_table(["", *LAYERS], rows), *(["\n".join(notes)] if notes else []), _versions(absent)]
    )


def _versions(absent: dict[str, str]) -> str:
    peers = dict.fromkeys(layer.library for name, layer in LAYERS.items() if not absent[name] and name != "GLIFR")
    each = [f"{library} {importlib.metadata.version(library)}" for library in peers]
    return f"With {', '.join(each)}, on a CPU, Python {platform.python_version()}."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.abilities", description="What recurrent layers can do.")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where abilities.md is written")
    folder: Path = parser.parse_args().docs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own, and ours of the portable engine
        text = document()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "abilities.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
