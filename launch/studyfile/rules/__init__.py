"""Rules that join keys of one section, each in a file of its own; `checks` has those between sections."""
