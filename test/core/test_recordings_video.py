"""The importer of video files."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from recorded_runs import write_camera

from msstan_core.errors import InputError
from msstan_core.observation import CameraFrame
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.video import import_video


def test_video_becomes_evenly_spaced_colour_images(tmp_path: Path) -> None:
    write_camera(tmp_path / "film.avi", fps=20.0, colour=True)
    import_video(tmp_path / "film.avi", tmp_path / "bag")
    import_video(tmp_path / "film.avi", tmp_path / "slow", fps=10.0)
    for name, period in (("bag", 50_000_000), ("slow", 100_000_000)):
        with BagReader(tmp_path / name) as bag:
            frames = [s for s in bag.samples() if isinstance(s, CameraFrame)]
        assert len(frames) == 320
        assert {b.stamp_ns - a.stamp_ns for a, b in itertools.pairwise(frames)} == {period}
    assert frames[0].encoded is not None
    assert cv2.imdecode(np.frombuffer(frames[0].encoded, np.uint8), cv2.IMREAD_UNCHANGED).ndim == 3


def test_video_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.avi").write_bytes(b"junk" * 100)
    with pytest.raises(InputError, match="no video that OpenCV can read"):
        import_video(tmp_path / "film.avi", tmp_path / "bag")
    with pytest.raises(InputError, match="no such video file"):
        import_video(tmp_path / "none.avi", tmp_path / "bag")
    write_camera(tmp_path / "good.avi")
    with pytest.raises(InputError, match="the frame rate is -3"):
        import_video(tmp_path / "good.avi", tmp_path / "bag", fps=-3.0)
    assert not (tmp_path / "bag").exists()
