"""MS-STAN on clips of human interactions: camera branch, attention and windows of the monitor, a head of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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

#: What a network may read; ``foreground`` is the appearance less its mean over the clip (29).
INPUTS = ("foreground", "motion", "flow")
#: Of ``Clip.maps``, in their order. ``all`` are for the baseline: networks join inputs by averaging several of them.
KINDS = ("appearance", "motion", "flow")
#: Share of a clip's drawn ticks that goes by how much moves; the others are spread evenly over its time.
MOTION_SHARE = 0.7
#: A clip is tested at these shifts of its drawn ticks, in parts of their distance; probabilities are averaged.
_TEST_SHIFTS = (-1 / 3, 0.0, 1 / 3)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained."""

    inputs: str = "motion"  #: one of INPUTS or KINDS, or ``all``
    steps: int = 120
    ticks: int = 24  #: drawn from a clip
    clips_per_step: int = 12
    width: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    label_smoothing: float = 0.1
    mixup: float = 0.0  #: alpha of the Beta distribution that mixes pairs of clips and their labels; 0: none


def candidates(recipe: Recipe) -> dict[str, Recipe]:
    """What inner folds choose from: every input, trained as ``recipe`` says and with more against overfitting."""
    regularised = replace(recipe, dropout=0.5, mixup=0.4)
    return {
        f"{inputs}, {name}": replace(own, inputs=inputs)
        for name, own in (("plain", recipe), ("regularised", regularised))
        for inputs in INPUTS
    }


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
    """Probabilities [len(test), len(labels)], averaged over the plain and the mirrored clip and over shifts of ticks.

    Only ``training`` is learnt from: also the scaling of the channels comes from it.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    views = [[inputs_of(clip.maps[m], recipe.inputs) for m in (0, 1)] for clip in training]
    sample = np.concatenate([plain for plain, _ in views]).astype(np.float32)
    mean, scale = sample.mean(axis=(0, 2, 3))[:, None, None], sample.std(axis=(0, 2, 3))[:, None, None] + 1e-3
    scaled = [[(maps.astype(np.float32) - mean) / scale for maps in clip] for clip in views]
    target = functional.one_hot(torch.tensor([labels.index(clip.label) for clip in training]), len(labels)).float()
    network = InteractionNetwork(len(mean), len(labels), recipe).train()
    trained = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=recipe.steps)
    for _ in range(recipe.steps):
        chosen = rng.choice(len(training), min(recipe.clips_per_step, len(training)), replace=False)
        drawn = np.stack(
            [scaled[k][rng.integers(2)][drawn_ticks(training[k].importance, recipe.ticks, rng)] for k in chosen]
        )
        maps, truth = _mixed(torch.from_numpy(drawn), target[chosen], recipe, rng)
        loss = functional.cross_entropy(network(maps), truth, label_smoothing=recipe.label_smoothing)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
    network.eval()
    total = np.zeros((len(test), len(labels)))
    with torch.inference_mode():
        for m in (0, 1):
            read = [(inputs_of(clip.maps[m], recipe.inputs).astype(np.float32) - mean) / scale for clip in test]
            for shift in _TEST_SHIFTS:
                places = [drawn_ticks(clip.importance, recipe.ticks, shift) for clip in test]
                drawn = np.stack([own[at] for own, at in zip(read, places, strict=True)])
                total += network(torch.from_numpy(drawn)).softmax(dim=1).numpy()
    return total / (2 * len(_TEST_SHIFTS))


def inputs_of(maps: NDArray[np.float16], inputs: str) -> NDArray[np.float16]:
    """[T, 3, c, h, w] -> what a network reads, [T, c or 3 c, h, w]; ``inputs``: one of INPUTS or KINDS, or ``all``."""
    if inputs == "all":
        return maps.reshape(len(maps), -1, *maps.shape[3:])
    if inputs in KINDS:
        return maps[:, KINDS.index(inputs)]
    appearance = maps[:, 0]
    foreground: NDArray[np.float16] = (appearance - appearance.mean(axis=0, dtype=np.float32)).astype(np.float16)
    return foreground


def _mixed(maps: Tensor, truth: Tensor, recipe: Recipe, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mixup: maps [B, T, c, h, w] and truth [B, classes], each with a part of those of another clip of the batch."""
    if recipe.mixup <= 0:
        return maps, truth
    part = float(rng.beta(recipe.mixup, recipe.mixup))
    other = torch.from_numpy(rng.permutation(len(maps)))
    return part * maps + (1 - part) * maps[other], part * truth + (1 - part) * truth[other]


def drawn_ticks(importance: NDArray[np.float64], ticks: int, how: np.random.Generator | float) -> NDArray[np.int64]:
    """[ticks] places in a clip of T ticks, close together where much moves: adaptive frame sampling (40-42).

    Evenly spaced along the running sum of ``(1 - MOTION_SHARE) / T + MOTION_SHARE * importance``, so that a stroke of
    half a second is seen more than once while what stands still is seen too.

    Args:
        importance: [T], sums to 1. ticks: how many.
        how: a shift of all places by this part of their distance; with a generator a random three quarters or more of
            the clip, and each place anywhere between its neighbours.
    """
    if isinstance(how, float):
        along = (np.arange(ticks) + 0.5 + how) / ticks
    else:
        length = how.uniform(0.75, 1.0)
        along = how.uniform(0.0, 1.0 - length) + length * (np.arange(ticks) + how.uniform(0.0, 1.0, ticks)) / ticks
    last = len(importance) - 1
    passed = np.cumsum((1.0 - MOTION_SHARE) / len(importance) + MOTION_SHARE * importance)
    edges = np.concatenate([[0.0], passed / passed[-1]])
    places = np.interp(along, edges, np.arange(len(edges)) - 0.5)
    return np.asarray(np.clip(np.round(places), 0, last), np.int64)
