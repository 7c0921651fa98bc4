"""Mirrors of the ledger: W&B (login, runs, back-fill, workspace), TensorBoard, MLflow, Optuna's SQLite.

Nothing waits for them.
"""
