"""Importance that is not taught: the more of the image has changed since the last look, the higher."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engine_streams import assert_equal, run, ticks
from hypothesis import given
from hypothesis import strategies as st
from recording_examples import CONFIG, recording
from small_model import write_model

from msstan_core.errors import InputError
from msstan_core.inference.engine import load_engine
from msstan_core.inference.frame_sampling import FrameSampling
from msstan_core.model.configuration import ModelConfig
from msstan_core.model.importance import ImportanceGate
from msstan_core.model.ms_stan import MsStan
from msstan_core.model.switches import SamplingConfig
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.losses.weights import LossWeights, check_losses
from msstan_core.training.trainer import train
from msstan_core.training.transfer import initial_weights

CHANGE = ModelConfig(sampling=SamplingConfig(enabled=True, score="change"))
GATE = ImportanceGate(CHANGE)


def importance(before: float, after: float, sound_db: float = 0.0) -> float:
    """Of a frame of one grey level after a look at one of another, with a sound that has changed too."""
    side, mel, px = CHANGE.inputs.camera_px // 4, CHANGE.inputs.log_mel, CHANGE.inputs.thermal_px
    first, second = (
        GATE.summary(
            torch.full((1, side, side), grey),
            torch.zeros(1, px, px),
            torch.full((1, mel.bands, mel.frames), db),
            torch.zeros(1, CHANGE.inputs.telemetry_count),
            torch.ones(1, 4),
        )
        for grey, db in ((before, 0.0), (after, sound_db))
    )
    return float(GATE.score(GATE.changes(second, first)).sigmoid())


@given(st.floats(0, 255), st.floats(0, 255), st.floats(0, 255))
def test_a_larger_change_is_never_less_important(reference: float, one: float, other: float) -> None:
    small, large = sorted((one, other), key=lambda grey: abs(grey - reference))
    assert importance(reference, small) <= importance(reference, large) + 1e-5


def test_an_arc_in_a_dark_image_is_important_and_noise_in_it_is_not() -> None:
    assert importance(5.0, 6.0) < 0.2
    assert importance(5.0, 150.0) > 0.8


def test_sound_alone_makes_no_frame_worth_a_look() -> None:
    """The network hears it whether the frame is looked at or not."""
    assert importance(5.0, 5.0, sound_db=40.0) == importance(5.0, 5.0)


def test_there_is_nothing_to_teach() -> None:
    assert not list(GATE.parameters())
    check_losses("recipe", LossWeights(), CHANGE)
    with pytest.raises(InputError, match="no score to teach"):
        check_losses("recipe", LossWeights(importance=0.1), CHANGE)


def test_torch_and_onnx_look_at_the_same_frames(tmp_path: Path) -> None:
    package = write_model(
        tmp_path / "model",
        sampling={"enabled": True, "score": "change", "longest_hold": 16},
        width=16,
        backbone_blocks=4,
        inputs={"camera_px": 32, "thermal_px": 16},
        windows=(2, 9),
    )
    stream = ticks(MsStan(package.card.config), 60)
    onnx = run(load_engine(package, sampling=FrameSampling(share=0.3)), stream)
    reference = run(load_engine(package, "torch", sampling=FrameSampling(share=0.3)), stream)
    assert 0 < sum(answer.looked for answer in onnx) < 30
    for ours, theirs in zip(onnx, reference, strict=True):
        assert ours.looked == theirs.looked
        assert_equal(ours, theirs)


def test_a_gate_that_nothing_teaches_is_no_matter_of_training(tmp_path: Path) -> None:
    """It needs no thumbnails, no clip is held for it, and weights from without it will do to begin with."""
    ready = SamplingConfig(enabled=True, score="change", held_clips=0.0)
    assert not ready.trained and CHANGE.sampling.trained and SamplingConfig(enabled=True, held_clips=0.0).trained
    assert not ModelConfig(sampling=ready).uses_thumbnail
    data = [recording(f"g{i}", i) for i in range(3)]
    quick = CONFIG.model_copy(update={"steps": 2})
    gated = quick.model_copy(update={"model": {**quick.model, "sampling": ready.model_dump()}})
    plain, with_gate = (train(config, data).model.state_dict() for config in (quick, gated))
    assert plain.keys() == with_gate.keys()
    assert all(torch.equal(plain[name], with_gate[name]) for name in plain)
    package = write_model(tmp_path / "without")
    wanted = package.card.config.model_copy(update={"sampling": ready})
    assert initial_weights(package.directory, TrainingConfig(model=wanted.model_dump())).gate is None
    taught = package.card.config.model_copy(update={"sampling": SamplingConfig(enabled=True)})
    with pytest.raises(InputError, match="sampling"):
        initial_weights(package.directory, TrainingConfig(model=taught.model_dump()))
