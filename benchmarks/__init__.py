"""Speed and memory of every backend beside the plain loop and other libraries: `python -m benchmarks`."""
