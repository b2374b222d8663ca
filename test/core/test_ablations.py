"""The table of ablations: one configuration each, exactly one thing apart, every one trainable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from model_examples import SMALL
from training_examples import random_recording

from msstan_core.errors import InputError
from msstan_core.model.ms_stan import MsStan
from msstan_core.training.ablations import load_ablations
from msstan_core.training.configuration import TrainingConfig, load_training_config
from msstan_core.training.extended_file import merged
from msstan_core.training.trainer import train

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "config" / "ablations.yaml"
#: The ablations that the paper's mechanisms are judged by.
WITHOUT = (
    "spatiotemporal_attention",
    "multi_scale",
    "memory",
    "measured_imperfections",
    "occlusion_and_background",
    "magnification_and_contrastive",
    "sampling",
    "modality_fusion",
    "context_embeddings",
    "pretraining",
)
BASE = TrainingConfig(
    name="test",
    steps=2,
    clips_per_step=2,
    clip_ticks=16,
    checkpoint_every=1,
    measured_ticks=16,
    model={**SMALL, "pretrained": True},
)


@pytest.mark.parametrize("name", ["default", "mig_phases"])
def test_every_ablation_of_the_shipped_configurations_is_valid(name: str) -> None:
    base = load_training_config(ROOT / "config" / "training" / f"{name}.yaml")
    configs = load_ablations(TABLE, base)
    assert tuple(c for c in configs if c.startswith("without_")) == tuple(f"without_{name}" for name in WITHOUT)
    assert configs["plain"].model_copy(update={"name": base.name}) == base
    models = {name: config.model_config_of_size() for name, config in configs.items()}
    losses = {name: config.losses for name, config in configs.items()}
    assert len({config.name for config in configs.values()}) == len(configs)
    for ablation in configs:
        reference = "full" if ablation.startswith("without_") else "plain"
        if ablation not in ("plain", "full"):
            assert (models[ablation], losses[ablation]) != (models[reference], losses[reference]), ablation


def test_an_ablation_changes_what_its_name_says_and_nothing_else() -> None:
    configs = load_ablations(TABLE, BASE)
    full = configs["full"].model_config_of_size()
    changed = {
        name: {
            field
            for field in type(full).model_fields
            if getattr(configs[f"without_{name}"].model_config_of_size(), field) != getattr(full, field)
        }
        for name in WITHOUT
    }
    assert changed == {
        "spatiotemporal_attention": {"spatial_attention", "knowledge", "aggregation"},
        "multi_scale": {"windows"},
        "memory": {"memory"},
        "measured_imperfections": {"measured_imperfections"},
        "occlusion_and_background": {"occlusion", "background"},
        "magnification_and_contrastive": {"magnification", "projection"},
        "sampling": {"sampling"},
        "modality_fusion": {"fusion"},
        "context_embeddings": {"context"},
        "pretraining": {"pretrained"},
    }


def test_groups_are_merged_and_values_replaced() -> None:
    base = {"group": {"a": 1, "b": 2}, "list": [1, 2]}
    assert merged(base, {"group": {"b": 3}, "list": [4]}) == {"group": {"a": 1, "b": 3}, "list": [4]}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("full: {model: {occlusion: {enabled: true, strength: 2}}}", r"full\.occlusion\.strength"),
        ("full: {losses: {ghost: 1}}", r"full\.losses\.ghost"),
        ("full: {}\nwith: {x: {losses: {contrastive: 1}}}", r"with\.x: losses\.contrastive"),
        ("full: {}\nwithin: {}", "within"),
        ("full: [", "is not YAML"),
        ("- full", "no mapping"),
    ],
)
def test_a_bad_table_names_its_field(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=named):
        load_ablations(path, BASE)


@pytest.mark.parametrize("name", ["full", *(f"without_{name}" for name in WITHOUT)])
def test_two_steps_of_every_ablation_train(name: str) -> None:
    config = load_ablations(TABLE, BASE)[name]
    trained = train(config, [random_recording(config, seed) for seed in range(2)])
    assert np.isfinite(trained.final_loss)
    torch.manual_seed(config.seed)
    untrained = dict(MsStan(config.model_config_of_size()).named_parameters())
    still = [
        n for n, p in trained.model.named_parameters() if p.requires_grad and torch.equal(p.detach(), untrained[n])
    ]
    assert still == []  # what no loss reaches is left where it was
