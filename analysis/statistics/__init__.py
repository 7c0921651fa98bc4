"""Estimators, intervals, tests and the verdict that they allow, as functions of numbers and tables.

Nothing here reads a file of a study or writes a sentence of the report.
"""
