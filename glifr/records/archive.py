"""A pack's file: a tar of plain files and folders, compressed by xz.

Any tar program reads it. This one reads nothing but what it writes: a pack may come from anywhere, so links, devices,
extended headers and names that lead elsewhere are refused, and nothing is decompressed beyond a limit.
"""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Iterator, Mapping

MOST_BYTES = 2_000_000
MOST_UNPACKED = 128 * 2**20
MOST_MEMBERS = 50_000
_BLOCK = 512
_DICTIONARY = 2**24  # bytes; what a reader must hold at once
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": _DICTIONARY}]
_MEMORY = 2 * _DICTIONARY


class ArchiveError(Exception):
    """Why a file is not an archive that can be trusted."""


def compressed(members: Mapping[str, bytes]) -> bytes:
    """The members, in their order, as a file; equal members give equal bytes. A name that ends with / is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            entry.mode, entry.size = (0o755 if name.endswith("/") else 0o644), len(content)
            archive.addfile(entry, io.BytesIO(content))
    return lzma.compress(buffer.getvalue(), filters=_FILTERS)


def members_of(raw: bytes) -> dict[str, bytes]:
    """The inverse of `compressed`. Raises ArchiveError."""
    found: dict[str, bytes] = {}
    names: set[str] = set()
    for name, content in _entries(_decompressed(raw)):
        if (bare := name.rstrip("/")) in names:
            raise ArchiveError(f"it holds a name twice: {bare!r}")
        names.add(bare)
        found[name] = content
    return found


def _decompressed(raw: bytes) -> bytes:
    try:
        reader = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
        content = reader.decompress(raw, MOST_UNPACKED + 1)
    except lzma.LZMAError as error:
        raise ArchiveError(f"it is not compressed as a pack is ({error})") from None
    if len(content) > MOST_UNPACKED:
        raise ArchiveError(f"it holds more than {MOST_UNPACKED:,} bytes")
    if not reader.eof:
        raise ArchiveError("it is cut short")
    if reader.unused_data:
        raise ArchiveError("something follows its end")
    return content


def _entries(content: bytes) -> Iterator[tuple[str, bytes]]:
    place = count = 0
    while any(header := content[place : place + _BLOCK]):
        name, size = _header(header)
        count += 1
        if count > MOST_MEMBERS:
            raise ArchiveError(f"it has more than {MOST_MEMBERS:,} members")
        place += _BLOCK
        if place + size > len(content):
            raise ArchiveError(f"it is cut short in {name!r}")
        yield name, content[place : place + size]
        place += -(-size // _BLOCK) * _BLOCK
    if len(content) < place + 2 * _BLOCK or any(content[place:]):
        raise ArchiveError("it does not end as a tar does")


def _header(header: bytes) -> tuple[str, int]:
    """Name and size of a plain file or folder."""
    if len(header) < _BLOCK or header[257:263] != b"ustar\0":
        raise ArchiveError("it is not a tar of plain files")
    if sum(header[:148]) + sum(header[156:]) + 8 * ord(" ") != _octal(header[148:156]):
        raise ArchiveError("a header's sum does not fit")
    try:
        parts = [part.split(b"\0")[0].decode() for part in (header[345:500], header[:100])]
    except UnicodeDecodeError:
        raise ArchiveError("a name is not text") from None
    name, kind, size = "/".join(filter(None, parts)), header[156:157], _octal(header[124:136])
    if kind not in (b"0", b"5"):
        raise ArchiveError(f"a link or something else that is no file or folder: {name!r}")
    if (kind == b"5") != name.endswith("/") or (kind == b"5" and size):
        raise ArchiveError(f"a folder's name ends with /, and only that: {name!r}")
    bad = any(part in ("", ".", "..") for part in name.removesuffix("/").split("/"))
    if bad or "\\" in name or not name.isprintable():
        raise ArchiveError(f"a name that leads out of it: {name!r}")
    return name, size


def _octal(field: bytes) -> int:
    digits = field.rstrip(b"\0 ").lstrip(b" ")
    if not digits or digits.strip(b"01234567"):
        raise ArchiveError("a header's number is none")
    return int(digits, 8)
