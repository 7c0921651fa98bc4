"""What a study may cost, and who is told when it ends."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from launch.studyfile import values as v
from launch.studyfile.sections import Section

MOST_HOURS = 100_000
Equal = Literal["trials", "epochs", "time"]
KINDS = ("hours", "gpu_hours", "epochs")  # of a limit; a study has one at most

Hours = Annotated[float, Field(gt=0, le=MOST_HOURS, description=f"a number above 0, at most {MOST_HOURS}")]


class Budget(Section):
    """What a whole study may cost, over all its sessions. At its end the study stops cleanly and says what is missing.

    One of hours, gpu_hours and epochs at most.

    Attributes:
        hours: On the clock.
        gpu_hours: Of GPUs that jobs held; a share counts as a share.
        epochs: Of one seed, over all stages.
        equal: What every search has as much of: trials; epochs, those of `search.trials` whole trials, so that what
            early stopping saves is spent on more trials; or time, `search_hours` of jobs, with `search.trials` at most.
        search_hours: Of one search, with equal time.
    """

    later = frozenset({*KINDS, "equal", "search_hours"})

    hours: Hours | None = None
    gpu_hours: Hours | None = None
    epochs: v.Count | None = None
    equal: Annotated[Equal, Field(description=v.either(get_args(Equal)))] = "trials"
    search_hours: Hours | None = None

    @property
    def limits(self) -> dict[str, float]:
        """Those of `hours`, `gpu_hours` and `epochs` that are given."""
        return {kind: limit for kind in KINDS if (limit := getattr(self, kind)) is not None}


URL_RULE = "a URL that begins with http:// or https://, or $NAME for one in an environment variable"
_URL = re.compile(r"https?://[^\s/$?#]+\S*|\$[A-Za-z_][A-Za-z0-9_]*")


def _url(text: str) -> str:
    if not _URL.fullmatch(text):
        v.refuse("this is not a URL that a notice can be posted to", URL_RULE)
    return text


class Notify(Section):
    """Who is told when a session ends, also by a stop or a failure: a command or a URL. Not part of study.json.

    Attributes:
        command: Run with the notice on its standard input, without a shell.
        url: Where the notice is posted to, as JSON.
        seconds: How long either may take; the study never waits longer, and never fails by it.
    """

    command: Annotated[str, Field(min_length=1, description="a command with its arguments")] | None = None
    url: Annotated[str, AfterValidator(_url), Field(description=URL_RULE)] | None = None
    seconds: Annotated[float, Field(gt=0, le=60, description="a number above 0, at most 60")] = 10.0
