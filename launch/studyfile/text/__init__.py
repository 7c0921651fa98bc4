"""The YAML of a study: read strictly, and written on one line for messages."""
