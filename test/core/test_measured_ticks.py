"""The second opinion on imperfections: what it says, and the single ticks that teach it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model_examples import clip, network, small
from training_examples import random_recording, without_labels

from msstan_core.errors import InputError
from msstan_core.model.measured_imperfections import SHARE
from msstan_core.model.ms_stan import MsStan
from msstan_core.training.configuration import AugmentationConfig, TrainingConfig
from msstan_core.training.losses.classification import imperfection_loss
from msstan_core.training.measured_ticks import TickSampler
from msstan_core.training.recording_features import Recording
from msstan_core.training.trainer import train
from msstan_core.training.training_log import LOG_FILE
from msstan_core.vocabulary import Modality

MODEL = {
    "width": 16,
    "pretrained": False,
    "attention_heads": 2,
    "inputs": {"camera_px": 32, "thermal_px": 16},
    "measured_imperfections": True,
}
CONFIG = TrainingConfig(
    steps=2,
    clips_per_step=2,
    clip_ticks=16,
    validation_share=0.0,
    measured_ticks=64,
    model=MODEL,
    imperfection_weight=1.0,
)


def told_by_telemetry(seed: int) -> Recording:
    """Noise whose fourth imperfection is there where the one number that the telemetry tells is above 1."""
    recording = random_recording(CONFIG, seed)
    features = recording.features
    telemetry, imperfection = features.telemetry * np.eye(1, features.telemetry.shape[1]), features.imperfection.copy()
    imperfection[:, 3] = telemetry[:, 0] > 1.0
    telemetry = telemetry.astype(np.float32)
    return replace(recording, features=replace(features, telemetry=telemetry, imperfection=imperfection))


def test_the_answer_is_the_mean_of_both_opinions_where_there_is_telemetry() -> None:
    model = network(measured_imperfections=True)
    features = clip(model, 30)
    told = features.valid[0, :, Modality.TELEMETRY] > 0
    assert told.any() and not told.all()
    features.telemetry[0, ~told] = torch.nan
    flat = features.map(lambda part: part.flatten(0, 1))
    with torch.inference_mode():
        both = model.unroll(features).imperfection_logits[0]
        own = model.imperfections_measured(flat.telemetry.nan_to_num(), flat.context, flat.valid)
        assert model.measured_imperfections is not None
        model.measured_imperfections.share.zero_()
        network_alone = model.unroll(features).imperfection_logits[0]
    torch.testing.assert_close(both[told], (network_alone + own)[told] / 2)
    assert torch.equal(both[~told], network_alone[~told])
    assert not torch.allclose(both[told], network_alone[told])


def test_it_is_not_heard_before_it_is_taught() -> None:
    model = MsStan(small(measured_imperfections=True)).eval()
    features = clip(model, 5)
    features.valid[:] = 1.0
    changed = features.map(torch.clone)
    assert model.measured_imperfections is not None
    with torch.inference_mode():
        before = model.unroll(features).imperfection_logits
        for parameter in model.measured_imperfections.parameters():
            parameter.add_(1.0)
        assert torch.equal(model.unroll(changed).imperfection_logits, before)
        model.measured_imperfections.teach()
        assert not torch.equal(model.unroll(changed).imperfection_logits, before)


def test_a_model_without_it_says_so() -> None:
    model = MsStan(small())
    features = clip(model, 2).map(lambda part: part.flatten(0, 1))
    with pytest.raises(InputError, match="measured_ticks"):
        model.imperfections_measured(features.telemetry, features.context, features.valid)


def test_clips_teach_the_network_and_single_ticks_the_second_opinion() -> None:
    model = network(measured_imperfections=True).train()
    assert model.measured_imperfections is not None
    features = clip(model, 4)
    model.unroll(features).imperfection_logits.sum().backward()
    assert all(p.grad is None for p in model.measured_imperfections.parameters())
    assert model.heads.imperfection.weight.grad is not None
    model.zero_grad()
    flat = features.map(lambda part: part.flatten(0, 1))
    model.imperfections_measured(flat.telemetry, flat.context, flat.valid).sum().backward()
    assert all(p.grad is not None for p in model.measured_imperfections.parameters())
    others = [n for n, p in model.named_parameters() if p.grad is not None]
    assert all(name.startswith("measured_imperfections.") for name in others), "nor the embedding of the context"


def test_ticks_are_drawn_of_what_is_told_and_labelled() -> None:
    labelled, bare = told_by_telemetry(0), without_labels(random_recording(CONFIG, 1))
    labelled.features.valid[8:20, Modality.TELEMETRY] = 0.0
    ticks = TickSampler(CONFIG, [bare, labelled]).draw()
    assert ticks is not None
    assert len(ticks.telemetry) == 64
    rows = [int(np.flatnonzero(labelled.features.telemetry[:, 0] == t[0].item())[0]) for t in ticks.telemetry]
    assert not set(rows) & set(range(5, 20)), "5 to 8 are a gap of all sensors"
    np.testing.assert_array_equal(ticks.imperfection.numpy(), labelled.features.imperfection[rows])


def test_the_programme_is_hidden_as_in_clips_of_each_tick_for_itself() -> None:
    config = CONFIG.model_copy(
        update={
            "measured_ticks": 4096,
            "augmentation": AugmentationConfig(programme_dropout=0.5),
            "model": {**MODEL, "inputs": {"camera_px": 32, "thermal_px": 16, "telemetry_programme": True}},
        }
    )
    recording = told_by_telemetry(0)
    wide = np.ones((len(recording.features.telemetry), config.programme_columns.stop), np.float32)
    ticks = TickSampler(config, [replace(recording, features=replace(recording.features, telemetry=wide))]).draw()
    assert ticks is not None
    told = ticks.telemetry[:, config.programme_columns]
    assert 0.45 < (told == 0).all(dim=1).float().mean() < 0.55
    assert len(told[:, 0].unique()) > 1000, "an error of its own"


def test_where_no_tick_can_teach_none_is_drawn_and_the_opinion_is_not_heard() -> None:
    bare = without_labels(random_recording(CONFIG, 0))
    assert TickSampler(CONFIG, [bare]).draw() is None
    assert TickSampler(CONFIG.model_copy(update={"measured_ticks": 0}), [told_by_telemetry(0)]).draw() is None
    another = CONFIG.model_copy(update={"model": {**MODEL, "measured_imperfections": False}})
    assert TickSampler(another, [told_by_telemetry(0)]).draw() is None
    unknown = np.full_like(bare.features.imperfection, np.nan)
    heard = random_recording(CONFIG, 1)
    heard = replace(heard, features=replace(heard.features, imperfection=unknown))
    opinion = train(CONFIG, [heard]).model.measured_imperfections
    assert opinion is not None and opinion.share == 0.0
    with pytest.raises(InputError, match="trained_part: measured"):
        train(CONFIG.model_copy(update={"trained_part": "measured"}), [heard])


def test_a_departure_is_learnt_from_single_ticks_alone() -> None:
    torch.manual_seed(0)
    model = MsStan(CONFIG.model_config_of_size())
    sampler = TickSampler(CONFIG, [told_by_telemetry(seed) for seed in range(6)])
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        ticks = sampler.draw()
        assert ticks is not None
        optimiser.zero_grad()
        imperfection_loss(model.imperfections_measured(*ticks[:3]), ticks.imperfection).backward()
        optimiser.step()
    apart = told_by_telemetry(99).features
    inputs = (torch.from_numpy(part) for part in (apart.telemetry, apart.context, apart.valid))
    said = model.eval().imperfections_measured(*inputs).detach().numpy()
    present = apart.imperfection[:, 3] > 0
    assert said[present, 3].mean() > said[~present, 3].mean() + 1.5
    assert said[:, 4].max() < -2.0, "what no tick shows is not expected"


def test_training_teaches_it_beside_the_clips_or_by_itself(tmp_path: Path) -> None:
    recordings = [told_by_telemetry(seed) for seed in range(2)]
    beside = train(CONFIG, recordings, tmp_path / "beside").model
    assert beside.measured_imperfections is not None
    assert beside.measured_imperfections.share == SHARE
    alone = CONFIG.model_copy(update={"trained_part": "measured", "measured_ticks": 32})
    after = train(alone, recordings, tmp_path / "alone", initial=beside).model.state_dict()
    changed = {n for n, before in beside.state_dict().items() if not torch.equal(before, after[n])}
    assert changed == {f"measured_imperfections.{n}" for n, _ in beside.measured_imperfections.named_parameters()}
    for name in ("beside", "alone"):
        with (tmp_path / name / LOG_FILE).open(newline="") as log:
            rows = list(csv.DictReader(log))
        assert all(row["measured_loss"] for row in rows)
        assert all(bool(row["action_loss"]) == (name == "beside") for row in rows)


def test_heads_are_trained_without_a_look_at_single_ticks(tmp_path: Path) -> None:
    recordings = [told_by_telemetry(seed) for seed in range(2)]
    heads_only = CONFIG.model_copy(update={"trained_part": "head"})
    assert TickSampler(heads_only, recordings).draw() is None
    train(heads_only, recordings, tmp_path, initial=MsStan(CONFIG.model_config_of_size()))
    with (tmp_path / LOG_FILE).open(newline="") as log:
        assert not any(row["measured_loss"] for row in csv.DictReader(log))


def test_a_model_that_had_none_gets_one_and_keeps_the_rest() -> None:
    without = CONFIG.model_copy(update={"model": {**MODEL, "measured_imperfections": False}})
    recordings = [told_by_telemetry(seed) for seed in range(2)]
    first = train(without, recordings).model
    after = train(CONFIG.model_copy(update={"trained_part": "measured"}), recordings, initial=first).model
    for name, value in first.state_dict().items():
        assert torch.equal(after.state_dict()[name], value), name
    assert after.measured_imperfections is not None and after.measured_imperfections.share == SHARE


def test_a_run_that_was_interrupted_draws_the_same_ticks(tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(step: int, steps: int, loss: float) -> None:
        if step == 5:
            raise Interrupted

    config = CONFIG.model_copy(update={"steps": 6, "checkpoint_every": 3})
    recordings = [told_by_telemetry(seed) for seed in range(2)]
    whole = train(config, recordings, tmp_path / "whole").model.state_dict()
    with pytest.raises(Interrupted):
        train(config, recordings, tmp_path / "cut", progress=interrupt)
    resumed = train(config, recordings, tmp_path / "cut").model.state_dict()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, msg=name)
