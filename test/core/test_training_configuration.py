"""Training configurations: what is refused, and that those shipped are valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from msstan_core.errors import InputError
from msstan_core.training.configuration import load_training_config


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
