"""Thumbnails of camera frames: stored only where the network reads them, and then what the live graph computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from model_examples import ON, small

from msstan_core.errors import InputError
from msstan_core.model.ms_stan import MsStan
from msstan_core.model.thumbnail import grey_thumbnail
from msstan_core.observation import NANOSECONDS_PER_SECOND, CameraFrame
from msstan_core.preprocessing.images import FrameReader
from msstan_core.recordings.bag_writer import BagWriter
from msstan_core.training.clips import whole_recording
from msstan_core.training.recording_features import FeatureExtractor

FRAMES = 4
GUIDED = small(knowledge=ON)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bags") / "weld"
    with BagWriter(path, attributes={"importer": "test"}) as writer:
        for i in range(FRAMES):
            writer.write(CameraFrame(10**18 + i * NANOSECONDS_PER_SECOND // 25, image=frame(i)))
    return path


def frame(index: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(index).integers(0, 256, (96, 128, 3), dtype=np.uint8)


def test_stored_thumbnails_are_those_of_the_live_graph(bag: Path, tmp_path: Path) -> None:
    extract = FeatureExtractor(GUIDED, tmp_path)
    first, cached = extract(bag).features, extract(bag).features
    assert first.thumbnail is not None and cached.thumbnail is not None
    np.testing.assert_array_equal(first.thumbnail, cached.thumbnail)
    reader = FrameReader(GUIDED.inputs.camera_px)
    for index in range(FRAMES):
        image = reader.read(CameraFrame(0, image=frame(index)))
        live = grey_thumbnail(torch.from_numpy(image[None]))[0].numpy()
        np.testing.assert_array_equal(cached.thumbnail[cached.camera_row[index]], live)


def test_a_network_that_reads_none_stores_none_and_the_caches_are_kept_apart(bag: Path, tmp_path: Path) -> None:
    assert FeatureExtractor(small(), tmp_path)(bag).features.thumbnail is None
    assert FeatureExtractor(GUIDED, tmp_path)(bag).features.thumbnail is not None
    assert FeatureExtractor(small(), tmp_path)(bag).features.thumbnail is None


def test_recordings_without_thumbnails_are_refused_by_a_network_that_reads_them(bag: Path) -> None:
    plain = FeatureExtractor(small())(bag)
    with pytest.raises(InputError, match="thumbnails"):
        MsStan(GUIDED).eval().unroll(whole_recording(plain))
    with torch.inference_mode():
        output = MsStan(GUIDED).eval().unroll(whole_recording(FeatureExtractor(GUIDED)(bag)))
    assert torch.isfinite(output.action_logits).all()
