"""Model folders of small random networks, as training would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from model_examples import ON, network

from msstan_core.inference.export import export_step
from msstan_core.inference.model_card import ModelCard, SmoothingCard
from msstan_core.inference.model_package import WEIGHTS_FILE, ModelPackage, load_package, save_card
from msstan_core.vocabulary import ACTIONS, MODALITIES


def write_model(folder: Path, **changes: Any) -> ModelPackage:
    """A random network of this configuration as a model folder."""
    model = network(**changes)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / WEIGHTS_FILE)
    export_step(model, folder)
    card = ModelCard(
        name="small",
        version="1",
        config=model.config,
        trained_actions=tuple(a.name for a in ACTIONS),
        trained_imperfections=(2011,),
        trained_modalities=tuple(m.label for m in MODALITIES),
        action_prior=(1 / 9,) * 9,
        smoothing=SmoothingCard(mean_duration_s={"IDLE": 1.0}, emission_power=0.3),
    )
    save_card(folder, card)
    return load_package(folder)


_GATED: list[ModelPackage] = []


def gated_package(folders: pytest.TempPathFactory) -> ModelPackage:
    """A tiny model whose random gate scores frames on both sides of its threshold; exported once a test run."""
    if not _GATED:
        sampling = {"enabled": True, "longest_hold": 4, "threshold": 0.5}
        sizes = {"width": 16, "backbone_blocks": 4, "inputs": {"camera_px": 32, "thermal_px": 16}, "windows": (2, 9)}
        _GATED.append(write_model(folders.mktemp("gated"), sampling=sampling, knowledge=ON, **sizes))
    return _GATED[0]
