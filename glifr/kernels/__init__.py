"""The hand-written Triton scan of GLIFR layers, until it is generated like the CPU's (`glifr.engine`)."""
