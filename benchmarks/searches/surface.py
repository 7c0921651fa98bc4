"""The performance of a network as a formula of its hyperparameters, epochs and luck.

The logarithm of a network's error is a bowl over log learning rate and log weight spread, plus noise of its own. Its
constants are set by what real studies of this project showed:

- over all trials of GLIFR conditions, log learning rate and log weight spread explain 94 % of the log loss; here, where
  the conditions do not differ, 98 %;
- a quick study's two searches of one and the same network ended at learning rates a factor of four apart, with 31 % and
  23 % of errors (Hom, HomA), and the first network trained at the second's learning rate came to 21 %: 0.40 in the
  logarithm of the error for 0.6 decades, so about 1 per square decade;
- the published networks of one GLIFR condition on line-by-line MNIST spread by 0.13 to 0.23 points of accuracy at 6 %
  of errors: 0.03 in the logarithm. With a quick study's budget the luck of the search is then four times that noise.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

FULL_EPOCHS = 30  # those of the confirm and final stages
LEAST_ERROR = 0.06  # of a mean network at the best settings
NOISE = 0.03  # standard deviation of the log error between networks after all epochs
_PER_DECADE = 1.0  # of the learning rate, squared
_PER_OCTAVE = 0.08  # of the weight spread, squared
_EARLY = 0.15  # decades by which a training of a third of the epochs favours higher learning rates
_LOSS_OF_ERROR = 3.3  # validation loss over error, as of networks at 94 %
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Surface:
    """rate, spread: where the best settings lie, log10 of the learning rate and log2 of the weight spread.

    other: how much the log error grows per square octave of the neuron and after-spike spreads.
    """

    rate: float = -2.8
    spread: float = 0.2
    other: float = 0.0

    def log_excess(self, hyperparameters: Mapping[str, float], epochs: int = FULL_EPOCHS) -> float:
        """How far the settings are from the best, in the logarithm of the error; 0 at the best after all epochs."""
        early = _EARLY * 1.5 * (1 - epochs / FULL_EPOCHS)
        found = _PER_DECADE * (math.log10(hyperparameters["learning_rate"]) - self.rate - early) ** 2
        found += _PER_OCTAVE * (math.log2(hyperparameters["weight_spread"]) - self.spread) ** 2
        for name in ("neuron_spread", "after_spike_spread"):
            found += self.other * math.log2(hyperparameters.get(name, 1.0)) ** 2
        return found

    def error(self, hyperparameters: Mapping[str, float], epochs: int, luck: float) -> float:
        """The share of errors of one network; luck: standard normal, its own. Short trainings are noisier."""
        short = FULL_EPOCHS / epochs
        log = self.log_excess(hyperparameters, epochs) + 0.5 * math.log(short) + NOISE * math.sqrt(short) * luck
        return min(0.9, LEAST_ERROR * math.exp(log))

    def loss(self, hyperparameters: Mapping[str, float], epochs: int, luck: float) -> float:
        """The validation loss that goes with `error`."""
        return _LOSS_OF_ERROR * self.error(hyperparameters, epochs, luck)

    def regret(self, hyperparameters: Mapping[str, float]) -> float:
        """Accuracy that a mean network at these settings misses of one at the best."""
        return LEAST_ERROR * (math.exp(self.log_excess(hyperparameters)) - 1)


def luck_of(*parts: int | str) -> float:
    """A standard normal draw that depends on all parts: study, unit and seed."""
    bits = int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "big") >> 12
    return _NORMAL.inv_cdf((bits + 0.5) / 2**52)
