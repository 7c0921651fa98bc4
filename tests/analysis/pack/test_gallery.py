"""The gallery shows each stored study with its own answer, by small pictures."""

from __future__ import annotations

from paths import ROOT

from analysis import assess, load
from analysis.judgement.headline import answer

DOCS = ROOT / "docs"
PACKS = sorted(path.name.removesuffix(".tar.xz") for path in (DOCS / "results").glob("*.tar.xz"))
PAGE = (DOCS / "gallery.md").read_text(encoding="utf-8")


def test_each_pack_has_its_picture_and_none_is_large() -> None:
    pictures = {path.stem: path.stat().st_size for path in (DOCS / "gallery").glob("*.png")}
    assert sorted(pictures) == PACKS
    assert sum(pictures.values()) < 1_000_000
    assert [name for name in PACKS if f"(gallery/{name}.png)" not in PAGE] == []


def test_the_sentence_of_a_study_is_its_report_s() -> None:
    for name in ("parameter_recovery", "published_sine"):
        said = answer(assess(load(DOCS / "results" / f"{name}.tar.xz"))).text
        assert f"> {said}\n" in PAGE, "run `make gallery`"
