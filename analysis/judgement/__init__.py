"""Interprets the numbers of a study: warnings, findings, fairness, sample size, the answer in one sentence."""
