"""What is timed, and how: cases and peers, steps and epochs, memory and growth, behind a gate of correctness."""
