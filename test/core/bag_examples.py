"""Small bags, as this package writes them and as another recorder leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from msstan_core.observation import AudioChunk, CameraFrame, Sample, TelemetrySample, ThermalFrame, WeldContext
from msstan_core.recordings.bag import BagWriter
from msstan_core.recordings.serialization import message_from_sample, message_types, serialize
from msstan_core.vocabulary import Process

SECOND = 1_000_000_000


def weld_samples(count: int = 20, start_ns: int = SECOND) -> list[Sample]:
    """The context, and then all sensors 25 times a second."""
    rng = np.random.default_rng(7)
    out: list[Sample] = [WeldContext(stamp_ns=start_ns, process=Process.GMAW)]
    for k in range(count):
        stamp = start_ns + k * 40_000_000
        out.append(CameraFrame(stamp, image=rng.integers(0, 255, (12, 16, 3), dtype=np.uint8), frame_id="camera"))
        out.append(ThermalFrame(stamp, rng.normal(800, 100, (5, 7)).astype(np.float32), "thermal"))
        out.append(AudioChunk(stamp, 16_000, rng.normal(0, 0.1, 640).astype(np.float32), "microphone"))
        out.append(TelemetrySample(stamp, current_a=float(k)))
    return out


def write(path: Path, samples: Sequence[Sample], attributes: dict[str, str] | None = None) -> Path:
    """A bag of these samples."""
    with BagWriter(path, attributes) as writer:
        for sample in samples:
            writer.write(sample)
    return path


def write_foreign(path: Path, samples: Sequence[tuple[str, Sample, int]]) -> Path:
    """A bag as some other recorder leaves it: any topic names, any recorded times, no custom data."""
    with Writer(path, version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP) as bag:
        connections: dict[str, Any] = {}
        for name, sample, recorded_ns in samples:
            topic, message = message_from_sample(sample)
            if name not in connections:
                connections[name] = bag.add_connection(name, topic.type_name, typestore=message_types())
            bag.write(connections[name], recorded_ns, serialize(topic, message))
    return path


def same(a: Sample, b: Sample) -> None:
    """Both are equal, NaN included."""
    assert type(a) is type(b)
    for name in a.__dataclass_fields__:
        np.testing.assert_equal(getattr(a, name), getattr(b, name))
