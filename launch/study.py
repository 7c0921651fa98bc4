"""`python launch/study.py STUDY.yaml`, and the installed command `glifr-study STUDY.yaml`: only start launch.cli."""

import gc
import sys
from pathlib import Path


def start() -> int:
    """Runs the command line; returns the exit code."""
    gc.disable()  # it takes a quarter of the time of all imports; on again before a study runs
    from launch.signals import StopSignals

    with StopSignals(sys.argv[1:]) as stop:  # before the slow imports: a signal is heard from here on
        from launch.cli import main

        return main(stop=stop)


if __name__ == "__main__":
    # a script's own folder is first on sys.path; the project's folder is needed there instead
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    sys.exit(start())
