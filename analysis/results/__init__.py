"""Reads a results folder or a pack of one into tidy tables and summaries of conditions. Judges nothing."""
