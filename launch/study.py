"""`python launch/study.py STUDY.yaml`: only starts launch.cli.

A script's own folder is first on sys.path; the project's folder is needed there instead.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from launch.signals import StopSignals  # noqa: E402 - only importable once the path is right

if __name__ == "__main__":
    with StopSignals(sys.argv[1:]) as stop:  # before the slow imports: a signal is heard from here on
        from launch.cli import main

        sys.exit(main(stop=stop))
