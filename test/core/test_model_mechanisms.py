"""Every mechanism in all three faces: unrolled, streaming, ONNX. What is off leaves no trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from model_examples import EVERYTHING, NOTHING, ON, SMALL, clip, network, small, stream
from pydantic import ValidationError

from msstan_core.errors import InputError
from msstan_core.inference.engine import initial_state
from msstan_core.inference.export import TOLERANCE, export_step, largest_difference
from msstan_core.inference.model_package import GATE_FILE, HELD_STEP_FILE, LOOK_FILE, STEP_FILE
from msstan_core.inference.step_graph import StepGraph
from msstan_core.model.configuration import ModelConfig
from msstan_core.model.ms_stan import MsStan
from msstan_core.model.state import State, state_shapes
from msstan_core.vocabulary import Modality

SWITCHES: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": EVERYTHING,
    "nothing": NOTHING,
    "occlusion": {"occlusion": ON},
    "occlusion, not in time": {"occlusion": {"enabled": True, "in_time": False}},
    "background": {"background": ON},
    "magnification": {"magnification": ON},
    "memory": {"memory": {"enabled": True, "width": 24}},
    "memory of measured values": {"memory": {"enabled": True, "width": 24, "reads_measured": True}},
    "3D convolutions only": {"aggregation": {"kind": "convolution"}},
    "3D convolutions beside attention": {"aggregation": {"kind": "both"}},
    "knowledge": {"knowledge": ON},
    "torch tip only": {"knowledge": {"enabled": True, "hottest_spot": False, "torch_tip": (0.5, 0.5)}},
    "heat input": {"context": {"heat_input": True}},
    "measured values at two scales": {"measured_scales": (4.0, 64.0)},
    "no direct way for measured values": {"measured_values": False},
    "a second opinion on imperfections": {"measured_imperfections": True},
}
#: Everything that a default network must not contain.
NEW_PARTS = ("refinement", "prior", "heat_input", "volume", "projection", "gate", "memory")


@pytest.mark.parametrize("changes", SWITCHES.values(), ids=SWITCHES.keys())
def test_streaming_equals_unrolled(changes: dict[str, Any]) -> None:
    model = network(**changes)
    features = clip(model, 40)
    with torch.inference_mode():
        unrolled = model.unroll(features)
    for t, output in enumerate(stream(model, features)):
        for name in ("action_logits", "imperfection_logits", "embedding", "modality_weights"):
            torch.testing.assert_close(getattr(output, name), getattr(unrolled, name)[:, t], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("changes", SWITCHES.values(), ids=SWITCHES.keys())
def test_output_at_a_tick_does_not_depend_on_later_ticks(changes: dict[str, Any]) -> None:
    model = network(**changes)
    features = clip(model, 20)
    changed = clip(model, 20, seed=1)
    for ours, theirs in zip(features, changed, strict=True):
        assert ours is not None and theirs is not None
        theirs[:, :12] = ours[:, :12]
    with torch.inference_mode():
        before, after = model.unroll(features), model.unroll(changed)
    torch.testing.assert_close(before.action_logits[:, :12], after.action_logits[:, :12])
    assert not torch.allclose(before.action_logits[:, 12:], after.action_logits[:, 12:])


@pytest.mark.parametrize("modality", [Modality.CAMERA, Modality.THERMAL, Modality.TELEMETRY])
def test_an_invalid_modality_leaves_nothing_in_answer_or_state(modality: Modality) -> None:
    model = network(**EVERYTHING)
    features = clip(model, 30)
    features.valid[:, 5:15, modality] = 0.0
    changed = features.map(torch.clone)
    assert changed.thumbnail is not None
    for values in {
        Modality.CAMERA: (changed.camera, changed.thumbnail),
        Modality.THERMAL: (changed.thermal, changed.thermal_statistics),
        Modality.TELEMETRY: (changed.telemetry,),
    }[modality]:
        values[:, 5:15] = 7.0
    for before, after in zip(stream(model, features), stream(model, changed), strict=True):
        torch.testing.assert_close(before.action_logits, after.action_logits)
    with torch.inference_mode():
        torch.testing.assert_close(model.unroll(features).action_logits, model.unroll(changed).action_logits)


@pytest.mark.parametrize("part", ["occlusion", "background", "magnification", "knowledge", "memory"])
def test_each_mechanism_changes_the_answer(part: str) -> None:
    """A switch that changed nothing would be a switch of nothing."""
    plain, switched = network(), network(**{part: ON})
    switched.load_state_dict(plain.state_dict(), strict=False)
    features = clip(plain, 12)
    with torch.inference_mode():
        assert not torch.allclose(plain.unroll(features).action_logits, switched.unroll(features).action_logits)


def test_a_default_network_has_no_part_of_a_mechanism_that_is_off() -> None:
    names = [name for name in MsStan(small()).state_dict() if any(part in name for part in NEW_PARTS)]
    assert names == []
    assert tuple(state_shapes(small())) == ("convolution", "ring", "filled")
    assert StepGraph(network()).input_names[-3:] == ("convolution", "ring", "filled")


def test_a_card_written_before_the_mechanisms_loads() -> None:
    earlier = (
        '{"size": "nano", "inputs": {"camera_px": 128, "thermal_px": 48}, "backbone_blocks": 8, "pretrained": true, '
        '"width": 96, "attention_heads": 4, "windows": [4, 16, 64], "temporal_kernel": 5, "dropout": 0.2}'
    )
    assert ModelConfig.model_validate_json(earlier) == ModelConfig()


def test_a_configuration_survives_the_card() -> None:
    config = small(**EVERYTHING)
    assert ModelConfig.model_validate(json.loads(config.model_dump_json())) == config


def test_an_unknown_switch_is_refused() -> None:
    with pytest.raises(ValidationError, match="gamma"):
        small(magnification={"enabled": True, "gamma": 2.0})


@pytest.mark.parametrize("windows", [(16, 4), (4, 4), (0, 4)])
def test_windows_that_do_not_ascend_are_refused(windows: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="windows"):
        small(windows=windows)


@pytest.mark.parametrize("changes", [{}, EVERYTHING, NOTHING], ids=["plain", "everything", "nothing"])
def test_engines_without_torch_know_the_state(changes: dict[str, Any]) -> None:
    model = network(**changes)
    parts = model.initial_state().parts()
    arrays = initial_state(model.config)
    assert list(arrays) == list(parts) == [name for name in State._fields if name in parts]
    for name, part in parts.items():
        np.testing.assert_array_equal(arrays[name], part.numpy())
        assert arrays[name].dtype == part.numpy().dtype


def test_a_guided_network_asks_for_thumbnails() -> None:
    model = network(knowledge=ON)
    with pytest.raises(InputError, match="thumbnails"):
        model.unroll(clip(model, 3)._replace(thumbnail=None))


def test_dropout_of_modalities_never_drops_the_last_and_keeps_the_sum() -> None:
    model = network(fusion={"dropout": 0.5}).train()
    features = clip(model, 200)
    features.valid[:, :150] = 1.0
    with torch.no_grad():
        weights = model.unroll(features).modality_weights
    valid = features.valid
    torch.testing.assert_close(weights.sum(dim=2), valid.amax(dim=2))
    dropped = (weights == 0) & (valid > 0)
    # Of four, each is dropped half the time, unless all are (one in sixteen): 0.5 - 0.0625.
    assert dropped[:, :150].float().mean() == pytest.approx(0.4375, abs=0.06)
    assert not (dropped & (valid.sum(dim=2, keepdim=True) == 1)).any()


def test_mean_fusion_counts_valid_modalities_alike() -> None:
    model = network(fusion={"kind": "mean"})
    features = clip(model, 20)
    with torch.inference_mode():
        weights = model.unroll(features).modality_weights
    torch.testing.assert_close(weights, features.valid / features.valid.sum(dim=2, keepdim=True).clamp(min=1.0))


@pytest.mark.slow
@pytest.mark.parametrize("changes", [EVERYTHING, NOTHING], ids=["everything", "nothing"])
def test_exported_graphs_equal_torch_over_a_stream(changes: dict[str, Any], tmp_path: Path) -> None:
    model = network(**changes)
    assert export_step(model, tmp_path) <= TOLERANCE
    assert largest_difference(model, tmp_path / STEP_FILE, ticks=2 * model.config.ring_ticks + 5) <= TOLERANCE
    gate = {GATE_FILE} if model.gate is not None else set()
    assert {path.name for path in tmp_path.iterdir()} == {STEP_FILE, LOOK_FILE, HELD_STEP_FILE, *gate}
    session = onnxruntime.InferenceSession(tmp_path / STEP_FILE)
    assert [o.name for o in session.get_outputs()] == list(StepGraph(model).output_names)
    assert SMALL["inputs"]["camera_px"] in session.get_inputs()[0].shape


def test_an_exported_graph_says_nothing_of_the_machine_it_was_exported_on(tmp_path: Path) -> None:
    export_step(network(), tmp_path)
    for file in tmp_path.iterdir():
        assert b".py" not in file.read_bytes()
