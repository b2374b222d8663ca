"""What a training step minimises (32), and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from training_examples import random_recording

from msstan_core.model.ms_stan import MsStan
from msstan_core.model.signals import Output
from msstan_core.training.clips import ClipSampler
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.objective import Objective
from msstan_core.training.precision import Precision, in_single_precision
from msstan_core.training.recording_features import Recording
from msstan_core.training.trainer import train
from msstan_core.vocabulary import ACTIONS

CONFIG = TrainingConfig(
    steps=2,
    clips_per_step=2,
    clip_ticks=16,
    model={
        "pretrained": False,
        "width": 16,
        "attention_heads": 2,
        "windows": (2, 5),
        "inputs": {"camera_px": 32, "thermal_px": 16},
    },
)


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return [random_recording(CONFIG, seed) for seed in range(3)]


def test_mixed_precision_is_nothing_on_a_cpu() -> None:
    precision = Precision(torch.device("cpu"), mixed=True)
    assert not precision.mixed
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    with precision.forward():
        product = weight * torch.tensor([1.5])
    assert product.dtype is torch.float32
    precision.update(product.sum(), torch.optim.SGD([weight], lr=1.0), [weight])
    assert weight.item() == pytest.approx(1.0, abs=1e-5), "gradient 1.5, bounded to norm 1"
    precision.restore(precision.state())


def test_under_mixed_precision_nothing_meets_that_a_gpu_would_not_join(
    recordings: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU autocast converts what ``index_copy`` joins; on a GPU it does not."""
    joined: list[torch.dtype] = []

    def strict(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
        assert source.dtype is self.dtype
        joined.append(source.dtype)
        return self.index_add(dim, index, source)  # there are zeros where it goes

    class Half(Precision):
        def forward(self) -> AbstractContextManager[Any]:
            return torch.autocast("cpu", torch.bfloat16)

    monkeypatch.setattr(Tensor, "index_copy", strict)
    monkeypatch.setattr("msstan_core.training.trainer.Precision", Half)
    trained = train(CONFIG.model_copy(update={"steps": 2}), recordings)
    assert joined and np.isfinite(trained.final_loss)
    halved = in_single_precision(Output(*(torch.zeros(1, dtype=torch.bfloat16) for _ in Output._fields)))
    assert {part.dtype for part in halved} == {torch.float32}


def test_the_objective_is_the_weighted_sum_of_its_terms(recordings: list[Recording]) -> None:
    """Equation 32: twice the weight, twice the part."""

    def parts(action: float, imperfection: float) -> tuple[float, float, float]:
        torch.manual_seed(0)
        losses = CONFIG.losses.model_copy(update={"action": action})
        config = CONFIG.model_copy(update={"losses": losses, "imperfection_weight": imperfection})
        model = MsStan(config.model_config_of_size()).eval()
        objective = Objective(config, model, torch.ones(len(ACTIONS)), Precision(torch.device("cpu"), mixed=False))
        batch = ClipSampler.of_config(config, recordings[:3], 0, 0.0).draw(2)
        loss, terms = objective(batch, None, torch.device("cpu"))
        return loss.item(), terms["action_loss"].item(), terms["imperfection_loss"].item()

    for action, imperfection in ((1.0, 0.0), (0.0, 1.0), (0.3, 20.0)):
        total, of_actions, of_imperfections = parts(action, imperfection)
        assert of_actions > 0 and of_imperfections > 0
        assert total == pytest.approx(action * of_actions + imperfection * of_imperfections, rel=1e-5)
