"""Ray's token authentication, which Ray turns on by itself only for clusters that it starts or finds by itself."""

from __future__ import annotations

import os
from pathlib import Path

_MODE = "RAY_AUTH_MODE"


def switch_to_token() -> bool:
    """Makes this process send the user's token; whether there is one and Ray took the switch.

    A cluster started by `ray start` on a machine that has a token asks for it, but Ray leaves it out when it joins by
    an explicit address. It cannot be sent always: workers of a cluster without authentication then fail to start. So
    it is for a second try. Ray reads the mode at import and has no public way to change it later; where its private
    way is gone, the user has to set the environment variable. A mode that the user has set is kept.
    """
    if _MODE in os.environ or not _token_is_there():
        return False
    try:
        from ray._raylet import Config  # type: ignore[attr-defined]

        os.environ[_MODE] = "token"
        Config.initialize("")
    except (ImportError, AttributeError):
        os.environ.pop(_MODE, None)
        return False
    return True


def _token_is_there() -> bool:
    if os.environ.get("RAY_AUTH_TOKEN"):
        return True
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(named).is_file() if named else (Path.home() / ".ray" / "auth_token").is_file()
