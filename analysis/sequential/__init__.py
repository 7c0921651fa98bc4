"""Looks: the planned family judged on the way, so that a study adds seeds until it is decided and errs no more often.

`spending` has the boundaries, `futility` the chance of a verdict still to come, `family` what is judged and on which
values, `judge` one look, `results` the looks in a report, `reach` what a first look could decide at all.
`python -m analysis.sequential FOLDER` judges the next look of a results folder: the launcher calls it and keeps the
record. How single tests and verdicts are made is in `analysis.statistics`.
"""
