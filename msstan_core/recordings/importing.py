"""What all importers share: merging streams into one bag, encoding camera frames, and the report of an import."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.observation import NANOSECONDS_PER_SECOND, AudioChunk, CameraFrame, Sample
from msstan_core.recordings.annotations import Annotation
from msstan_core.recordings.bag_writer import BagWriter, StreamStatistics
from msstan_core.recordings.offsets import OffsetEstimate

#: First stamp of a recording whose time of day is unknown. Not zero: in ROS a stamp of zero was never set.
RECORDING_EPOCH_NS = NANOSECONDS_PER_SECOND

#: JPEG quality of imported camera frames.
JPEG_QUALITY = 90

#: Counts (of 255) by which the channels of a mono camera's video may differ after decoding.
CODEC_COLOUR_ROUNDING = 4

#: Frame rates of a camera, 1/s.
LOWEST_FPS, HIGHEST_FPS = 0.1, 10_000.0

#: Called with the seconds of the recording written so far.
Progress = Callable[[float], None]


@dataclass(slots=True)
class ImportReport:
    """What an import made, for the person who asked for it."""

    bag: Path
    streams: list[StreamStatistics] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    offsets: dict[str, OffsetEstimate] = field(default_factory=dict)  #: by stream, to the clock's stream
    clock: str = ""  #: stream whose clock the bag has
    notes: list[str] = field(default_factory=list)  #: what is missing, cut or assumed, in words
    camera_raw_bytes: int = 0  #: of the decoded camera frames
    duration_s: float = 0.0


def bag_stamp_ns(seconds: float) -> int:
    """Stamp of a time on the bag's own clock."""
    return RECORDING_EPOCH_NS + round(seconds * NANOSECONDS_PER_SECOND)


def recorded_ns(sample: Sample) -> int:
    """When a sample could have been known; the order in which a bag is written and read."""
    return sample.end_stamp_ns if isinstance(sample, AudioChunk) else sample.stamp_ns


def write_recording(
    report: ImportReport,
    streams: Sequence[Iterable[Sample]],
    *,
    attributes: Mapping[str, str],
    annotations: Iterable[Annotation] = (),
    progress: Progress | None = None,
) -> ImportReport:
    """Merge streams, each in time order, into ``report.bag`` and complete the report.

    Raises:
        InputError: when the bag exists or cannot be written.
    """
    last_ns = RECORDING_EPOCH_NS
    with BagWriter(report.bag, attributes) as writer:
        writer.annotate(annotations)
        for sample in heapq.merge(*streams, key=recorded_ns):
            writer.write(sample)
            last_ns = max(last_ns, recorded_ns(sample))
            if progress is not None:
                progress((last_ns - RECORDING_EPOCH_NS) / NANOSECONDS_PER_SECOND)
    report.streams = list(writer.streams.values())
    report.annotations = list(writer.annotations)
    report.attributes = dict(writer.attributes)
    report.duration_s = (last_ns - RECORDING_EPOCH_NS) / NANOSECONDS_PER_SECOND
    return report


def drop_empty_colour(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[H, W] mono for a [H, W, 3] BGR image that shows no colour beyond a codec's rounding, else the image itself."""
    blue, green, red = cv2.split(image)
    if all(cv2.norm(green, other, cv2.NORM_INF) <= CODEC_COLOUR_ROUNDING for other in (blue, red)):
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    return image


def encode_jpeg(image: NDArray[np.uint8], quality: int = JPEG_QUALITY) -> bytes:
    """JPEG file of [H, W] mono or [H, W, 3] BGR."""
    done, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not done:
        raise InputError("camera frame", f"a {image.shape} image cannot be stored as JPEG", "check the video")
    return data.tobytes()


def check_frame_rate(fps: float | None) -> None:
    """See that a frame rate that was given is possible, whether or not there is a video to use it for.

    Raises:
        InputError: when it is not a number from LOWEST_FPS to HIGHEST_FPS.
    """
    if fps is not None and not LOWEST_FPS <= fps <= HIGHEST_FPS:
        raise InputError("--fps", f"is {fps:g}", f"give frames per second, {LOWEST_FPS:g} to {HIGHEST_FPS:g}")


class VideoFile:
    """Frames of a video file that OpenCV reads.

    Raises:
        InputError: when it is missing, no video, or holds no readable frame.
    """

    def __init__(self, path: Path, fps: float | None = None) -> None:
        if not path.is_file():
            raise InputError(path, "no such video file", "give an existing file")
        self.path = path
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise InputError(path, "is no video that OpenCV can read", "convert it, for example to MJPEG in .avi")
        nominal = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if fps is not None else nominal
        if not LOWEST_FPS <= self.fps <= HIGHEST_FPS:
            self._capture.release()
            raise InputError(path, f"the frame rate is {self.fps:g} per second", "give the true one with --fps")
        self.announced = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))  #: frames by the header; 0: unknown
        self.read = 0  #: frames read so far

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """Decoded frames until the end of what is readable: [H, W, 3] BGR, or [H, W] where there is no colour."""
        try:
            while True:
                done, image = self._capture.read()
                if not done:
                    break
                self.read += 1
                yield drop_empty_colour(np.asarray(image, np.uint8))
        finally:
            self._capture.release()
        if self.read == 0:
            raise InputError(self.path, "holds no readable frame", "check the recording")

    def shortfall(self) -> str:
        """What is missing at the end, in words; "" when everything announced was read."""
        if self.announced > self.read:
            return f"{self.path.name} is cut: {self.read} of {self.announced} frames are readable"
        return ""


def compressed_frames(jpegs: Iterable[bytes], stamps_s: Iterable[float]) -> Iterator[CameraFrame]:
    """Camera samples of encoded frames at times on the bag's clock."""
    for data, time_s in zip(jpegs, stamps_s, strict=True):
        yield CameraFrame(bag_stamp_ns(time_s), encoded=data, frame_id="camera")
