"""The scans of any neuron model, compiled for this processor by numba's LLVM. No matrix products: those are torch's."""
