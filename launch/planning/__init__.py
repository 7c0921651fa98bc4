"""Plans a study before anything starts: the units to run, their time, and what fits where. No Ray, Optuna or W&B."""
