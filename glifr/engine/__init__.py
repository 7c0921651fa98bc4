"""How a sequence of neurons is computed, whatever the neuron: traced, differentiated, planned, compiled, run.

No equation of a neuron stands here (`glifr.neurons`), and no network: readout, dropout, silencing (`glifr.networks`).
"""
