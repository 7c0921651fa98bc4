"""What will run, how long it takes and what fits where, before anything starts. Imports no Ray, Optuna or W&B."""
