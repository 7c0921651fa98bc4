"""Adam, alone and for several seeds together, against torch's own and by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_training import SETTINGS, trained

from glifr.tasks import TaskData
from glifr.training.optimizer import OptimizersTogether, has_fused, load_optimizer, make_optimizer


class TestAdam:
    """One optimiser a seed, fused where torch can."""

    def test_without_torchs_fused_step_training_is_the_same_to_rounding(
        self, data: TaskData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fused = trained(data, "LHetA", [3, 4]).outcomes()
        plain_adam = torch.optim.Adam

        def no_fused(*args: Any, fused: bool | None = None, **kwargs: Any) -> torch.optim.Adam:
            if fused:
                raise RuntimeError("`fused=True` is not supported here")
            return plain_adam(*args, **kwargs)

        monkeypatch.setattr(torch.optim, "Adam", no_fused)
        has_fused.cache_clear()
        try:
            assert not has_fused("Adam", "cpu")
            plain = trained(data, "LHetA", [3, 4]).outcomes()
        finally:
            has_fused.cache_clear()
        for a, b in zip(fused, plain, strict=True):
            assert a.train_loss == pytest.approx(b.train_loss, rel=1e-4)

    def test_a_state_that_was_kept_elsewhere_is_continued_by_this_machines_step(self) -> None:
        """Such as that of a GPU, whose state is on the device, or of a torch without the fused step."""
        weights = [torch.nn.Parameter(torch.linspace(-1, 1, 40)) for _ in range(2)]
        plain = torch.optim.Adam([weights[0]], lr=0.1, fused=False)
        for weight in weights:
            weight.grad = torch.linspace(2, -3, 40)
        plain.step()
        elsewhere = plain.state_dict()
        elsewhere["param_groups"][0]["capturable"] = True
        here = make_optimizer([weights[1]], 0.5, SETTINGS, torch.device("cpu"))
        weights[1].data.copy_(weights[0].data)
        load_optimizer(here, elsewhere)
        assert here.param_groups[0]["lr"] == 0.1
        assert here.param_groups[0]["fused"] is has_fused("Adam", "cpu")
        assert not here.param_groups[0]["capturable"]
        plain.param_groups[0]["capturable"] = False
        plain.step()
        here.step()
        assert torch.allclose(weights[0], weights[1], rtol=1e-6, atol=1e-7)

    @pytest.mark.parametrize("rates", [(0.1, 0.1, 0.1), (0.1, 0.2, 0.1)])
    @pytest.mark.parametrize("untrained", [False, True])
    def test_together_each_has_the_bits_it_has_alone(self, rates: tuple[float, ...], untrained: bool) -> None:
        def stepped(together: bool) -> list[torch.Tensor]:
            seeds = [
                [torch.nn.Parameter(torch.linspace(-1, number, size)) for size in (1, 37, 40_000)]
                for number in range(len(rates))
            ]
            adams = [
                make_optimizer(weights, rate, SETTINGS, torch.device("cpu"))
                for weights, rate in zip(seeds, rates, strict=True)
            ]
            group = OptimizersTogether(adams)
            for number in range(1, 5):
                for weight in (w for weights in seeds for w in weights):
                    weight.grad = torch.linspace(-2, 3, len(weight)) ** number
                if untrained and number < 3:
                    seeds[1][1].grad = None
                if together:
                    group.step()
                else:
                    for adam in adams:
                        adam.step()
            states = [adam.state_dict()["state"] for adam in adams]
            found = [value for state in states for each in state.values() for value in each.values()]
            return [*(w.detach() for weights in seeds for w in weights), *found]

        for mine, alone in zip(stepped(True), stepped(False), strict=True):
            assert torch.equal(mine, alone)

    @pytest.mark.parametrize(
        "setting",
        [
            {"weight_decay": 0.1},
            {"weight_decay": 0.1, "decoupled_weight_decay": True},
            {"amsgrad": True},
            {"maximize": True},
            {"betas": (0.5, 0.6)},
            {"eps": 0.1},
            {"lr": 0.3},
            {"lr": torch.tensor(0.3)},
            {"fused": None},
            {"fused": False, "foreach": True},
            {"fused": None, "differentiable": True},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("when", [0, 2])
    def test_m2_together_each_setting_counts_from_when_it_is_made(self, setting: dict[str, Any], when: int) -> None:
        if when and "amsgrad" in setting:
            pytest.skip("Adam itself cannot be switched to amsgrad after its first step")

        def stepped(together: bool) -> list[torch.Tensor]:
            weights = [torch.nn.Parameter(torch.linspace(-1, number, 37)) for number in (1, 2)]
            adams = [torch.optim.Adam([weight], lr=0.1, fused=True) for weight in weights]
            group = OptimizersTogether(adams)
            for number in range(5):
                if number == when:
                    for adam in adams:
                        adam.param_groups[0].update(setting)
                for weight in weights:
                    weight.grad = torch.linspace(-2, 3, 37) ** (number + 1)
                group.step() if together else [adam.step() for adam in adams]
            return [weight.detach() for weight in weights]

        for mine, alone in zip(stepped(True), stepped(False), strict=True):
            assert torch.equal(mine, alone)

    def test_m2_together_two_groups_of_parameters_and_another_optimiser_count(self) -> None:
        def stepped(together: bool) -> list[torch.Tensor]:
            weights = [torch.nn.Parameter(torch.linspace(-1, number, 37)) for number in range(6)]
            adams = [
                torch.optim.Adam([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1, fused=True)
                for a, b in (weights[:2], weights[2:4])
            ]
            adams += [torch.optim.AdamW([weight], lr=0.1, fused=True, weight_decay=0.2) for weight in weights[4:]]
            group = OptimizersTogether(adams)
            for number in range(4):
                for weight in weights:
                    weight.grad = torch.linspace(-2, 3, 37) ** (number + 1)
                group.step() if together else [adam.step() for adam in adams]
            return [weight.detach() for weight in weights]

        for mine, alone in zip(stepped(True), stepped(False), strict=True):
            assert torch.equal(mine, alone)

    def test_its_bits_do_not_depend_on_the_number_of_threads(self) -> None:
        def stepped(threads: int) -> torch.Tensor:
            torch.set_num_threads(threads)
            try:
                weight = torch.nn.Parameter(torch.linspace(-1, 1, 70_001))
                adam = make_optimizer([weight], 0.1, SETTINGS, torch.device("cpu"))
                for number in range(1, 4):
                    weight.grad = torch.linspace(-2, 3, 70_001) ** number
                    adam.step()
                return weight.detach()
            finally:
                torch.set_num_threads(1)

        assert torch.equal(stepped(1), stepped(2))
        assert torch.equal(stepped(1), stepped(3))
