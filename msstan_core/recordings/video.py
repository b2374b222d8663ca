"""Importer of plain video files: any camera recording becomes a bag with ``camera/image_raw/compressed``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msstan_core.errors import InputError
from msstan_core.observation import CameraFrame
from msstan_core.recordings.importing import (
    JPEG_QUALITY,
    ImportReport,
    Progress,
    VideoFile,
    bag_stamp_ns,
    encode_jpeg,
    write_recording,
)


def import_video(
    file: Path, out_bag: Path, *, fps: float | None = None, progress: Progress | None = None
) -> ImportReport:
    """Make a bag of a video file; frames are evenly spaced at ``fps`` (None: the rate in the file's header).

    Raises:
        InputError: no readable frame, an impossible frame rate, an existing ``out_bag``, a full disk.
    """
    if out_bag.exists():
        raise InputError(out_bag, "exists already", "remove it or give another name")
    video = VideoFile(file, fps)
    report = ImportReport(out_bag, clock="camera")

    def frames() -> Iterator[CameraFrame]:
        for k, image in enumerate(video.frames()):
            report.camera_raw_bytes += image.size
            yield CameraFrame(bag_stamp_ns(k / video.fps), encoded=encode_jpeg(image), frame_id="camera")

    attributes = {
        "run_id": file.stem,
        "group": file.stem,
        "importer": "video",
        "clock": "camera",
        "camera_jpeg_quality": str(JPEG_QUALITY),
        "camera_fps": f"{video.fps:g}",
    }
    write_recording(report, [frames()], attributes=attributes, progress=progress)
    if video.shortfall():
        report.notes.append(video.shortfall())
    return report
