"""Writes bumps.npz beside this file: is the bump in the first or in the second half of a noisy sequence?"""

from pathlib import Path

import numpy as np

COUNTS = {"train": 400, "validation": 100, "test": 200}
STEPS = 30


def main(folder: Path = Path(__file__).parent) -> None:
    """Writes the arrays of a small task of one's own."""
    random, arrays = np.random.default_rng(1), {}
    for split, count in COUNTS.items():
        late = random.integers(2, size=count)
        centre = random.integers(3, 12, size=count) + 15 * late
        bump = np.exp(-0.5 * ((np.arange(STEPS) - centre[:, None]) / 2) ** 2)
        arrays[f"{split}_inputs"] = (bump + 0.3 * random.standard_normal(bump.shape)).astype(np.float32)
        arrays[f"{split}_targets"] = late
    np.savez(folder / "bumps.npz", **arrays)


if __name__ == "__main__":
    main()
