"""Delayed match to sample: was the probe the stimulus that was shown before the delay?

A stimulus is one of four directions, given as a noisy vector (cos, sin) on two inputs for 5 ms. Then both inputs are
noise alone for the delay, and a probe of 5 ms follows, which matches in half of the trials. The answer is read after
the last step, so the first stimulus must be held through the delay.
"""

import math

import torch

from glifr.tasks import task_of_tensors

DIRECTIONS, SHOWN, DELAY, NOISE = 4, 5, 30, 0.3  # number; steps of 1 ms; standard deviation


def trials(seed, count, delay=DELAY):
    """Inputs [N,T,2] and whether the probe matches [N]."""
    generator = torch.Generator().manual_seed(seed)
    sample = torch.randint(DIRECTIONS, (count,), generator=generator)
    matches = torch.randint(2, (count,), generator=generator)
    other = torch.randint(1, DIRECTIONS, (count,), generator=generator)
    probe = torch.where(matches == 1, sample, (sample + other) % DIRECTIONS)
    silence = torch.zeros(count, delay, 2)
    inputs = torch.cat([_shown(sample), silence, _shown(probe)], 1)
    return inputs + NOISE * torch.randn(inputs.shape, generator=generator), matches


def _shown(direction):
    angle = 2 * math.pi * direction / DIRECTIONS
    return torch.stack([angle.cos(), angle.sin()], 1)[:, None].expand(-1, SHOWN, 2)


TASK, _ = task_of_tensors("delayed match", trials(1, 2000), trials(2, 500), trials(3, 2000), dt=1.0)
