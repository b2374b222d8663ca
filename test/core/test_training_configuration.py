"""Training configurations: what is refused, and that those shipped are valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from msstan_core.errors import InputError
from msstan_core.inference.model_package import load_package
from msstan_core.model.configuration import nano
from msstan_core.resources import default_model_dir, share_path
from msstan_core.training.configuration import TrainingConfig, load_training_config
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
        ("model: {attention_heads: 7}", "attention_heads 7 do not divide width 96"),
        ("- a\n- b", "mapping"),
        ("a: [", "YAML"),
    ],
)
def test_bad_configuration_names_its_field(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=named):
        load_training_config(path)


def test_a_part_of_a_group_leaves_the_rest_of_the_size_as_it_is() -> None:
    whole, own = nano(), TrainingConfig(model={"memory": {"width": 128}, "inputs": {"camera_px": 160}})
    found = own.model_config_of_size()
    assert found.memory == whole.memory.model_copy(update={"width": 128}) and found.memory.enabled
    assert found.inputs == whole.inputs.model_copy(update={"camera_px": 160}) and found.inputs.telemetry_history


def test_a_configuration_states_what_differs_from_the_one_that_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "steps: 9\nmodel: {width: 16, inputs: {camera_px: 32, thermal_px: 16}}\nlimits: [a, b]\n", encoding="utf-8"
    )
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells/cell.yaml").write_text("extends: ../base.yaml\nmodel: {inputs: {camera_px: 64}}\n", "utf-8")
    (tmp_path / "cells/night.yaml").write_text("extends: cell.yaml\nlimits: [c]\nsize: nano\n", encoding="utf-8")
    found = load_training_config(tmp_path / "cells/night.yaml")
    assert found.steps == 9 and found.limits == ["c"]
    assert found.model == {"width": 16, "inputs": {"camera_px": 64, "thermal_px": 16}}
    assert load_training_config(tmp_path / "cells/cell.yaml").limits == ["a", "b"]


@pytest.mark.parametrize(
    ("base", "own", "said"),
    [
        ("extends: own.yaml", "extends: base.yaml", "base.yaml: extends: own.yaml builds on this file itself"),
        ("steps: 1", "extends: own.yaml", "own.yaml: extends: own.yaml builds on this file itself"),
        ("steps: 1", "extends: nowhere.yaml", "own.yaml: extends: .*nowhere.yaml: no such file"),
        ("steps: 1", "extends: [base.yaml]", "own.yaml: extends: is no file name"),
        ("a: [", "extends: base.yaml", "base.yaml: is not YAML"),
        ("- a", "extends: base.yaml", "base.yaml: holds no mapping"),
        ("steps: many", "extends: base.yaml", "base.yaml: steps"),
        ("steps: many", "extends: base.yaml\nseed: -1", "base.yaml: steps|own.yaml: seed"),
        ("model: {width: -3}", "extends: base.yaml", "base.yaml: model.width"),
        ("losses: {action: 1}", "extends: base.yaml\nlosses: {action: -1}", "own.yaml: losses.action"),
    ],
)
def test_what_is_wrong_names_the_file_that_says_it(tmp_path: Path, base: str, own: str, said: str) -> None:
    (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
    (tmp_path / "own.yaml").write_text(own, encoding="utf-8")
    with pytest.raises(InputError, match=f"^{tmp_path}/({said})"):
        load_training_config(tmp_path / "own.yaml")


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
    assert initial_name(card).startswith(f"{card.name} {card.version} (weights ")
    wider = config.model_copy(update={"model": {"width": 64}})
    with pytest.raises(InputError, match="has another width than the configuration"):
        initial_weights(default_model_dir(), wider)
