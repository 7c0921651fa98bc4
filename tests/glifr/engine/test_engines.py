"""What every engine promises for every neuron model, as one contract; and what the portable engine alone can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from engine_cases import MODELS, EngineCase, agrees, any_case, error, make, outputs_and_gradients, same
from hypothesis import given, settings
from torch import Tensor

from glifr.engine import portable, reference
from glifr.engine.backends import RUN
from glifr.engine.sequence import SequenceInput, SequenceResult

pytestmark = pytest.mark.usefixtures("unwritten_memory_is_nan")
ANY = any_case(steps=40, delay=45, batch=40, inputs=5, hidden=40)


class Engine(NamedTuple):
    """exact: a replica's bits are its own, on any number of threads."""

    run: Callable[[SequenceInput], SequenceResult]
    exact: bool = False


ENGINES = {"reference": Engine(RUN["reference"]), "torch": Engine(RUN["torch"]), "cpu": Engine(RUN["cpu"], exact=True)}


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=ENGINES, scope="module")
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


class TestContract:
    """For each engine."""

    @settings(max_examples=50, deadline=None, derandomize=True)
    @given(case=ANY)
    def test_agrees_with_the_loop_at_any_size(self, engine: Engine, case: EngineCase) -> None:
        agrees(engine.run, case)

    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize(
        "case",
        [
            pytest.param(EngineCase(steps=63, delay=20, batch=33, hidden=17, replicas=2, stored=True), id="ragged"),
            pytest.param(EngineCase(steps=65, delay=1, mask="dropout", initial=True, history=True), id="delay 1"),
            pytest.param(EngineCase(steps=70, delay=50, mask="neurons", initial=True), id="two scans in a block"),
            pytest.param(EngineCase(steps=5, delay=500, history=True, hidden=16), id="delay longer than the sequence"),
            pytest.param(EngineCase(steps=1, delay=1, batch=1, hidden=1, inputs=1), id="one of all"),
            pytest.param(EngineCase(steps=7, delay=2, inputs=600, shared_input=True, replicas=2), id="wide inputs"),
        ],
    )
    def test_agrees_with_the_loop_at_the_edges(self, engine: Engine, model: str, case: EngineCase) -> None:
        agrees(engine.run, case._replace(model=model))

    @pytest.mark.parametrize("model", ["glifr 2", "lstm", "adaptive"])
    def test_resumed_is_uninterrupted(self, engine: Engine, model: str) -> None:
        """The second half from the state after the first, with what was sent in its last D steps."""
        sequence, _ = make(EngineCase(model, steps=14, delay=3, batch=20, hidden=20), dtype=torch.float32)
        whole = engine.run(sequence)
        x = sequence.x
        first = engine.run(sequence._replace(x=x[:, :, :8]))
        again = sequence._replace(x=x[:, :, 8:], initial=first.final, history=first.sent[:, :, -3:])
        second = engine.run(again)
        found = torch.cat([first.sent, second.sent], 2)
        if engine.exact:
            assert torch.equal(found, whole.sent)
            assert same(list(second.final), list(whole.final))
        torch.testing.assert_close(found, whole.sent, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("model", ["glifr 2", "tanh", "lstm", "spiking"])
    def test_a_diverged_replica_shows_and_leaves_the_others_alone(self, engine: Engine, model: str) -> None:
        case = EngineCase(model, steps=9, delay=4, replicas=2, hidden=20)
        (healthy, leaves), (sick, broken) = make(case, dtype=torch.float32), make(case, dtype=torch.float32)
        with torch.no_grad():
            broken[2][1, 3, 3] = torch.nan  # a lateral weight of the second replica
        wanted, found = engine.run(healthy).sent, engine.run(sick).sent
        wanted.sum().backward()
        found.sum().backward()
        torch.testing.assert_close(found[0], wanted[0], rtol=0, atol=0)
        for mine, theirs in zip(broken[1:3], leaves[1:3], strict=True):
            assert mine.grad is not None
            assert theirs.grad is not None
            assert torch.equal(mine.grad[0], theirs.grad[0])
        if model != "spiking":  # a spike is a comparison, which is false for what is no number
            assert found[1].isnan().any()

    def test_no_gradient_for_what_needs_none(self, engine: Engine) -> None:
        sequence, leaves = make(EngineCase(hidden=20), dtype=torch.float32)
        fixed = sequence.model.Parameters(*(p.detach() for p in sequence.parameters))
        engine.run(sequence._replace(parameters=fixed, x=sequence.x.detach())).final[0].sum().backward()
        wanted, others = make(EngineCase(hidden=20), dtype=torch.float32)
        reference.run(wanted).final[0].sum().backward()
        for found, right in zip(leaves[1:3], others[1:3], strict=True):
            torch.testing.assert_close(found.grad, right.grad, rtol=1e-4, atol=1e-6)
        assert all(leaf.grad is None for leaf in [leaves[0], *leaves[3:]])
        with torch.no_grad():
            assert not engine.run(sequence).sent.requires_grad

    @pytest.mark.parametrize("model", ["glifr 2", "lstm"])
    def test_a_backward_twice_and_two_forwards_before_one(self, engine: Engine, model: str) -> None:
        case = EngineCase(model, steps=30, delay=10, batch=64, hidden=64, mask="dropout")
        wanted = [outputs_and_gradients(engine.run, case, seed, torch.float32) for seed in (1, 2)]
        made = [make(case, seed, torch.float32) for seed in (1, 2)]
        results = [engine.run(sequence) for sequence, _ in made]
        for seed, (_, leaves), result, right in zip((1, 2), made, results, wanted, strict=True):
            outputs = [result.sent, *result.final]
            generator = torch.Generator().manual_seed(seed + 1)
            drawn = [torch.randn(o.shape, generator=generator, dtype=torch.float64).float() for o in outputs]
            loss = torch.stack([(w * o).sum() for w, o in zip(drawn, outputs, strict=True)]).sum()
            for _ in range(2):
                found = torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True, materialize_grads=True)
                assert same([*(o.detach() for o in outputs), *found], right)

    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("sizes", [(70, 37, 5, 9), (6, 124, 1, 3), (33, 133, 5, 1), (40, 20, 600, 4)])
    def test_threads_and_other_replicas_do_not_change_a_bit(
        self, engine: Engine, model: str, sizes: tuple[int, int, int, int], threads: None
    ) -> None:
        if not engine.exact:
            return  # promised by none but the compiled engine: `backends.batches_exactly`
        batch, hidden, inputs, delay = sizes
        case = EngineCase(model, 19, delay, 4, batch, "dropout", hidden=hidden, inputs=inputs, stored=True)
        torch.set_num_threads(1)
        wanted = outputs_and_gradients(engine.run, case, dtype=torch.float32)
        for count in (2, 4):
            torch.set_num_threads(count)
            assert same(outputs_and_gradients(engine.run, case, dtype=torch.float32), wanted)
        for r in (0, 3):
            alone = gradients_of_one(engine.run, case, r)
            assert same(alone, gradients_of_one(engine.run, case, r, among=True))


def gradients_of_one(run: Any, case: EngineCase, r: int, among: bool = False) -> list[Tensor]:
    """What replica r sends and its gradients, computed alone or among the others."""
    sequence, _ = make(case, dtype=torch.float32)
    picked = slice(None) if among else slice(r, r + 1)
    names = ("x", "weight_in", "weight_lat")
    tensors = {name: getattr(sequence, name).detach()[picked].clone().requires_grad_() for name in names}
    entries = zip(sequence.model.parameters, sequence.parameters, strict=True)
    own = [(t if p.count is None else t.transpose(0, 1)).detach()[picked].clone().requires_grad_() for p, t in entries]
    counts = [p.count for p in sequence.model.parameters]
    parameters = (t if count is None else t.transpose(0, 1) for count, t in zip(counts, own, strict=True))
    assert sequence.mask is not None
    alone = sequence._replace(**tensors, parameters=sequence.model.Parameters(*parameters), mask=sequence.mask[picked])
    sent = run(alone).sent
    weight = torch.randn(sent.shape[1:], generator=torch.Generator().manual_seed(5))
    place = r if among else 0
    grads = torch.autograd.grad((sent[place] * weight).sum(), [*tensors.values(), *own], allow_unused=True)
    return [sent[place].detach(), *(g[place] for g in grads if g is not None)]


@pytest.mark.parametrize("model", ["glifr 2", "tanh", "lstm", "adaptive", "two"])
def test_gradcheck_and_second_derivatives_of_the_portable_engine(model: str) -> None:
    case = EngineCase(model, steps=5, delay=2, batch=2, hidden=2, mask="dropout", initial=True, history=True)
    sequence, leaves = make(case)

    def compute(*tensors: Tensor) -> tuple[Tensor, ...]:
        given, _ = make(case)
        model, left = given.model, iter(tensors)
        x, weight_in, weight_lat = (next(left) for _ in range(3))
        parameters, initial = (kind(*(next(left) for _ in kind._fields)) for kind in (model.Parameters, model.State))
        changed = given._replace(x=x, weight_in=weight_in, weight_lat=weight_lat)
        result = portable.run(changed._replace(parameters=parameters, initial=initial, history=next(left)))
        return result.sent, *result.final

    del sequence
    assert torch.autograd.gradcheck(compute, leaves)
    assert torch.autograd.gradgradcheck(compute, leaves)


def test_functional_transforms_go_through_the_portable_engine() -> None:
    sequence, _ = make(EngineCase(steps=6, delay=2, batch=2))

    def loss(weight: Tensor) -> Tensor:
        return portable.run(sequence._replace(weight_lat=weight)).sent.square().sum()

    weight = sequence.weight_lat.detach()
    found = torch.func.grad(loss)(weight)
    wanted = torch.autograd.grad(loss(weight.requires_grad_()), weight)[0]
    torch.testing.assert_close(found, wanted)
    tangent = torch.ones_like(weight)
    _, along = torch.func.jvp(loss, (weight.detach(),), (tangent,))
    torch.testing.assert_close(along, (wanted * tangent).sum())


def test_the_compiled_engine_has_gradients_of_gradients() -> None:
    def second(run: Callable[[SequenceInput], SequenceResult], dtype: torch.dtype) -> Tensor:
        sequence, leaves = make(EngineCase(), dtype=dtype)
        (gradient,) = torch.autograd.grad(run(sequence).sent.square().sum(), leaves[2], create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), leaves[2])[0].double()

    exact = second(reference.run, torch.float64)
    assert exact.abs().max() > 0
    torch.testing.assert_close(second(RUN["cpu"], torch.float32), exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", ["glifr 2", "adaptive", "lstm"])
@pytest.mark.parametrize(("steps", "delay", "allowed"), [(28, 20, 2e-6), (28, 1, 2e-6), (784, 300, 2e-5)])
def test_gradients_at_the_sizes_of_the_tasks(model: str, steps: int, delay: int, allowed: float) -> None:
    case = EngineCase(model, steps, delay, batch=4, hidden=64, stored=True)
    exact, loop = (outputs_and_gradients(reference.run, case, dtype=t) for t in (torch.float64, torch.float32))
    found = outputs_and_gradients(RUN["cpu"], case, dtype=torch.float32)
    assert error(found, exact) <= max(3 * error(loop, exact), allowed)
