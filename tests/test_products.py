"""Products and readout of backend "cpu": right, and the same bits on any number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from glifr.kernels.products import looped
from glifr.kernels.readout import affine


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def draw(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("rows", "inner", "columns"),
    [(6, 64, 256), (600, 124, 1), (600, 1, 124), (5, 1280, 48), (65, 16, 37), (124, 600, 128), (64, 1100, 48)],
)
def test_threads_do_not_change_a_bit(rows: int, inner: int, columns: int, transposed: bool, threads: None) -> None:
    left = draw(2, inner, rows).transpose(1, 2) if transposed else draw(2, rows, inner)
    right, found = draw(2, inner, columns), []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(torch.cat([looped(left, right), looped(left, right, torch.empty(2, rows, columns))]))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    torch.testing.assert_close(found[0], torch.cat([left @ right] * 2), rtol=1e-4, atol=1e-4)


def test_operands_may_have_gaps() -> None:
    left, right = draw(2, 20, 100)[..., :90], draw(2, 90, 40)[..., :37]
    torch.testing.assert_close(looped(left, right), left @ right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("outputs", [1, 10, 16, 17])
@pytest.mark.parametrize("rows", [3, 50])
def test_readout_is_linear(outputs: int, rows: int) -> None:
    tensors = [
        draw(2, rows, 24, dtype=torch.float64)[..., :21].requires_grad_(),
        draw(2, outputs, 21, dtype=torch.float64).requires_grad_(),
        draw(2, outputs, dtype=torch.float64).requires_grad_(),
    ]
    x, weight, bias = tensors
    found, wanted = affine(x, weight, bias), x @ weight.transpose(1, 2) + bias.unsqueeze(1)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    upstream = draw(2, rows, outputs, dtype=torch.float64)
    pairs = zip(
        torch.autograd.grad(found, tensors, upstream), torch.autograd.grad(wanted, tensors, upstream), strict=True
    )
    for mine, right in pairs:
        torch.testing.assert_close(mine, right, rtol=1e-12, atol=1e-12)


def test_readout_computes_only_the_gradients_asked_for() -> None:
    x, weight, bias = draw(1, 20, 8), draw(1, 3, 8).requires_grad_(), draw(1, 3)
    affine(x, weight, bias).sum().backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, x.sum(1, keepdim=True).expand(1, 3, 8))
    assert x.grad is None
    assert bias.grad is None
