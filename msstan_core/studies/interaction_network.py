"""MS-STAN on clips of human interactions: camera branch, attention and windows of the monitor, a head of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from msstan_core.model.branches import CameraHead
from msstan_core.model.configuration import ModelConfig
from msstan_core.model.ms_stan import Features, MsStan
from msstan_core.model.switches import ContextConfig
from msstan_core.preprocessing.input_spec import InputSpec
from msstan_core.studies.interaction_clips import Clip

#: Which of (appearance, motion) a candidate reads.
INPUTS = {"appearance": (0,), "motion": (1,), "both": (0, 1)}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; ``inputs`` is what inner folds choose."""

    inputs: str = "both"
    steps: int = 120
    ticks: int = 16  #: evenly drawn from a clip
    clips_per_step: int = 12
    width: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    label_smoothing: float = 0.1


class InteractionNetwork(nn.Module):
    """MsStan.unroll with the camera alone valid; its embedding, averaged over ticks, goes to a linear head.

    Args:
        channels: of the maps. actions: how many.
    """

    def __init__(self, channels: int, actions: int, recipe: Recipe) -> None:
        super().__init__()
        self.config = ModelConfig(
            pretrained=False,  # its own backbone is not run: maps are extracted beforehand
            width=recipe.width,
            windows=(4, 8, 16),
            inputs=InputSpec(thermal_px=16, camera_px=32),
            context=ContextConfig(enabled=False),
        )
        self.network = MsStan(self.config)
        self.network.camera = CameraHead(channels, self.config)
        self.drop = nn.Dropout(recipe.dropout)
        self.head = nn.Linear(recipe.width, actions)

    def forward(self, maps: Tensor) -> Tensor:
        """maps: [B, T, channels, h, w] -> logits [B, actions]."""
        b, t = maps.shape[:2]
        inputs = self.config.inputs
        valid = maps.new_zeros(b, t, 4)
        valid[..., 0] = 1
        features = Features(
            maps,
            maps.new_zeros(b, t, inputs.thermal_px, inputs.thermal_px),
            maps.new_zeros(b, t, inputs.log_mel.bands, 16),
            maps.new_zeros(b, t, inputs.telemetry_count),
            torch.zeros(b, t, 4, dtype=torch.long),
            valid,
            maps.new_zeros(b, t, 4),
            maps.new_zeros(b, t, _statistics_count()),
        )
        embedding = self.network.unroll(features).embedding.mean(dim=1)
        return self.head(self.drop(embedding))  # type: ignore[no-any-return]


def _statistics_count() -> int:
    from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT

    return STATISTICS_COUNT


def train_and_predict(
    training: Sequence[Clip], test: Sequence[Clip], labels: Sequence[str], recipe: Recipe, seed: int
) -> NDArray[np.float64]:
    """Probabilities [len(test), len(labels)], averaged over the plain and the mirrored clip.

    Only ``training`` is learnt from: also the scaling of the channels comes from it.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    kinds = list(INPUTS[recipe.inputs])
    views = [[_select(clip.maps[m], kinds) for m in (0, 1)] for clip in training]
    sample = np.concatenate([plain for plain, _ in views]).astype(np.float32)
    mean, scale = sample.mean(axis=(0, 2, 3))[:, None, None], sample.std(axis=(0, 2, 3))[:, None, None] + 1e-3
    target = torch.tensor([labels.index(clip.label) for clip in training])
    network = InteractionNetwork(len(mean), len(labels), recipe).train()
    trained = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=recipe.steps)
    for _ in range(recipe.steps):
        chosen = rng.choice(len(training), min(recipe.clips_per_step, len(training)), replace=False)
        maps = np.stack([_drawn(views[k][rng.integers(2)], recipe.ticks, rng) for k in chosen])
        logits = network(torch.from_numpy((maps.astype(np.float32) - mean) / scale))
        loss = functional.cross_entropy(logits, target[chosen], label_smoothing=recipe.label_smoothing)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
    network.eval()
    total = np.zeros((len(test), len(labels)))
    with torch.inference_mode():
        for m in (0, 1):
            maps = np.stack([_drawn(_select(clip.maps[m], kinds), recipe.ticks, None) for clip in test])
            logits = network(torch.from_numpy((maps.astype(np.float32) - mean) / scale))
            total += logits.softmax(dim=1).numpy() / 2
    return total


def _select(maps: NDArray[np.float16], kinds: list[int]) -> NDArray[np.float16]:
    """[T, 2, c, h, w] -> [T, len(kinds) * c, h, w]."""
    chosen: NDArray[np.float16] = maps[:, kinds].reshape(len(maps), -1, *maps.shape[3:])
    return chosen


def _drawn(maps: NDArray[np.float16], ticks: int, rng: np.random.Generator | None) -> NDArray[np.float16]:
    """Evenly spaced ticks: of the whole clip, or with a generator of a random three quarters or more of it."""
    last = len(maps) - 1
    length = last if rng is None else rng.uniform(0.75, 1.0) * last
    begin = 0.0 if rng is None else rng.uniform(0.0, last - length)
    return maps[np.round(np.linspace(begin, begin + length, ticks)).astype(int)]  # type: ignore[no-any-return]
