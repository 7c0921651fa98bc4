"""Writing that survives a crash: what has returned is on the disk, what has not is either absent or whole."""

from __future__ import annotations

import errno
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

from glifr.records.atomic import sync_folder, temporary_beside

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)
_CLAIM_SECONDS = 5.0  # a claim is held for one rename; one that stands this long was left by a dead process
_CLAIM_POLL = 0.05


def now() -> str:
    """The time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def publish(path: Path, content: bytes, mode: int = 0o666) -> bool:
    """Puts `content` at `path` if nothing is there; returns whether it did. Whole or not at all, and durable.

    mode: of the file, less the process's umask.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        done = _name_once(temporary, path)
        if done:
            sync_folder(path.parent)
        return done
    finally:
        temporary.unlink(missing_ok=True)


def append(path: Path, lines: str) -> None:
    """Adds lines to a file, durably; a crash may tear the last one."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(lines)
        stream.flush()
        os.fsync(stream.fileno())


def set_aside(path: Path) -> Path:
    """Renames a file that cannot be trusted, so that it is kept but never read again; returns its new path."""
    aside = path.with_name(f"{path.name}.damaged-{secrets.token_hex(4)}")
    path.rename(aside)
    sync_folder(path.parent)
    return aside


def _name_once(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
        return True
    except FileExistsError:
        # NFS may say so of a link that it made, when its first answer was lost.
        return temporary.stat().st_nlink > 1
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    return _rename_under_claim(temporary, path)


def _rename_under_claim(temporary: Path, path: Path) -> bool:
    """For file systems without hard links: who creates the claim file, which only one can, may rename."""
    claim, stands_since = path.with_name(f".{path.name}.claim"), time.monotonic()
    while not path.exists():
        try:
            os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            if time.monotonic() - stands_since > _CLAIM_SECONDS:
                _break(claim)
                stands_since = time.monotonic()
            time.sleep(_CLAIM_POLL)
            continue
        try:
            if path.exists():
                return False
            temporary.rename(path)
            return True
        finally:
            claim.unlink(missing_ok=True)
    return False


def _break(claim: Path) -> None:
    """Removes a dead process's claim; by a rename, so that of several who try only one removes it."""
    broken = claim.with_name(f"{claim.name}.{secrets.token_hex(4)}")
    try:
        claim.rename(broken)
    except FileNotFoundError:
        return
    broken.unlink()
