"""Training configurations: what is refused, and that those shipped are valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from msstan_core.errors import InputError
from msstan_core.inference.model_package import load_package
from msstan_core.resources import default_model_dir, share_path
from msstan_core.training.configuration import load_training_config
from msstan_core.training.transfer import initial_name, initial_weights


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("stepz: 3", "stepz"),
        ("steps: many", "steps"),
        ("size: huge", "size"),
        ("withhold: [{where: {}, modalities: [smell]}]", "modalities"),
        ("trained_imperfections: [12345]", "trained_imperfections"),
        ("model: {width: 17}", "width"),
        ("- a\n- b", "mapping"),
        ("a: [", "YAML"),
    ],
)
def test_bad_configuration_names_its_field(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=named):
        load_training_config(path)


def test_shipped_configurations_are_valid() -> None:
    folder = Path(__file__).parents[2] / "config" / "training"
    paths = sorted(folder.glob("*.yaml"))
    assert paths
    for path in paths:
        load_training_config(path)


def test_ones_own_training_can_begin_with_the_shipped_weights() -> None:
    config = load_training_config(share_path("config/training/own_welds.yaml"))
    found = initial_weights(default_model_dir(), config)
    assert sum(p.numel() for p in found.parameters()) > 1e5
    card = load_package(default_model_dir()).card
    assert initial_name(default_model_dir()).startswith(f"{card.name} {card.version} (weights ")
    wider = config.model_copy(update={"model": {"width": 64}})
    with pytest.raises(InputError, match="has another width than the configuration"):
        initial_weights(default_model_dir(), wider)
