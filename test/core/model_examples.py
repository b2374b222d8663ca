"""Small networks and random clips that the tests of the model share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from msstan_core.inference.export import random_tick
from msstan_core.model.configuration import ModelConfig
from msstan_core.model.ms_stan import Features, MsStan, Output
from msstan_core.model.thumbnail import grey_thumbnail

SMALL: dict[str, Any] = {
    "pretrained": False,
    "width": 32,
    "windows": (2, 5, 9),
    "inputs": {"camera_px": 64, "thermal_px": 32},
    "thermal_statistics": True,
    "measured_values": True,
}
ON = {"enabled": True}
OFF = {"enabled": False}
#: Every mechanism on.
EVERYTHING: dict[str, Any] = {
    "aggregation": {"kind": "both", "channels": 8, "grid": 3},
    "occlusion": ON,
    "background": ON,
    "magnification": ON,
    "memory": {"enabled": True, "width": 16, "reads_measured": True},
    "projection": {"enabled": True, "width": 8},
    "sampling": {"enabled": True, "longest_hold": 3},
    "knowledge": {"enabled": True, "torch_tip": (0.4, 0.7)},
    "fusion": {"dropout": 0.2},
    "context": {"heat_input": True},
}
#: Every mechanism off that can be.
NOTHING: dict[str, Any] = {
    "spatial_attention": OFF,
    "aggregation": {"kind": "mean"},
    "separable_convolution": OFF,
    "fusion": {"kind": "mean"},
    "context": OFF,
    "windows": (9,),
}


def small(**changes: Any) -> ModelConfig:
    """A network that runs in milliseconds, with these fields changed."""
    return ModelConfig.model_validate({**SMALL, **changes})


def network(seed: int = 0, **changes: Any) -> MsStan:
    """A random network for evaluation; what starts without influence is given some."""
    torch.manual_seed(seed)
    model = MsStan(small(**changes)).eval()
    if model.heat_input is not None:
        torch.nn.init.normal_(model.heat_input.layers[-1].weight)  # type: ignore[arg-type]
    if model.measured is not None:
        torch.nn.init.normal_(model.measured.layers[-1].weight, std=0.1)  # type: ignore[arg-type]
    if model.measured_imperfections is not None:
        model.measured_imperfections.teach()
    if model.memory is not None:
        torch.nn.init.normal_(model.memory.project.weight, std=0.1)
    for refinement in (model.camera_refinement, model.thermal_refinement):
        if refinement is not None and refinement.occlusion is not None:
            torch.nn.init.zeros_(refinement.occlusion.layers[-1].bias)  # type: ignore[arg-type]
        if refinement is not None and refinement.magnification is not None:
            torch.nn.init.ones_(refinement.magnification.gamma)
    return model


def clip(model: MsStan, ticks: int, seed: int = 0) -> Features:
    """One clip of random ticks with random validity, [1, T, ...], with thumbnails."""
    rng = np.random.default_rng(seed)
    rows = [random_tick(model, rng) for _ in range(ticks)]
    with torch.no_grad():
        steps = [Features(model.backbone(r[0]), *r[1:], thumbnail=grey_thumbnail(r[0])) for r in rows]
    return Features(*(torch.stack(part, dim=1) for part in zip(*steps, strict=True)))


def stream(model: MsStan, features: Features) -> list[Output]:
    """The clip tick by tick."""
    state = model.initial_state(len(features.valid))
    out = []
    with torch.inference_mode():
        for t in range(features.valid.shape[1]):
            output, state = model.step_features(features.map(lambda part, t=t: part[:, t]), state)
            out.append(output)
    return out
