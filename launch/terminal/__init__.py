"""Terminal output: the plan, progress, `--status`, and the end of a session."""
