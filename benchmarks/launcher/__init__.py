"""The cost of the launcher itself, and its use of a large cluster."""
