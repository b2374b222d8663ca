"""Early stopping, exact resume, adversarial and semi-supervised steps, partial training: what each promises."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_examples import clip, network
from torch import Tensor
from training_examples import random_recording, without_labels

from msstan_core.errors import InputError
from msstan_core.training.adversarial import perturbed
from msstan_core.training.array_file import mapped_arrays
from msstan_core.training.checkpoint import CHECKPOINT_FILE
from msstan_core.training.clips import ClipSampler
from msstan_core.training.configuration import AugmentationConfig, TrainingConfig
from msstan_core.training.early_stopping import EarlyStopping
from msstan_core.training.losses.classification import action_loss
from msstan_core.training.modes import EarlyStoppingConfig
from msstan_core.training.recording_features import Recording
from msstan_core.training.semi_supervised import consistency_loss, pseudo_label_loss
from msstan_core.training.trainer import train
from msstan_core.training.training_log import LOG_FILE, TrainingLog
from msstan_core.vocabulary import ACTIONS, Modality

MODEL = {
    "pretrained": False,
    "width": 16,
    "attention_heads": 2,
    "windows": (2, 5),
    "inputs": {"camera_px": 32, "thermal_px": 16},
}
CONFIG = TrainingConfig(
    steps=9,
    clips_per_step=2,
    clip_ticks=16,
    checkpoint_every=3,
    model=MODEL,
    learning_rate=0.01,
    augmentation=AugmentationConfig(occlusion=0.5, camera_grain=0.1, thermal_noise_c=5.0, telemetry_noise=0.1),
)
ALL_MODES = CONFIG.model_copy(
    update={
        "early_stopping": EarlyStoppingConfig(enabled=True, every=2, patience=9),
        "adversarial": type(CONFIG.adversarial)(epsilon=0.05),
        "semi_supervised": type(CONFIG.semi_supervised)(mode="consistency", clips_per_step=2),
    }
)


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    labelled = [random_recording(CONFIG, seed) for seed in range(3)]
    return [*labelled, without_labels(random_recording(CONFIG, 3))]


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def whole(recordings: list[Recording], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("whole")
    return train(ALL_MODES, recordings, folder, held_out=recordings[:1]), folder


def same(one: Any, other: Any) -> bool:
    weights = other.model.state_dict()
    return all(torch.equal(value, weights[name]) for name, value in one.model.state_dict().items())


@pytest.mark.parametrize("step", [1, 5, 6, 8])
def test_a_run_of_all_modes_killed_at_any_step_ends_the_same(
    step: int, recordings: list[Recording], whole: tuple[Any, Path], tmp_path: Path
) -> None:
    def kill(done: int, steps: int, loss: float) -> None:
        if done == step:
            raise Killed

    with pytest.raises(Killed):
        train(ALL_MODES, recordings, tmp_path, held_out=recordings[:1], progress=kill)
    resumed = train(ALL_MODES, recordings, tmp_path, held_out=recordings[:1])
    assert same(resumed, whole[0])
    assert (resumed.final_loss, resumed.steps) == (whole[0].final_loss, whole[0].steps)
    assert (tmp_path / LOG_FILE).read_text() == (whole[1] / LOG_FILE).read_text()


def test_a_kill_while_the_checkpoint_is_written_costs_no_more_than_the_steps_since_the_last(
    recordings: list[Recording], whole: tuple[Any, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def killed(source: Path, target: Path) -> None:
        written.extend([target] if target.name == CHECKPOINT_FILE else [])
        if len(written) == 2:  # the log of these steps is already on disk
            raise Killed
        os.rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(Killed):
            train(ALL_MODES, recordings, tmp_path, held_out=recordings[:1])
    steps: list[int] = []
    resumed = train(
        ALL_MODES, recordings, tmp_path, held_out=recordings[:1], progress=lambda step, n, loss: steps.append(step)
    )
    assert steps[0] == 4 and same(resumed, whole[0])
    assert (tmp_path / LOG_FILE).read_text() == (whole[1] / LOG_FILE).read_text()


def test_a_finished_run_is_not_trained_again(recordings: list[Recording], whole: tuple[Any, Path]) -> None:
    again = train(ALL_MODES, recordings, whole[1], held_out=recordings[:1], progress=lambda *_: pytest.fail("trained"))
    assert same(again, whole[0])


def test_early_stopping_keeps_the_best_weights_and_stops_after_its_patience() -> None:
    model = network()
    weight = next(p for p in model.parameters() if p.requires_grad)
    losses = iter([3.0, 2.0, 2.5, 2.6, math.nan])
    stopping = EarlyStopping(EarlyStoppingConfig(enabled=True, every=10, patience=2), model, lambda: next(losses), 1)
    looked = []
    for step in range(1, 100):
        with torch.no_grad():
            weight.fill_(step)
        if not math.isnan(stopping.after_step(step, last=False)):
            looked.append(step)
        if stopping.stopped:
            break
    assert looked == [10, 20, 30, 40] and (stopping.best_step, stopping.best_loss) == (20, 2.0)
    stopping.restore_best()
    assert (weight == 20).all()


def test_training_stops_early_where_the_held_out_groups_contradict(recordings: list[Recording]) -> None:
    opposite = [
        Recording(
            r.path,
            r.attributes,
            type(r.features)(
                **{**{n: getattr(r.features, n) for n in r.features.__slots__}, "action": 4 - r.features.action}
            ),
        )
        for r in recordings[:1]
    ]
    config = CONFIG.model_copy(
        update={"steps": 60, "early_stopping": EarlyStoppingConfig(enabled=True, every=4, patience=2)}
    )
    done: list[int] = []
    trained = train(config, recordings[:1], held_out=opposite, progress=lambda step, n, loss: done.append(step))
    assert trained.steps < done[-1] < 60


def test_early_stopping_without_a_held_out_recording_is_refused(recordings: list[Recording]) -> None:
    with pytest.raises(InputError, match="validation_share"):
        train(ALL_MODES, recordings)


def test_adversarial_step_raises_the_loss_within_its_bound_and_leaves_the_network_alone() -> None:
    model = network()
    features = clip(model, 12)
    labels = torch.arange(12).div(4, rounding_mode="floor")[None]

    def loss_of(perturbed_features: Any) -> Tensor:
        output = model.unroll(perturbed_features)
        return action_loss(output.action_logits, labels, torch.ones(1, 12), torch.ones(len(ACTIONS)), 0.0)

    changed = perturbed(features, loss_of, 0.05)
    assert loss_of(changed) > loss_of(features)
    assert all(p.grad is None for p in model.parameters())
    valid = features.valid[..., Modality.TELEMETRY] > 0
    step = (changed.telemetry - features.telemetry).abs()
    bound = 0.05 * features.telemetry[valid].std()
    assert (step <= bound * 1.001).all() and step[valid].max() > 0.9 * bound
    assert (step[~valid] == 0).all()
    assert torch.equal(changed.valid, features.valid) and torch.equal(changed.context, features.context)


def test_consistency_loss_by_hand() -> None:
    """Half against 0.8 / 0.2 in the one tick that counts: 2 * 0.3^2."""
    teacher = torch.tensor([[[0.8, 0.2], [1.0, 0.0]]])
    loss = consistency_loss(teacher, torch.zeros(1, 2, 2), torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx(0.18)


def test_pseudo_label_loss_by_hand() -> None:
    """Two ticks count; only the surer one has a label: log 2 over 2."""
    teacher = torch.tensor([[[0.95, 0.05], [0.6, 0.4], [0.99, 0.01]]])
    loss = pseudo_label_loss(teacher, torch.zeros(1, 3, 2), torch.tensor([[1.0, 1.0, 0.0]]), 0.9)
    assert loss.item() == pytest.approx(math.log(2) / 2)


@pytest.mark.parametrize("mode", ["consistency", "pseudo_labels"])
def test_unlabelled_recordings_teach_only_where_the_mode_is_on(mode: str, recordings: list[Recording]) -> None:
    settings = type(CONFIG.semi_supervised)(mode=mode, confidence=0.12, clips_per_step=2)
    config = CONFIG.model_copy(update={"steps": 3})
    alone = train(config, recordings[:3])
    assert same(train(config, recordings), alone), "a recording that says nothing changes nothing"
    taught = train(config.model_copy(update={"semi_supervised": settings}), recordings)
    assert not same(taught, alone)
    with pytest.raises(InputError, match=r"semi_supervised.*without labels"):
        train(config.model_copy(update={"semi_supervised": settings}), recordings[:3])


def test_two_views_of_a_clip_are_the_clip_and_its_augmented_self(recordings: list[Recording]) -> None:
    config = AugmentationConfig(modality_dropout=0.0, sound_masked_bands=0)
    plain, changed, weight = ClipSampler(recordings, 16, 0.5, config, seed=1).draw_views(3)
    assert torch.equal(plain.telemetry, changed.telemetry) and torch.equal(plain.valid, changed.valid)
    assert not torch.equal(plain.log_mel, changed.log_mel) and (weight == 1).all()


def test_head_only_training_changes_the_head_only(recordings: list[Recording]) -> None:
    config = CONFIG.model_copy(update={"steps": 1, "model": {**MODEL, "magnification": {"enabled": True}}})
    first = train(config, recordings).model
    head = train(config.model_copy(update={"trained_part": "head", "steps": 2}), recordings, initial=first).model
    before = first.state_dict()
    moved = {name.split(".")[0] for name, value in head.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"heads"}
    assert head.fusion.kind.requires_grad, "what was frozen can be trained again"


def test_tensorboard_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        TrainingLog(tmp_path, tensorboard=True)


def test_arrays_read_from_disk_equal_those_read_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {"a": rng.normal(size=(3, 4)).astype(np.float16), "b": np.arange(5), "c": np.zeros((0, 2))}
    np.savez(tmp_path / "plain.npz", **arrays)
    np.savez_compressed(tmp_path / "packed.npz", **arrays)
    found = mapped_arrays(tmp_path / "plain.npz", ("a", "c"))
    assert list(found) == ["a"] and not found["a"].flags.writeable
    np.testing.assert_array_equal(found["a"], arrays["a"])
    assert mapped_arrays(tmp_path / "packed.npz", ("a",)) == {}


def test_a_checkpoint_that_lacks_a_part_is_refused(recordings: list[Recording], tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"steps": 1})
    train(config, recordings, tmp_path)
    saved = torch.load(tmp_path / CHECKPOINT_FILE, weights_only=True)
    del saved["stopping"]
    torch.save(saved, tmp_path / CHECKPOINT_FILE)
    with pytest.raises(InputError, match="stopping"):
        train(config, recordings, tmp_path)
