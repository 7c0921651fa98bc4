"""Sections of a study and rules of one subject, each in a file of its own; rules between subjects are in `checks`."""
