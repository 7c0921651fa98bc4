"""`python launch/dashboard.py STUDY.yaml`: only starts launch.tracking.workspace.

A script's own folder is first on sys.path; the project's folder is needed there instead.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from launch.tracking.workspace import main  # noqa: E402 - only importable once the path is right

if __name__ == "__main__":
    sys.exit(main())
