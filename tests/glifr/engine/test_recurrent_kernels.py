"""The hand-written passes of the tanh network and the LSTM against the loops: outputs, last step, every gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glifr import recurrent
from glifr.equations import LSTMParameters, RNNParameters
from glifr.engine.cpu import memory
from glifr.kernels import cpu, lstm, tanh
from glifr.kernels.sequence import Recurrence
from glifr.networks import BNNFC, LSTMFC, RNNFC, forward_replicas
from glifr.networks.replicas import Network

pytestmark = pytest.mark.usefixtures("unwritten_memory_is_nan")

KINDS = ["rnn", "lstm"]
BACKENDS = ["torch", "cpu"]


class Case(NamedTuple):
    """Sizes and features of one sequence. read: what the loss reads."""

    kind: str
    steps: int = 7
    delay: int = 3
    replicas: int = 1
    batch: int = 3
    mask: str = "none"
    shared_input: bool = False
    inputs: int = 2
    hidden: int = 4
    read: str = "both"


def stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def leaves_of(case: Case, dtype: torch.dtype, seed: int) -> tuple[list[Tensor], Tensor | None]:
    """x and the parameters; the mask."""
    generator = stream(seed)
    R, B, T, I, H = case.replicas, case.batch, case.steps, case.inputs, case.hidden  # noqa: E741
    shapes: list[tuple[int, ...]] = [(1 if case.shared_input else R, B, T, I)]
    if case.kind == "rnn":
        shapes += [(R, I, H), (R, H, H), (R, 1, H)]
    else:
        shapes += [(R, 4 * H, I), (R, 4 * H, H), (R, 4 * H), (R, 4 * H)]
    drawn = [torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1 for shape in shapes]
    mask = None
    if case.mask == "neurons":
        mask = (torch.rand(R, 1, 1, H, generator=generator) > 0.4).to(dtype)
    elif case.mask == "dropout":
        mask = (torch.rand(R, B, T, H, generator=generator) > 0.4).to(dtype) / 0.6
    return [leaf.to(dtype).requires_grad_() for leaf in drawn], mask


def hidden_of(case: Case, backend: str, leaves: list[Tensor], mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """h of all steps [R,B,T,H] and of the last [R,B,H]."""
    x, *parameters = leaves
    if backend == "reference":
        if case.kind == "rnn":
            hidden = recurrent.trace_rnn(x, RNNParameters(*parameters), case.delay, mask)[0]
        else:
            hidden = recurrent.trace_lstm(x, LSTMParameters(*parameters), mask)[0]
        return hidden, hidden[:, :, -1]
    if backend == "cpu":
        recurrence = Recurrence("tanh", case.delay) if case.kind == "rnn" else Recurrence("lstm", 1)
        return cpu.run_hidden(recurrence, [*zip(*parameters, strict=True)], x, mask, (case.inputs, case.hidden))
    if case.kind == "rnn":
        units = recurrent.run_rnn(x, RNNParameters(*parameters), case.delay, mask)
    else:
        units = recurrent.run_lstm(x, LSTMParameters(*parameters), mask)
    return torch.cat(units.tiles, 1), units.last


def loss_of(case: Case, outputs: tuple[Tensor, Tensor], seed: int) -> Tensor:
    generator = stream(seed)
    drawn = [torch.randn(o.shape, generator=generator, dtype=torch.float64).to(o) for o in outputs]
    sums = [(w * o).sum() for w, o in zip(drawn, outputs, strict=True)]
    return {"all": sums[0], "last": sums[1], "both": sums[0] + sums[1]}[case.read]


def results(case: Case, backend: str, dtype: torch.dtype = torch.float64, seed: int = 0) -> list[Tensor]:
    """Outputs and gradients."""
    leaves, mask = leaves_of(case, dtype, seed)
    outputs = hidden_of(case, backend, leaves, mask)
    loss = loss_of(case, outputs, seed + 1)
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    return [*(o.detach() for o in outputs), *gradients]


def agree(case: Case, seed: int = 0) -> None:
    """In float64 in plain torch, in float32 in backend "cpu", which has no other."""
    exact = results(case, "reference", seed=seed)
    for found, wanted in zip(results(case, "torch", seed=seed), exact, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-11)
    for found, wanted in zip(results(case, "cpu", torch.float32, seed), exact, strict=True):
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=2e-5)


CASES = st.builds(
    Case,
    kind=st.sampled_from(KINDS),
    steps=st.integers(1, 13),
    delay=st.integers(1, 15),
    replicas=st.integers(1, 3),
    batch=st.integers(1, 4),
    mask=st.sampled_from(["none", "neurons", "dropout"]),
    shared_input=st.booleans(),
    inputs=st.integers(1, 3),
    hidden=st.integers(1, 5),
    read=st.sampled_from(["all", "last", "both"]),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(CASES)
def test_agrees_with_the_loop_at_any_size(case: Case) -> None:
    agree(case)


@pytest.mark.parametrize("read", ["all", "last"])
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case("rnn", steps=28, delay=20, batch=130, hidden=9), id="rnn: tiles, ragged block"),
        pytest.param(Case("rnn", steps=28, delay=1, batch=70, mask="dropout"), id="rnn: one step"),
        pytest.param(Case("rnn", steps=20, delay=20), id="rnn: one full block"),
        pytest.param(Case("rnn", steps=9, delay=500, mask="neurons"), id="rnn: delay far longer than the sequence"),
        pytest.param(Case("rnn", steps=9, delay=4, batch=70, mask="dropout", replicas=2), id="rnn: masks in tiles"),
        pytest.param(Case("lstm", steps=28, batch=70, hidden=9), id="lstm: long"),
        pytest.param(Case("lstm", steps=1, mask="dropout"), id="lstm: one step"),
        pytest.param(Case("lstm", steps=9, replicas=3, shared_input=True, mask="neurons"), id="lstm: one input, masks"),
    ],
)
def test_agrees_with_the_loop_at_the_edges(case: Case, read: str) -> None:
    agree(case._replace(read=read), seed=5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mask", ["none", "dropout"])
def test_gradcheck(kind: str, mask: str) -> None:
    case = Case(kind, steps=5, delay=2, batch=2, hidden=2, replicas=2, mask=mask)
    leaves, drawn = leaves_of(case, torch.float64, 0)
    assert torch.autograd.gradcheck(lambda *each: hidden_of(case, "torch", list(each), drawn), leaves)


def error(found: list[Tensor], exact: list[Tensor]) -> float:
    return max(float((f.double() - e).norm() / e.norm()) for f, e in zip(found, exact, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "network",
    [
        pytest.param(lambda **s: RNNFC(28, 40, 10, **s), id="rnn"),
        pytest.param(lambda **s: RNNFC(28, 40, 10, delay=1.0, **s), id="rnn, delay 20"),
        pytest.param(lambda **s: LSTMFC(28, 40, 10, **s), id="lstm"),
    ],
)
def test_float32_gradients_are_as_exact_as_the_loops(network: Any, backend: str) -> None:
    """Worst tensor, by norm, against the float64 loop: at most 3 times the float32 loop's own error, or 2e-6."""
    x, y = torch.randn(48, 28, 28, generator=stream(3), dtype=torch.float64), torch.arange(48) % 10

    def found(name: str, dtype: torch.dtype) -> list[Tensor]:
        made: Network = network(backend=name, generator=stream(0)).to(dtype)
        outputs = forward_replicas([made], x.to(dtype), readout="last")[0]
        torch.nn.functional.cross_entropy(outputs, y).backward()
        return [outputs.detach(), *(p.grad for p in made.parameters() if p.grad is not None)]

    exact = found("reference", torch.float64)
    loop = error(found("reference", torch.float32), exact)
    assert error(found(backend, torch.float32), exact) <= max(3 * loop, 2e-6)


# Bits


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def make(kind: str, seed: int, dropout: float = 0.0, **sizes: int) -> Network:
    hidden = sizes.get("hidden", 133)
    common: dict[str, Any] = {"dropout_prob": dropout, "backend": "cpu", "generator": stream(seed)}
    if kind == "lstm":
        return LSTMFC(5, hidden, 3, **common)
    return (RNNFC if kind == "rnn" else BNNFC)(5, hidden, 3, delay=0.35, **common)


def step(networks: list[Network], x: Tensor, y: Tensor, chosen: list[int], readout: Any) -> list[list[Tensor]]:
    """Outputs and gradients of each chosen network."""
    for r in chosen:
        networks[r].zero_grad()
        networks[r].dropout_generator = stream(100 + r)
    x = x[chosen].requires_grad_()
    outputs = forward_replicas([networks[r] for r in chosen], x, readout=readout)
    last = outputs if readout == "last" else outputs[:, :, -1] + outputs.mean(2)
    torch.stack(
        [torch.nn.functional.cross_entropy(o, y[r]) for o, r in zip(last, chosen, strict=True)]
    ).sum().backward()
    assert x.grad is not None
    return [
        [outputs[i].detach(), x.grad[i], *(p.grad for p in networks[r].parameters() if p.grad is not None)]
        for i, r in enumerate(chosen)
    ]


def same(found: list[Tensor], wanted: list[Tensor]) -> bool:
    return len(found) == len(wanted) and all(torch.equal(f, w) for f, w in zip(found, wanted, strict=True))


@pytest.mark.parametrize("kind", [*KINDS, "glifr"])
@pytest.mark.parametrize("sizes", [(65, 37), (70, 140), (6, 124)])
@pytest.mark.parametrize(("readout", "dropout"), [("last", 0.0), ("all", 0.3)])
def test_a_replica_has_the_bits_it_has_alone_on_any_number_of_threads(
    kind: str, dropout: float, sizes: tuple[int, int], readout: str, threads: None
) -> None:
    batch, hidden = sizes
    networks = [make(kind, seed, dropout, hidden=hidden) for seed in range(3)]
    x, y = torch.randn(3, batch, 9, 5, generator=stream(9)), torch.randint(3, (3, batch), generator=stream(8))
    torch.set_num_threads(1)
    together = step(networks, x, y, [0, 1, 2], readout)
    for r in range(3):
        assert same(step(networks, x, y, [r], readout)[0], together[r])
    torch.set_num_threads(2)
    assert same(step(networks, x, y, [1], readout)[0], together[1])
    assert all(same(a, b) for a, b in zip(step(networks, x, y, [0, 1, 2], readout), together, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_diverged_replica_shows_and_leaves_the_others_alone(kind: str) -> None:
    x, y = torch.randn(2, 6, 9, 5, generator=stream(9)), torch.zeros(2, 6, dtype=torch.long)
    wanted = step([make(kind, 0), make(kind, 1)], x, y, [0, 1], "all")
    sick = [make(kind, 0), make(kind, 1)]
    with torch.no_grad():
        next(sick[1].neuron_layer.parameters())[0, 0] = torch.nan
    found = step(sick, x, y, [0, 1], "all")
    assert same(found[0], wanted[0])
    assert found[1][0].isnan().any()
    assert any(gradient.isnan().any() for gradient in found[1][1:])


# Graphs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_several_forwards_before_one_backward_and_one_backward_twice(kind: str, backend: str) -> None:
    """Sizes at which buffers are used again; what is free is overwritten in between."""
    case = Case(kind, steps=30, delay=10, batch=64, hidden=64)
    wanted = [results(case, backend, torch.float32, seed) for seed in (1, 2)]
    made = [leaves_of(case, torch.float32, seed) for seed in (1, 2)]
    outputs = [hidden_of(case, backend, *each) for each in made]
    for seed, (leaves, _), mine, right in zip((1, 2), made, outputs, wanted, strict=True):
        loss = loss_of(case, mine, seed + 1)
        for _ in range(2):
            for buffers in memory._free.values():
                for buffer in buffers:
                    buffer.fill(torch.nan)
            assert same([*(o.detach() for o in mine), *torch.autograd.grad(loss, leaves, retain_graph=True)], right)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_kept_where_no_gradient_is_needed(kind: str) -> None:
    case = Case(kind)
    leaves, mask = leaves_of(case, torch.float64, 0)
    with torch.no_grad():
        found = hidden_of(case, "torch", leaves, mask)
    assert not found[0].requires_grad
    for without, wanted in zip(found, hidden_of(case, "torch", leaves, mask), strict=True):
        assert torch.equal(without, wanted.detach())


@pytest.mark.parametrize(("kind", "module"), [("rnn", tanh), ("lstm", lstm)])
def test_reading_the_last_step_makes_no_gradient_for_the_others(
    kind: str, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstreams: list[Tensor | None] = []
    original = module.BackwardScan.__init__

    def watched(self: Any, *args: Any, **named: Any) -> None:
        upstreams.append(args[4])
        original(self, *args, **named)

    monkeypatch.setattr(module.BackwardScan, "__init__", watched)
    networks = [make(kind, 0, hidden=7)]
    networks[0].backend = "torch"
    for readout in ("last", "all"):
        forward_replicas(networks, torch.randn(4, 9, 5), readout=readout).sum().backward()  # type: ignore[arg-type]
    assert upstreams[0] is None
    assert upstreams[1] is not None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_the_backend_of_the_network_is_the_one_that_runs(
    kind: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    ways = {
        f"glifr.networks.run_{kind}": (getattr(recurrent, f"run_{kind}"), "torch"),
        f"glifr.networks.trace_{kind}": (getattr(recurrent, f"trace_{kind}"), "reference"),
        "glifr.kernels.cpu.run_networks": (cpu.run_networks, "cpu"),
    }
    for place, (original, name) in ways.items():

        def watched(*args: Any, original: Any = original, name: str = name) -> Any:
            ran.append(name)
            return original(*args)

        monkeypatch.setattr(place, watched)
    network = RNNFC(3, 5, 2, backend=backend) if kind == "rnn" else LSTMFC(3, 5, 2, backend=backend)
    network(torch.randn(2, 6, 3))
    network(torch.randn(2, 6, 3), track=True)
    assert ran == [backend, "reference"]


def test_torchs_own_lstm_computes_the_same() -> None:
    """What CUDA may take for one network; here by torch's kernels for the CPU."""
    case = Case("lstm", steps=9)
    leaves, _ = leaves_of(case, torch.float64, 0)
    units = recurrent.lstm_of_torch(leaves[0], LSTMParameters(*leaves[1:]))
    outputs = (units.tiles[0], units.last)
    found = [*outputs, *torch.autograd.grad(loss_of(case, outputs, 1), leaves)]
    for mine, wanted in zip(found, results(case, "reference"), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(
    ("case", "taken"),
    [(Case("lstm"), True), (Case("lstm", mask="dropout"), False), (Case("lstm", replicas=2), False)],
)
def test_torchs_own_lstm_is_taken_for_one_network_without_masks(
    case: Case, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurrent, "_cudnn_takes", lambda x: True)
    leaves, mask = leaves_of(case, torch.float64, 0)
    hidden, _ = hidden_of(case, "torch", leaves, mask)
    assert ("_BlockedBackward" not in _names(hidden.grad_fn)) == taken


def _names(node: Any) -> set[str]:
    """Of all nodes of a graph."""
    seen, waiting = set(), [node]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [before for before, _ in node.next_functions]
    return {node.name() for node in seen}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("case", [Case("rnn"), Case("lstm"), Case("lstm", mask="dropout"), Case("lstm", replicas=3)])
def test_cuda_agrees_with_the_cpu(case: Case) -> None:
    leaves, mask = leaves_of(case, torch.float64, 0)
    there = [leaf.detach().cuda().requires_grad_() for leaf in leaves]
    outputs = hidden_of(case, "torch", there, None if mask is None else mask.cuda())
    torch.cat([o.flatten() for o in outputs]).square().sum().backward()
    here = hidden_of(case, "torch", leaves, mask)
    torch.cat([o.flatten() for o in here]).square().sum().backward()
    for found, wanted in zip([*outputs, *(t.grad for t in there)], [*here, *(t.grad for t in leaves)], strict=True):
        torch.testing.assert_close(found.cpu(), wanted, rtol=1e-10, atol=1e-11)  # type: ignore[union-attr]
