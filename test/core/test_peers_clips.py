"""Clips of camera frames: labels of their newest frame, and nothing from the future."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from watched_welds import PHASES, WELDS

from msstan_core.errors import InputError
from msstan_core.observation import NANOSECONDS_PER_SECOND, CameraFrame
from msstan_core.peers.camera_frames import camera_frames
from msstan_core.peers.pixel_clips import PixelClipSampler, clip_rows, shrunk
from msstan_core.peers.registry import Sampling
from msstan_core.recordings.annotations import UNLABELLED, action_span
from msstan_core.recordings.bag import BagWriter
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import Action


@given(st.integers(0, 200), st.integers(1, 16), st.integers(1, 12))
def test_clips_end_with_the_newest_frame_and_never_look_ahead(newest: int, frames: int, stride: int) -> None:
    rows = clip_rows(np.array([newest]), Sampling(frames, 112, stride))[0]
    assert len(rows) == frames
    assert rows[-1] == newest
    assert rows.min() >= 0
    assert (np.diff(rows) >= 0).all()


def test_drawn_clips_carry_the_label_of_their_newest_frame() -> None:
    sampler = PixelClipSampler(WELDS[:1], Sampling(3, 112, 1), seed=0, every_frame=False)
    frames, actions, imperfections = sampler.draw(40)
    assert frames.shape == (40, 3, 112, 112, 3)
    assert actions.shape == (40, 1)
    assert imperfections.shape == (40, 1, 13)
    brightness = frames[:, -1].float().mean(dim=(1, 2, 3))
    idle, cooling = (brightness[(actions == p).squeeze(1)] for p in (PHASES[0], PHASES[-1]))
    assert idle.max() < cooling.min()


def test_streaming_clips_label_every_frame_and_nothing_before_the_start() -> None:
    sampler = PixelClipSampler(WELDS[:1], Sampling(30, 112, 2), seed=0, every_frame=True)
    _, actions, imperfections = sampler.draw(20)
    assert actions.shape == (20, 30)
    unlabelled = actions == UNLABELLED
    assert unlabelled.any(), "clips that begin before the recording"
    assert torch.isnan(imperfections[unlabelled]).all()


def test_frames_shrink_by_averaging() -> None:
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    frames[:, :2, :2] = [[[0], [10]], [[20], [30]]]
    small = shrunk(frames, 2)
    assert small.shape == (2, 2, 2, 3)
    assert small[0, :, :, 0].tolist() == [[15, 0], [0, 0]]
    assert shrunk(frames, 4) is frames
    with pytest.raises(InputError, match="multiple"):
        shrunk(frames, 3)


def test_frames_are_those_that_the_features_were_made_of(tmp_path: Path) -> None:
    bag = tmp_path / "weld"
    with BagWriter(bag, attributes={"group": "a"}) as writer:
        writer.annotate([action_span(0.0, 0.4, Action.IDLE, "test")])
        for i in range(10):
            stamp = 10**18 + i * NANOSECONDS_PER_SECOND // 25
            writer.write(CameraFrame(stamp, image=np.full((48, 64, 3), 20 * i, np.uint8)))
    recording = Recording(bag, {}, replace(WELDS[0].recording.features, camera_row=np.arange(10)))
    frames = camera_frames(recording, frozenset(), 24, tmp_path / "cache")
    assert frames.shape == (10, 24, 24, 3)
    assert frames[:, 0, 0, 0].tolist() == [20 * i for i in range(10)]
    fewer = replace(recording, features=replace(recording.features, camera_row=np.full(10, -1)))
    with pytest.raises(InputError, match="10 frames"):
        camera_frames(fewer, frozenset(), 24, tmp_path / "cache")
