"""Studies without any effect, drawn in ways that the methods do not assume: do they err as often as they say?

`python -m analysis.simulation`. Studies with a search in them are not here: they need the launcher
(`benchmarks.searches`).
"""
