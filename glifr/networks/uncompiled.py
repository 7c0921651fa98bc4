"""A network inside `torch.compile`: its kernels are compiled already, so what is around it is compiled alone.

Imported only while torch compiles: it loads the compiler.
"""

from __future__ import annotations

import torch

from glifr.networks.call import compute

compute_uncompiled = torch.compiler.disable(  # type: ignore[no-untyped-call]
    compute, reason="a network of neurons runs its own compiled kernels"
)
