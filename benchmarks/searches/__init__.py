"""Whole studies with a search in them, of networks that are a formula: how often do the tests err, by design?

The launcher's search code and Optuna choose the settings, the analysis judges what came of them. Not here: nulls
without a search (`analysis.simulation`).
"""
