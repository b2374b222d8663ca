"""Clips: where they lie, and what of them is learnt from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sound_welds import sound_recordings

from msstan_core.training.clips import ClipSampler, changes_of
from msstan_core.training.configuration import AugmentationConfig
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import Modality


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    return sound_recordings(tmp_path_factory)


def test_clips_are_placed_where_an_action_or_an_imperfection_begins_or_ends(recordings: list[Recording]) -> None:
    features = recordings[0].features
    actions = np.flatnonzero(np.diff(features.action)) + 1
    assert changes_of(features).tolist() == actions.tolist(), "unknown imperfections have no edges"
    imperfection = features.imperfection.copy()
    imperfection[:, 3] = 0.0
    imperfection[20:26, 3] = 1.0
    marked = replace(features, imperfection=imperfection)
    assert changes_of(marked).tolist() == sorted({*actions.tolist(), 20, 26})


def test_the_beginning_of_a_clip_is_warm_up_unless_its_recording_begins_there(recordings: list[Recording]) -> None:
    longest = max(len(r.features.time_s) for r in recordings)
    for ticks, warm in ((48, True), (longest, False)):
        sampler = ClipSampler(recordings, ticks, 0.5, AugmentationConfig(), seed=0, warm_up_ticks=12)
        batch = sampler.draw(8)
        left_out = (batch.weight[:, :12] == 0).all(dim=1)
        assert left_out.any() == warm
        assert batch.imperfection[left_out, :12].isnan().all()
        assert (batch.weight[:, 12] == 1).all()
        assert (batch.weight[~left_out, :12] == 1).all()


def test_image_free_batches_hide_the_images_of_clips_that_hold_something_else(recordings: list[Recording]) -> None:
    heard = recordings[0]
    ticks = len(heard.features.time_s)
    images = {
        "camera": np.ones((ticks, *heard.features.camera.shape[1:]), np.float16),
        "camera_row": np.arange(ticks),
        "valid": np.tile(np.float32([1, 0, 1, 0]), (ticks, 1)),
    }
    both = replace(heard, features=replace(heard.features, **images))
    seen = replace(heard, features=replace(both.features, valid=np.tile(np.float32([1, 0, 0, 0]), (ticks, 1))))
    plain = AugmentationConfig(modality_dropout=0.0)
    for recording, share, expected in ((both, 0.0, 1.0), (both, 0.999, 0.0), (seen, 0.999, 1.0)):
        batch = ClipSampler([recording], 16, 0.5, plain, seed=0, image_free=share).draw(4)
        assert (batch.features.valid[..., Modality.CAMERA] == expected).all()
        assert bool(batch.features.camera.abs().sum() > 0) == bool(expected)
    assert (batch.features.valid[..., Modality.ACOUSTIC] == 0).all()


def test_batches_with_images_are_of_recordings_that_have_some(recordings: list[Recording]) -> None:
    """The context tells them apart: 1 for the recording with a camera, 2 for those without."""

    def told(recording: Recording, context: int, **more: np.ndarray) -> Recording:
        known = np.full_like(recording.features.context, context)
        return replace(recording, features=replace(recording.features, context=known, **more))

    ticks = len(recordings[0].features.time_s)
    camera = np.ones((ticks, *recordings[0].features.camera.shape[1:]), np.float16)
    valid = np.tile(np.float32([1, 0, 1, 0]), (ticks, 1))
    seen = told(recordings[0], 1, camera=camera, camera_row=np.arange(ticks), valid=valid)
    everything = [seen, *(told(r, 2) for r in recordings[1:])]
    plain = AugmentationConfig(modality_dropout=0.0)
    for share, expected in ((0.001, {1}), (0.999, {1, 2}), (0.0, {1, 2})):
        sampler = ClipSampler(everything, 16, 0.5, plain, seed=0, image_free=share)
        assert set(sampler.draw(64).features.context.unique().tolist()) == expected
    sampler = ClipSampler([told(r, 2) for r in recordings], 16, 0.5, plain, seed=0, image_free=0.001)
    assert set(sampler.draw(8).features.context.unique().tolist()) == {2}, "nothing has images: all are drawn"


def test_real_recordings_are_drawn_as_often_as_is_asked(recordings: list[Recording]) -> None:
    """Two equally long recordings of different groups: with a weight of 4 four of five clips are of the real one."""
    context = {True: 1, False: 2}
    pair = [
        replace(
            recordings[0],
            attributes={"group": str(simulated), "simulated": str(simulated).lower()},
            features=replace(
                recordings[0].features, context=np.full_like(recordings[0].features.context, context[simulated])
            ),
        )
        for simulated in (True, False)
    ]
    batch = ClipSampler(pair, 16, 0.5, AugmentationConfig(), seed=0, real_weight=4.0).draw(400)
    assert 0.74 < (batch.features.context[:, 0, 0] == context[False]).float().mean() < 0.86
