"""What the user sees in the terminal: the plan, progress, `--status`, and the end of a session."""
