"""What a machine with a GPU must show before any of its numbers count; skipped where there is none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from engine_cases import MODELS, EngineCase, agrees, error, make, outputs_and_gradients
from torch import Tensor

from glifr.engine import cuda, portable, reference
from glifr.engine.backends import choose_backend
from glifr.engine.sequence import SequenceInput, SequenceResult
from glifr.networks import BNNFC, forward_replicas

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def moved(value: Any) -> Any:
    """A tensor on the GPU, through which gradients flow back; tuples of them; anything else as it is."""
    if isinstance(value, Tensor):
        return value.cuda()
    return type(value)(*(moved(each) for each in value)) if hasattr(value, "_fields") else value


def on_gpu(run: Any) -> Any:
    """`run` with tensors that come from the CPU and go back there."""

    def there(sequence: SequenceInput) -> SequenceResult:
        result = run(moved(sequence))
        return SequenceResult(result.sent.cpu(), type(result.final)(*(t.cpu() for t in result.final)))

    return there


CASES = [
    EngineCase(steps=28, delay=20, batch=37, hidden=252, inputs=28),
    EngineCase("glifr 0", steps=12, delay=1, hidden=33, batch=65),
    EngineCase(steps=63, delay=500, hidden=65, batch=9, mask="dropout", stored=True),
    EngineCase("glifr 3", steps=9, delay=4, replicas=3, batch=5, mask="neurons", initial=True, history=True),
    EngineCase(steps=1, delay=1, initial=True, history=True, mask="dropout", shared_input=True, replicas=2),
    EngineCase(steps=31, delay=10, replicas=8, batch=256, hidden=252, mask="dropout"),  # programs of 128 elements
    EngineCase("lstm", steps=28, delay=1, batch=64, hidden=122, inputs=28),  # cuDNN's
    *(EngineCase(m, steps=9, delay=4, replicas=2, initial=True, history=True, mask="dropout") for m in MODELS),
]


@pytest.mark.usefixtures("unwritten_memory_is_nan")
@pytest.mark.parametrize("case", CASES)
def test_triton_agrees_with_the_loop(case: EngineCase) -> None:
    agrees(on_gpu(cuda.run), case)


@pytest.mark.parametrize("case", CASES)
def test_the_same_blocks_in_plain_torch_agree_in_float64(case: EngineCase) -> None:
    found = outputs_and_gradients(on_gpu(portable.run), case)
    assert error(found, outputs_and_gradients(reference.run, case)) <= 1e-10


@pytest.mark.parametrize("case", CASES)
def test_two_runs_give_the_same_bits(case: EngineCase) -> None:
    """On one machine with one stream; cuBLAS promises no more."""
    first, second = (outputs_and_gradients(on_gpu(cuda.run), case, dtype=torch.float32) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_diverged_replica_shows_and_leaves_the_others_alone(value: float) -> None:
    case = EngineCase(steps=9, delay=4, replicas=2, hidden=40)
    (healthy, leaves), (sick, broken) = make(case, dtype=torch.float32), make(case, dtype=torch.float32)
    with torch.no_grad():
        broken[2][1, 3, 3] = value
    wanted, found = on_gpu(cuda.run)(healthy).sent, on_gpu(cuda.run)(sick).sent
    wanted.sum().backward()
    found.sum().backward()
    assert torch.equal(found[0], wanted[0])
    assert found[1].isnan().any()
    for mine, theirs in zip(broken[1:4], leaves[1:4], strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert torch.equal(mine.grad[0], theirs.grad[0])
        assert not mine.grad[1].isfinite().all()


def test_auto_takes_triton() -> None:
    assert choose_backend("auto", "cuda") == "triton"


def steps_of_training(network: BNNFC, x: Tensor, y: Tensor, count: int) -> list[float]:
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(forward_replicas([network], x, readout="last")[0], y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_training_takes_the_course_it_takes_in_plain_torch() -> None:
    x, y = torch.randn(64, 28, 28).cuda(), torch.randint(10, (64,)).cuda()
    courses = {
        backend: steps_of_training(
            BNNFC(28, 60, 10, delay=1.0, backend=backend, generator=torch.Generator().manual_seed(0)).cuda(), x, y, 20
        )
        for backend in ("torch", "triton")
    }
    torch.testing.assert_close(courses["triton"], courses["torch"], rtol=1e-4, atol=1e-5)


def test_a_pass_can_be_captured_as_a_graph() -> None:
    network = BNNFC(28, 60, 10, delay=1.0, backend="triton").cuda()
    x = torch.randn(16, 28, 28, device="cuda")

    def step() -> Tensor:
        loss = forward_replicas([network], x, readout="last")[0].square().sum()
        gradients = torch.autograd.grad(loss, [p for p in network.parameters() if p.requires_grad])
        return torch.cat([g.flatten() for g in gradients])

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    x.copy_(torch.randn(16, 28, 28))
    graph.replay()
    torch.testing.assert_close(captured, step(), rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_a_device_that_is_not_the_current_one() -> None:
    network = BNNFC(3, 5, 2, delay=0.1, backend="triton").to("cuda:1")
    x = torch.randn(2, 6, 3)
    found = network(x.to("cuda:1")).cpu()
    network.cpu().backend = "reference"
    torch.testing.assert_close(found, network(x), rtol=1e-5, atol=1e-6)


def test_more_numbers_than_32_bits_can_count() -> None:
    """Firing of 22 replicas of pixel MNIST passes 2^31 numbers; the last replica is what it is alone."""
    if torch.cuda.mem_get_info()[0] < 48 * 2**30:
        pytest.skip("needs 48 GiB of free memory on the device")
    R, B, T, H = 22, 512, 784, 252
    assert R * B * T * H > 2**31
    generator = torch.Generator(device="cuda").manual_seed(0)

    def draw(*shape: int, scale: float = 0.1) -> Tensor:
        return scale * torch.rand(shape, generator=generator, device="cuda")

    model = MODELS["glifr 2"]
    shapes = [(R, 1, H) if p.count is None else (p.count, R, 1, H) for p in model.parameters]
    values = model.Parameters(*(0.1 + draw(*shape) for shape in shapes))
    sequence = SequenceInput(
        model, draw(1, B, T, 1, scale=1.0), draw(R, 1, H), draw(R, H, H, scale=0.01), values, model.defaults(), 300
    )
    last = model.Parameters(*(p[..., -1:, :, :] for p in values))
    one = sequence._replace(weight_in=sequence.weight_in[-1:], weight_lat=sequence.weight_lat[-1:], parameters=last)
    with torch.no_grad():
        alone, together = cuda.run(one).final, cuda.run(sequence).final
    torch.testing.assert_close(together.firing[-1:], alone.firing, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(together.ascurrents[:, -1:], alone.ascurrents, rtol=1e-4, atol=1e-5)
