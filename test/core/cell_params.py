"""A cell whose camera counts to 4095, and whose thermal camera counts hundredths of a kelvin: params file and bags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from msstan_core.image_encodings import SensorScaling
from msstan_core.messages import Topic
from msstan_core.observation import CameraFrame, ThermalFrame
from msstan_core.recordings.annotations import FILE_NAME
from msstan_core.recordings.serialization import message_from_sample, message_types, serialize

TICK_NS = 40_000_000
START_NS = 1_700_000_000 * 10**9
SCALING = SensorScaling(12, 0.01, -273.15)
SECTIONS = "camera: {bit_depth: 12}, thermal: {celsius_per_count: 1e-2}"


def write_params(path: Path, parameters: str = SECTIONS, node: str = "/**/weld_monitor") -> Path:
    """A params file with these parameters, as YAML."""
    path.write_text(f"{node}:\n  ros__parameters: {{{parameters}}}\n", encoding="utf-8")
    return path


def counted_messages(ticks: int = 40) -> Iterator[tuple[Topic, Any, int]]:
    """(topic, message, stamp) of a cell that looks at a seam getting brighter and hotter, in 16-bit counts."""
    for k in range(ticks):
        rows, columns = np.mgrid[0:48, 0:64]
        yield _counted(CameraFrame, (rows * 40 + columns * 20 + 12 * k).clip(0, 4095), START_NS + k * TICK_NS)
        yield _counted(ThermalFrame, 29_815 + 100 * k + 50 * rows[:, :40], START_NS + k * TICK_NS)


def understood_messages(ticks: int = 40) -> Iterator[tuple[Topic, Any, int]]:
    """The same in encodings that need no scaling: mono8, and 32FC1 in degC."""
    for topic, message, stamp_ns in counted_messages(ticks):
        counts = message.data.view(np.uint16).reshape(message.height, message.width)
        if topic.name.startswith("camera"):
            sample: CameraFrame | ThermalFrame = CameraFrame(stamp_ns, image=(counts >> 4).astype(np.uint8))
        else:
            celsius = counts.astype(np.float32) * np.float32(0.01) + np.float32(-273.15)
            sample = ThermalFrame(stamp_ns, celsius)
        yield *message_from_sample(sample), stamp_ns


def write_messages(path: Path, messages: Iterator[tuple[Topic, Any, int]], labels: str = "") -> Path:
    """A bag of them, recorded as soon as they were stamped; with ``labels`` the rows of its annotations.csv."""
    with Writer(path, version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP) as bag:
        connections: dict[str, Any] = {}
        for topic, message, stamp_ns in messages:
            if topic.name not in connections:
                connections[topic.name] = bag.add_connection(
                    f"/{topic.name}", topic.type_name, typestore=message_types()
                )
            bag.write(connections[topic.name], stamp_ns, serialize(topic, message))
    if labels:
        (path / FILE_NAME).write_text(f"start_s,end_s,kind,label,severity,source\n{labels}", encoding="utf-8")
    return path


def _counted(
    kind: type[CameraFrame | ThermalFrame], counts: np.ndarray[Any, Any], stamp_ns: int
) -> tuple[Topic, Any, int]:
    plain = (
        CameraFrame(stamp_ns, image=np.zeros(counts.shape, np.uint8))
        if kind is CameraFrame
        else ThermalFrame(stamp_ns, np.zeros(counts.shape, np.float32))
    )
    topic, message = message_from_sample(plain)
    data = np.ascontiguousarray(counts, "<u2").view(np.uint8).reshape(-1)
    return topic, replace(message, encoding="mono16", step=2 * counts.shape[1], data=data), stamp_ns
