"""Products, packing and readout of backend "cpu": right, and the same bits on any number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from glifr.errors import InputError
from glifr.kernels import readout_cpu, weights_cpu
from glifr.kernels.moves import DECAY, MULTIPLIER, Move, Side, View, move, table_of
from glifr.kernels.pack_cpu import packer
from glifr.kernels.padding import width_for
from glifr.kernels.products_cpu import multiply, multiply_across
from glifr.kernels.sizes_cpu import Back, Sizes, Totals
from glifr.kernels.unpack_cpu import unpacker
from glifr.networks import BNNFC
from glifr.parameters import read_decay, read_multiplier

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
    panels, wanted = packed(right[0]), left.double() @ right.double()
    for add in (0, 1):
        result.copy_(before)
        multiply(place(left), panels.data_ptr(), place(result), samples, rows, terms, columns, add)
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
    panels, whole = packed(right[0]), torch.empty(1, 40, 64)
    multiply(place(left), panels.data_ptr(), place(whole), 1, 40, 700, 64, 0)
    for rows in (1, 3, 7):
        part = torch.empty(1, rows, 64)
        multiply(place(left[:, 5:]), panels.data_ptr(), place(part), 1, rows, 700, 64, 0)
        assert torch.equal(part, whole[:, 5 : 5 + rows])


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("hidden", [3, 16, 37])
def test_packing_widens_every_gate_and_unpacking_brings_it_home(hidden: int, swapped: bool, transposed: bool) -> None:
    width, ours = -(-hidden // 16) * 16, [0, 1, 3, 2] if swapped else [0, 1, 2, 3]
    source, wide = draw(hidden, 4 * hidden), torch.zeros(width, 4, width)
    wide[:hidden, :, :hidden] = source.unflatten(1, (4, hidden))[:, ours]
    wanted = wide.flatten(1)
    sides = Side(hidden, width), Side(hidden, width, 4)
    view = View(4 * hidden, 1, 0, hidden, swapped)
    if transposed:
        found = packed_by(move(view.transposed, sides[1], sides[0], 0), source, wanted.numel())
        assert torch.equal(found, wanted.T.unflatten(1, (-1, 16)).transpose(0, 1).flatten())
        return
    found = packed_by(move(view, *sides, 0), source, wanted.numel())
    assert torch.equal(found, wanted.unflatten(1, (-1, 16)).transpose(0, 1).flatten())
    groups, home = draw(3, width, 4 * width), torch.empty_like(source)
    there = move(view, *sides, groups.data_ptr())._replace(groups=3, group=4 * groups[0].numel())
    unpacker(table_of([there._replace(parameter=home.data_ptr())], [1])).run()
    total = (groups[0] + groups[1]) + groups[2]
    assert torch.equal(home, total.unflatten(1, (4, width))[:hidden, ours, :hidden].flatten(1))


def packed_by(line: Move, source: Tensor, numbers: int) -> Tensor:
    """What a move makes of a parameter."""
    found = torch.empty(numbers)
    packer(table_of([line._replace(parameter=source.data_ptr())], [1]), found).run()
    return found


def packed(right: Tensor) -> Tensor:
    """[K,N], as products read it."""
    terms, columns = right.shape
    line = move(View(columns, 1), Side(terms, terms), Side(columns, width_for(columns)), 0)
    return packed_by(line, right, terms * width_for(columns))


READ = {DECAY: read_decay, MULTIPLIER: read_multiplier}


@pytest.mark.parametrize("how", [DECAY, MULTIPLIER])
@pytest.mark.parametrize("hidden", [5, 16, 35])
def test_stored_parameters_are_read_as_parameters_py_reads_them(how: int, hidden: int) -> None:
    stored = (4 * draw(1, hidden)).requires_grad_()
    exact = stored.detach().double().requires_grad_()
    upstream, width = draw(1, width_for(hidden)), width_for(hidden)
    READ[how](exact).backward(upstream[:, :hidden].double())
    line = move(View(0, 1), Side(1, 1), Side(hidden, width), 0, how)
    read = packed_by(line, stored, width)
    torch.testing.assert_close(read[:hidden].double(), READ[how](exact.detach())[0], rtol=4e-7, atol=1e-7)
    assert not read[hidden:].any()  # whatever would be read from zero: a padded neuron has zeros
    found = torch.empty_like(stored)
    home = line._replace(parameter=found.data_ptr(), second=read.data_ptr(), place=upstream.data_ptr(), groups=1)
    unpacker(table_of([home], [1])).run()
    assert exact.grad is not None
    torch.testing.assert_close(found.double(), exact.grad, rtol=1e-5, atol=1e-6)


def test_a_parameter_that_does_not_fit_is_refused_before_its_memory_is_read() -> None:
    network = BNNFC(3, 5, 2, backend="cpu")
    network.neuron_layer.thresh = torch.nn.Parameter(torch.zeros(1, 4))
    with pytest.raises(InputError, match=r"(?s)a parameter does not fit its network.*\(1, 5\)"):
        network(torch.zeros(2, 4, 3))
    network = BNNFC(3, 5, 2, backend="cpu")
    network.neuron_layer.a_j.data = network.neuron_layer.a_j.data.double()
    with pytest.raises(InputError, match=r"(?s)a parameter does not fit its network.*float64"):
        network(torch.zeros(2, 4, 3))


def test_parameters_may_lie_in_memory_as_they_like() -> None:
    network = BNNFC(3, 5, 2, backend="cpu", delay=0.1, generator=torch.Generator().manual_seed(1))
    x = draw(2, 4, 3)
    wanted = torch.autograd.grad(network(x).sum(), [*network.parameters()])
    for parameter in network.parameters():
        parameter.data = torch.stack([parameter.data, parameter.data], -1)[..., 0]
    found = torch.autograd.grad(network(x).sum(), [*network.parameters()])
    assert all(torch.equal(f, w) for f, w in zip(found, wanted, strict=True))


@pytest.mark.parametrize("outputs", [1, 10, 16, 17])
@pytest.mark.parametrize("rows", [3, 50, 600])
@pytest.mark.parametrize("replicas", [1, 2])
def test_readout_is_linear(outputs: int, rows: int, replicas: int, threads: None) -> None:
    hidden = 21
    h, upstream = torch.zeros(replicas, rows, width_for(hidden)), draw(replicas, rows, outputs)
    h[..., :hidden] = draw(replicas, rows, hidden)
    weights = [each for r in range(replicas) for each in (draw(outputs, hidden) + r, draw(outputs) - r)]
    exact = [t.double().requires_grad_() for t in (h[..., :hidden], *weights)]
    wanted = torch.stack([exact[0][r] @ exact[1 + 2 * r].T + exact[2 + 2 * r] for r in range(replicas)])
    each_exact = [wanted, *torch.autograd.grad(wanted, exact, upstream.double())]
    sizes = Sizes("tanh", replicas, 1, hidden, 0, outputs, stored=True)
    recurrent = [torch.zeros(1, hidden), torch.zeros(hidden, hidden), torch.zeros(1, hidden)]
    parameters = [p for r in range(replicas) for p in (*recurrent, *weights[2 * r : 2 * r + 2])]
    each = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        read, packing = weights_cpu.pack(sizes, parameters, Back(False, False, True))
        y, reading = readout_cpu.forward(sizes, read, h)
        g_h, totals, going_back = readout_cpu.backward(sizes, read, h, upstream, True)
        wanted_ones = replicas * [False, False, False, True, True]
        shapes = [p.shape for p in parameters]
        gradients, unpacking = weights_cpu.unpack(sizes, Totals(None, totals), read.others, shapes, wanted_ones)
        assert g_h is not None
        assert unpacking is not None
        for job in (packing, reading, going_back, unpacking):
            job.run()
        found = [y, g_h[..., :hidden], *(g for g in gradients if g is not None)]
        each.append(found)
    for mine, right in zip(each[0], each_exact, strict=True):
        torch.testing.assert_close(mine.double(), right, rtol=1e-4, atol=1e-4)
    assert all(torch.equal(a, b) for other in each[1:] for a, b in zip(each[0], other, strict=True))
    assert readout_cpu.backward(sizes, read, h, upstream, False)[0] is None
