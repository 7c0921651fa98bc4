"""What is done to studies to see whether they survive it. `python -m chaos` in the folder `tests` does it in full."""
