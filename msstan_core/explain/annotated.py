"""Decisions drawn over what they are about: one picture of a tick, or a video of a recording. No ROS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.decision.result import AnomalyEvent, Decision
from msstan_core.errors import InputError
from msstan_core.explain.overlay import OpenAnomaly, OverlayContent, anomaly_words, draw_overlay, thermal_picture
from msstan_core.observation import Tick
from msstan_core.preprocessing.images import decoded

Picture = NDArray[np.uint8]
#: Frames a second of a video, whatever the rate of the ticks.
VIDEO_RATE_HZ = 25.0
#: A hole in the recording is shown for this long at most, s.
_LONGEST_HOLD_S = 2.0


def annotated(tick: Tick, decision: Decision, ongoing: Sequence[AnomalyEvent] = ()) -> Picture:
    """The camera's image, or the thermal one without a camera, with the decision about it.

    Args:
        tick: what the decision is about. decision: of that tick.
        ongoing: events that are open then, the most important first.

    Returns:
        [H, 640, 3] BGR, 8 bit.
    """
    camera = _camera_picture(tick)
    content = OverlayContent(
        action=decision.action,
        probability=decision.action_probability,
        weights=tuple(float(w) for w in decision.modality_weights),
        valid=tuple(bool(v) for v in decision.valid),
        anomalies=tuple(_line(event, camera is not None) for event in ongoing),
        warning="; ".join(decision.degraded),
    )
    if camera is None:
        return draw_overlay(None if tick.thermal is None else thermal_picture(tick.thermal.celsius), content)
    return draw_overlay(camera, content, decision.attention)


def _camera_picture(tick: Tick) -> Picture | None:
    frame = tick.camera
    if frame is None:
        return None
    return frame.image if frame.image is not None else decoded(frame)


def _line(event: AnomalyEvent, points: bool) -> OpenAnomaly:
    words = anomaly_words(
        event.iso_code,
        event.name,
        event.score,
        event.threshold,
        alarm=event.alarm,
        alarm_threshold=event.alarm_threshold,
    )
    region = event.evidence.region if points and event.evidence is not None else None
    return OpenAnomaly(words, event.alarm, region)


class AnnotatedVideo:
    """Writes pictures as an MP4 at ``VIDEO_RATE_HZ``, each shown until the next one's time.

    The first picture sets the size; one of another size, of a camera that changed, is fitted into it.

    Args:
        path: of the file, ending in .mp4 or .avi. meant: the place that it will have, for errors; None: the same.

    Raises:
        InputError: on the first picture, where this OpenCV cannot write such a file.
    """

    def __init__(self, path: Path, meant: Path | None = None) -> None:
        self._path, self._meant = path, meant or path
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._shown: Picture | None = None
        self._time_s = math.nan  #: up to which frames are written

    def add(self, picture: Picture, time_s: float) -> None:
        """A picture [H, W, 3] BGR at ``time_s``; where that falls far back, the video goes on from there."""
        if self._writer is None:
            height, width = picture.shape[:2]
            self._size = (width - width % 2, height - height % 2)  # encoders want even sizes
            self._writer = self._opened()
            self._time_s = time_s
        if time_s < self._time_s - _LONGEST_HOLD_S:  # the recording's clock was set back
            self._time_s = time_s
        self._hold_until(time_s)
        self._shown = picture

    def __enter__(self) -> AnnotatedVideo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._hold_until(self._time_s + 1.0 / VIDEO_RATE_HZ)
            self._writer.release()

    def _hold_until(self, time_s: float) -> None:
        if self._shown is None or self._writer is None:
            return
        if time_s - self._time_s > _LONGEST_HOLD_S:
            self._time_s = time_s - _LONGEST_HOLD_S
        frame = self._shown
        if frame.shape[1::-1] != self._size:
            frame = np.asarray(cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        while self._time_s < time_s - 1e-6:
            self._writer.write(frame)
            self._time_s += 1.0 / VIDEO_RATE_HZ

    def _opened(self) -> cv2.VideoWriter:
        writer = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*"mp4v"), VIDEO_RATE_HZ, self._size)
        if not writer.isOpened():
            raise InputError(
                self._meant, "cannot be written as a video", "end its name in .mp4, and check space and rights"
            )
        return writer
