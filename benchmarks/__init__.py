"""How fast, and how large: every backend beside the plain loop and other libraries. `python -m benchmarks`."""
