"""A network inside `torch.compile`: its kernels are compiled already, so what is around it is compiled alone.

`torch.export` with strict=True reads a network's Python as `torch.compile` does, and can leave nothing out. It stops
with the reason below: a neuron model is checked and traced in Python that Dynamo cannot read. With strict=False,
torch's default, the same operations are recorded.

Imported only while torch compiles: it loads the compiler.
"""

from __future__ import annotations

import torch

from glifr.networks.call import compute

compute_uncompiled = torch.compiler.disable(  # type: ignore[no-untyped-call]
    compute, reason="a network of neurons runs its own compiled kernels; torch.export takes it with strict=False"
)
