"""Matrix products over replicas on the CPU, one replica at a time, so that a replica's bits are its own.

Large products go to oneDNN by a private operator of torch: on some processors it is faster than the MKL behind
`torch.mm`. Products of few rows, or of columns that do not fill vectors, go there too: MKL divides them among the
threads so that bits depend on how many there are, oneDNN does not. Where the operator is missing or refuses, all go to
`mm`. Long sums, as of weight gradients, are cut into parts that the caches hold and that are added in their order. What
is chosen depends on the shape of one replica's product alone.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

_LARGE, _LEAST_INNER = 2**23, 64  # multiplications from which, and inner size from which, oneDNN was measured to win
_PART = 512  # terms summed at once
VECTOR = 16  # with fewer rows, or columns beside multiples of these, MKL rounds by how it divides them


def looped(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """left [R or 1,n,K] times right [R,K,N]: [R,n,N], written to `out` where given (and contiguous)."""
    if len(right) == 1:
        found = _product(left[0], right[0], None if out is None else out[0])
        return found.unsqueeze(0) if out is None else out
    lefts = left.unbind(0) if len(left) == len(right) else [left[0]] * len(right)
    if out is None:
        return torch.stack([_product(one, other, None) for one, other in zip(lefts, right.unbind(0), strict=True)])
    for one, other, place in zip(lefts, right.unbind(0), out.unbind(0), strict=True):
        _product(one, other, place)
    return out


def _product(left: Tensor, right: Tensor, out: Tensor | None) -> Tensor:
    if _suits_onednn(left, right, out) and _onednn_works():
        found = _onednn(left, right)
        return found if out is None else out.copy_(found)
    if left.stride(1) == 1 or left.shape[1] <= _PART:
        return torch.mm(left, right) if out is None else torch.mm(left, right, out=out)
    parts = zip(torch.split(left, _PART, 1), torch.split(right, _PART), strict=True)
    total = torch.mm(*next(parts), out=out)
    for columns, rows in parts:
        total.addmm_(columns, rows)
    return total


def _suits_onednn(left: Tensor, right: Tensor, out: Tensor | None) -> bool:
    (rows, inner), columns = left.shape, right.shape[1]
    if left.dtype != torch.float32:
        return False
    if rows < VECTOR or columns % VECTOR:
        return True
    # a left matrix that lies transposed would be copied, a result that has its place too
    plain = out is None and left.stride(1) == 1
    return plain and inner >= _LEAST_INNER and rows * inner * columns >= _LARGE


def _onednn(left: Tensor, right: Tensor) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(_dense(left), _dense(right).t(), None, "none", [], "")
    return result


def _dense(matrix: Tensor) -> Tensor:
    """A matrix without gaps: with them oneDNN takes hundreds of times as long."""
    return matrix if matrix.is_contiguous() or matrix.t().is_contiguous() else matrix.contiguous()


@cache
def _onednn_works() -> bool:
    """Whether the operator is there and computes a product, in float32."""
    if torch.get_float32_matmul_precision() != "highest" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    left, right = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(3, 4)
    try:
        return torch.equal(_onednn(left, right), left @ right)
    except (AttributeError, RuntimeError, TypeError, NotImplementedError):
        return False
