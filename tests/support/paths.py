"""Where the project and its tests lie, for tests in any room."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT, SUPPORT, GOLDEN = TESTS.parent, TESTS / "support", TESTS / "golden"
SHARED = ROOT.parent / "shared"
