"""What the launcher itself costs, and how it would use a large cluster."""
