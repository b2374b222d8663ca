"""A run that was killed resumes to the weights it would have had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sound_welds import CONFIG, sound_recordings

from msstan_core.errors import InputError
from msstan_core.training.recording_features import Recording
from msstan_core.training.trainer import CHECKPOINT_FILE, train


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    return sound_recordings(tmp_path_factory)


def test_interrupted_run_resumes_to_the_same_weights(recordings: list[Recording], tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(step: int, steps: int, loss: float) -> None:
        if step == 17:  # the last checkpoint is at 14
            raise Interrupted

    config = CONFIG.model_copy(update={"steps": 20})
    whole = train(config, recordings, tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(config, recordings, tmp_path / "cut", progress=interrupt)
    resumed = train(config, recordings[::-1], tmp_path / "cut")
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, msg=name)


def test_a_resumed_run_counts_the_time_before_it_too(recordings: list[Recording], tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"steps": 2})
    train(config, recordings, tmp_path)
    saved = torch.load(tmp_path / CHECKPOINT_FILE, weights_only=False)
    torch.save({**saved, "seconds": 1000.0}, tmp_path / CHECKPOINT_FILE)
    assert train(config, recordings, tmp_path).seconds > 1000.0


def test_checkpoint_of_another_configuration_is_refused(recordings: list[Recording], tmp_path: Path) -> None:
    train(CONFIG.model_copy(update={"steps": 2}), recordings, tmp_path)
    with pytest.raises(InputError, match="another configuration"):
        train(CONFIG.model_copy(update={"steps": 3}), recordings, tmp_path)


def test_checkpoint_of_other_recordings_is_refused(recordings: list[Recording], tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"steps": 2})
    train(config, recordings, tmp_path)
    train(config, recordings[::-1], tmp_path)  # the same ones
    reread = [replace(recordings[0], source="read with other params"), *recordings[1:]]
    features = recordings[0].features
    relabelled = [replace(recordings[0], features=replace(features, action=features.action * 0)), *recordings[1:]]
    for other in (recordings[1:], reread, relabelled):
        with pytest.raises(InputError, match="belongs to other recordings, or to other labels or --params"):
            train(config, other, tmp_path)


def test_damaged_checkpoint_is_one_clear_error(recordings: list[Recording], tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=CHECKPOINT_FILE):
        train(CONFIG, recordings, tmp_path)


def test_a_file_that_is_no_checkpoint_of_this_version_is_one_clear_error(
    recordings: list[Recording], tmp_path: Path
) -> None:
    config = CONFIG.model_copy(update={"steps": 2})
    train(config, recordings, tmp_path)
    saved = torch.load(tmp_path / CHECKPOINT_FILE, weights_only=False)
    for content, said in (
        ({"weights": torch.zeros(2)}, "is no checkpoint of a training"),
        ({**saved, "model": {"other": torch.zeros(2)}}, "does not fit this version"),
    ):
        torch.save(content, tmp_path / CHECKPOINT_FILE)
        with pytest.raises(InputError, match=said):
            train(config, recordings, tmp_path)


def test_a_loss_that_is_no_number_ends_the_run_and_leaves_the_last_checkpoint(
    recordings: list[Recording], tmp_path: Path
) -> None:
    config = CONFIG.model_copy(update={"steps": 4, "checkpoint_every": 1})
    train(config, recordings, tmp_path)
    good = (tmp_path / CHECKPOINT_FILE).read_bytes()
    saved = torch.load(tmp_path / CHECKPOINT_FILE, weights_only=False)
    torch.save({**saved, "step": 3}, tmp_path / CHECKPOINT_FILE)
    kept = (tmp_path / CHECKPOINT_FILE).read_bytes()
    assert kept != good
    spoilt = [r if k else _spoilt(r) for k, r in enumerate(recordings)]
    with pytest.raises(InputError, match=r"step \d: the loss is nan; set a lower learning_rate"):
        train(config, spoilt, tmp_path)
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == kept


def _spoilt(recording: Recording) -> Recording:
    return replace(
        recording, features=replace(recording.features, log_mel=np.full_like(recording.features.log_mel, np.nan))
    )
