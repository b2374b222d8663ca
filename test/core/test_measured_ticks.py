"""The direct way from measured values to imperfections, and the single ticks that teach it."""

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
    "measured_values": True,
    "measured_imperfections": True,
}
NOTHING_HIDDEN = AugmentationConfig(modality_dropout=0.0)
CONFIG = TrainingConfig(
    steps=2, clips_per_step=2, clip_ticks=16, validation_share=0.0, measured_ticks=64, model=MODEL,
    augmentation=NOTHING_HIDDEN, imperfection_weight=1.0,
)  # fmt: skip


def told_by_telemetry(seed: int) -> Recording:
    """Noise whose fourth imperfection is there where the one number that the telemetry tells is above 1."""
    recording = random_recording(CONFIG, seed)
    features = recording.features
    telemetry, imperfection = features.telemetry * np.eye(1, features.telemetry.shape[1]), features.imperfection.copy()
    imperfection[:, 3] = telemetry[:, 0] > 1.0
    telemetry = telemetry.astype(np.float32)
    return replace(recording, features=replace(features, telemetry=telemetry, imperfection=imperfection))


def test_measured_values_say_what_they_say_whatever_else_is_seen() -> None:
    """The answer is what the rest says and what the measured values say, added."""
    model = network(measured_imperfections=True)
    features = clip(model, 7)
    with torch.inference_mode():
        both = model.unroll(features).imperfection_logits
        flat = features.map(lambda part: part.flatten(0, 1))
        said = model.imperfections_measured(flat.telemetry, flat.thermal_statistics, flat.context, flat.valid)
        assert model.measured is not None and model.measured.imperfections is not None
        torch.nn.init.zeros_(model.measured.imperfections[-1].weight)
        rest = model.unroll(features).imperfection_logits
    torch.testing.assert_close(both, rest + said.unflatten(0, (1, 7)))
    assert not torch.equal(both, rest)


def test_without_telemetry_and_temperatures_nothing_is_said() -> None:
    model = network(measured_imperfections=True)
    features = clip(model, 5).map(lambda part: part.flatten(0, 1))
    features.valid[:, [Modality.THERMAL, Modality.TELEMETRY]] = 0.0
    features.telemetry[:] = torch.nan
    said = model.imperfections_measured(*(features.telemetry, features.thermal_statistics), *features[4:6])
    assert torch.equal(said, torch.zeros(5, 13))


def test_the_way_is_a_choice_and_needs_measured_values() -> None:
    model = MsStan(small())
    assert model.measured is not None and model.measured.imperfections is None
    features = clip(model, 2).map(lambda part: part.flatten(0, 1))
    with pytest.raises(InputError, match="measured_ticks"):
        model.imperfections_measured(*(features.telemetry, features.thermal_statistics), *features[4:6])
    with pytest.raises(ValueError, match="needs measured_values"):
        small(measured_imperfections=True, measured_values=False)


def test_ticks_are_drawn_of_what_is_measured_and_labelled() -> None:
    labelled, bare = told_by_telemetry(0), without_labels(random_recording(CONFIG, 1))
    labelled.features.valid[8:20, [Modality.THERMAL, Modality.TELEMETRY]] = 0.0  # seen and heard only
    ticks = TickSampler(CONFIG, [bare, labelled]).draw()
    assert ticks is not None
    assert len(ticks.telemetry) == 64
    assert torch.isfinite(ticks.imperfection).all()
    rows = [int(np.flatnonzero(labelled.features.telemetry[:, 0] == t[0].item())[0]) for t in ticks.telemetry]
    assert not set(rows) & set(range(5, 20)), "5 to 8 are a gap of all sensors"
    np.testing.assert_array_equal(ticks.imperfection.numpy(), labelled.features.imperfection[rows])
    assert set(ticks.valid.sum(dim=0).tolist()) == {0.0, 64.0}
    assert (ticks.valid[:, [Modality.CAMERA, Modality.ACOUSTIC]] == 0).all()


def test_sensors_and_programme_are_hidden_as_in_clips() -> None:
    config = CONFIG.model_copy(
        update={
            "measured_ticks": 4096,
            "augmentation": AugmentationConfig(modality_dropout=0.5, programme_dropout=0.5),
            "model": {**MODEL, "inputs": {"camera_px": 32, "thermal_px": 16, "telemetry_programme": True}},
        }
    )
    recording = told_by_telemetry(0)
    wide = np.ones((len(recording.features.telemetry), config.programme_columns.stop), np.float32)
    ticks = TickSampler(config, [replace(recording, features=replace(recording.features, telemetry=wide))]).draw()
    assert ticks is not None
    shown = ticks.valid[:, [Modality.THERMAL, Modality.TELEMETRY]].mean(dim=0)
    assert (shown > 0.3).all() and (shown < 0.9).all()
    untold = (ticks.telemetry[:, config.programme_columns] == 0).all(dim=1).float().mean()
    assert 0.3 < untold < 0.7


def test_where_no_tick_can_teach_none_is_drawn_and_the_way_stays_silent() -> None:
    bare = without_labels(random_recording(CONFIG, 0))
    assert TickSampler(CONFIG, [bare]).draw() is None
    assert TickSampler(CONFIG.model_copy(update={"measured_ticks": 0}), [told_by_telemetry(0)]).draw() is None
    another = CONFIG.model_copy(update={"model": {**MODEL, "measured_imperfections": False}})
    assert TickSampler(another, [told_by_telemetry(0)]).draw() is None
    unknown = np.full_like(bare.features.imperfection, np.nan)
    heard = random_recording(CONFIG, 1)
    measured = train(CONFIG, [replace(heard, features=replace(heard.features, imperfection=unknown))]).model.measured
    assert measured is not None and measured.imperfections is not None
    assert not measured.imperfections[-1].weight.any()


def test_clips_teach_the_rest_of_the_network_and_not_this_way() -> None:
    model = network(measured_imperfections=True).train()
    model.unroll(clip(model, 4)).imperfection_logits.sum().backward()
    assert model.measured is not None and model.measured.imperfections is not None
    assert all(p.grad is None for p in model.measured.imperfections.parameters())
    assert all(p.grad is not None for p in model.measured.layers.parameters())


def test_a_departure_is_learnt_from_single_ticks_alone() -> None:
    torch.manual_seed(0)
    model = MsStan(CONFIG.model_config_of_size())
    sampler = TickSampler(CONFIG, [told_by_telemetry(seed) for seed in range(6)])
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        ticks = sampler.draw()
        assert ticks is not None
        optimiser.zero_grad()
        imperfection_loss(model.imperfections_measured(*ticks[:4]), ticks.imperfection).backward()
        optimiser.step()
    apart = told_by_telemetry(99).features
    measured = (torch.from_numpy(part) for part in (apart.telemetry, apart.thermal_statistics, apart.context))
    said = model.imperfections_measured(*measured, torch.ones(len(apart.telemetry), 4)).detach().numpy()
    present = apart.imperfection[:, 3] > 0
    assert said[present, 3].mean() > said[~present, 3].mean() + 1.5
    assert said[:, 4].max() < -2.0, "what no tick shows is not expected"


def test_training_counts_them_beside_the_clips(tmp_path: Path) -> None:
    recordings = [told_by_telemetry(seed) for seed in range(2)]
    ways = []
    for ticks in (0, 64):
        config = CONFIG.model_copy(update={"measured_ticks": ticks, "steps": 4})
        ways.append(train(config, recordings, tmp_path / str(ticks)).model.measured)
        with (tmp_path / str(ticks) / LOG_FILE).open(newline="") as log:
            assert all(bool(row["measured_loss"]) == bool(ticks) for row in csv.DictReader(log))
    assert ways[0] is not None and ways[0].imperfections is not None
    assert ways[1] is not None and ways[1].imperfections is not None
    assert not torch.equal(ways[0].imperfections[-1].weight, ways[1].imperfections[-1].weight)


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
