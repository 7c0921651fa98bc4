"""Decides which job runs next: the study, each condition, its Optuna search, the states of units.

Decides alone: it neither executes (executors, workers) nor imports Ray, W&B or torch.
"""
