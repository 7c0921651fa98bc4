"""Mirrors of the ledger: W&B (login, runs, back-fill, workspace) and Optuna's SQLite. Nothing waits for them."""
