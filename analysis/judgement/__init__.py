"""What the numbers of a study mean: warnings, findings, fairness, sample size, the answer in one sentence."""
