"""Files of tensors: checkpoints, trained networks, and loading them again. Needs torch, unlike the records."""
