"""Products, packing and readout of backend "cpu": right, and the same bits on any number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from glifr.kernels.pack_cpu import Side, pack, pack_plain
from glifr.kernels.products_cpu import multiply, multiply_across
from glifr.kernels.readout import affine

pytestmark = pytest.mark.usefixtures("unwritten_memory_is_nan")


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def draw(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


def close(found: Tensor, exact: Tensor) -> None:
    torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=2e-5)


def place(tensor: Tensor) -> tuple[int, int, int]:
    """Address and distances in bytes of [samples,rows,columns]."""
    return tensor.data_ptr(), 4 * tensor.stride(1), 4 * tensor.stride(0)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("rows", [1, 2, 3, 8, 15, 20])
@pytest.mark.parametrize(("terms", "columns"), [(1, 16), (28, 48), (511, 32), (1100, 16)])
def test_a_product_with_gaps_between_rows_and_samples(samples: int, rows: int, terms: int, columns: int) -> None:
    left, right = draw(samples, rows + 2, terms + 3)[:, 1:-1, :terms], draw(1, terms, columns)
    result, before = draw(samples, rows + 1, columns + 5), draw(samples, rows + 1, columns + 5)
    packed, wanted = pack_plain(right), left.double() @ right.double()
    for add in (0, 1):
        result.copy_(before)
        multiply(place(left), packed.data_ptr(), place(result), samples, rows, terms, columns, add)
        close(result[:, :rows, :columns], wanted + add * before[:, :rows, :columns].double())
        assert torch.equal(result[:, rows:], before[:, rows:])
        assert torch.equal(result[:, :, columns:], before[:, :, columns:])


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("terms", [1, 20])
@pytest.mark.parametrize(("rows", "columns"), [(1, 16), (3, 48), (8, 32), (21, 64)])
def test_a_product_summed_over_samples(samples: int, terms: int, rows: int, columns: int) -> None:
    left, right = draw(samples, terms + 1, rows)[:, :terms], draw(samples, terms + 2, columns)[:, 2:]
    total = draw(rows, columns)
    exact = total.double() + torch.einsum("stk,stn->kn", left.double(), right.double())
    multiply_across(place(left), place(right), samples, terms, rows, columns, total.data_ptr())
    close(total, exact)


def test_a_number_has_the_bits_it_has_in_any_tile() -> None:
    left, right = draw(1, 40, 700), draw(1, 700, 64)
    packed, whole = pack_plain(right), torch.empty(1, 40, 64)
    multiply(place(left), packed.data_ptr(), place(whole), 1, 40, 700, 64, 0)
    for rows in (1, 3, 7):
        part = torch.empty(1, rows, 64)
        multiply(place(left[:, 5:]), packed.data_ptr(), place(part), 1, rows, 700, 64, 0)
        assert torch.equal(part, whole[:, 5 : 5 + rows])


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("hidden", [3, 16, 37])
def test_packing_widens_every_gate(hidden: int, transposed: bool) -> None:
    width = -(-hidden // 16) * 16
    wide = torch.zeros(2, width, 4, width)
    source = draw(2, hidden, 4 * hidden)
    wide[:, :hidden, :, :hidden] = source.unflatten(2, (4, hidden))
    wanted, sides = wide.flatten(2), (Side(hidden, width), Side(hidden, width, 4))
    if transposed:
        source, wanted, sides = source.transpose(1, 2), wanted.transpose(1, 2), (sides[1], sides[0])
    assert torch.equal(pack(source, *sides), wanted.unflatten(2, (-1, 16)).transpose(1, 2))


@pytest.mark.parametrize("outputs", [1, 10, 16, 17])
@pytest.mark.parametrize("rows", [3, 50, 600])
@pytest.mark.parametrize("replicas", [1, 2])
def test_readout_is_linear(outputs: int, rows: int, replicas: int, threads: None) -> None:
    tensors = [
        draw(replicas, rows, 24)[..., :21].requires_grad_(),
        draw(replicas, outputs, 21).requires_grad_(),
        draw(replicas, outputs).requires_grad_(),
    ]
    x, weight, bias = (t.double() for t in tensors)
    wanted, upstream = x @ weight.transpose(1, 2) + bias.unsqueeze(1), draw(replicas, rows, outputs)
    exact = [wanted, *torch.autograd.grad(wanted, tensors, upstream.double())]
    each = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found = affine(*tensors)
        each.append([found, *torch.autograd.grad(found, tensors, upstream)])
    for mine, right in zip(each[0], exact, strict=True):
        torch.testing.assert_close(mine.double(), right.double(), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(a, b) for other in each[1:] for a, b in zip(each[0], other, strict=True))


def test_readout_computes_no_gradient_of_rows_that_need_none() -> None:
    x, weight, bias = draw(1, 20, 8), draw(1, 3, 8).requires_grad_(), draw(1, 3)
    affine(x, weight, bias).sum().backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, x.sum(1, keepdim=True).expand(1, 3, 8))
    assert x.grad is None
