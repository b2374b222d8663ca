"""One sensor's data at a fixed rate, made up beforehand: the load that ``msstan bench`` measures the monitor under.

Messages are serialised once; at each tick of the clock only the stamp is written, so that the source itself costs
little more than handing the bytes to the middleware.
"""

from __future__ import annotations

import struct
import sys
import threading
import time
from typing import Any

import numpy as np
from rclpy.node import Node

from msstan_core.benchmark.workload import (
    CAMERA_HZ,
    CHUNK_SAMPLES,
    TELEMETRY_HZ,
    THERMAL_HZ,
    camera_pictures,
    thermal_pictures,
)
from msstan_core.messages import topic_of_sample
from msstan_core.observation import (
    NANOSECONDS_PER_SECOND,
    AudioChunk,
    CameraFrame,
    Sample,
    TelemetrySample,
    ThermalFrame,
)
from msstan_core.parameters import ParameterSpec
from msstan_core.recordings.serialization import message_from_sample, serialize
from msstan_core.vocabulary import MODALITIES, Modality
from msstan_ros.node_process import run_node, until_shutdown
from msstan_ros.parameters import declare, value_of
from msstan_ros.sensor_sources import sensor_publisher

#: Where the stamp lies in a serialised message that begins with a header: behind the four bytes of encapsulation.
_STAMP = struct.Struct("<iI")
_STAMP_OFFSET = 4

SPECS = (
    ParameterSpec("modality", "camera", "sensor to play", choices=tuple(m.label for m in MODALITIES), read_only=True),
    ParameterSpec(
        "rate_hz",
        0.0,
        "messages a second, Hz; 0: 30 camera, 25 thermal, 50 telemetry; sound: as its chunks follow",
        0,
        1000,
        read_only=True,
    ),
    ParameterSpec("sample_rate_hz", 16_000, "of the sound, Hz", 1000, 192_000, read_only=True),
)


class LoadSourceNode(Node):
    """See the module."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("load_source", **arguments)
        declare(self, SPECS)
        self._modality = Modality[value_of(self, "modality").upper()]
        self._sample_rate_hz = value_of(self, "sample_rate_hz")
        usual = {
            Modality.CAMERA: CAMERA_HZ,
            Modality.THERMAL: THERMAL_HZ,
            Modality.ACOUSTIC: self._sample_rate_hz / CHUNK_SAMPLES,
            Modality.TELEMETRY: TELEMETRY_HZ,
        }
        self._rate_hz = value_of(self, "rate_hz") or usual[self._modality]
        made = self._samples()
        topic = topic_of_sample(made[0])
        self._messages = [bytearray(_serialised(sample)) for sample in made]
        self._publisher = sensor_publisher(self, topic)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=until_shutdown(self, self._play), name="source", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop playing."""
        self._stop.set()
        self._thread.join(5.0)

    def _samples(self) -> list[Sample]:
        if self._modality is Modality.CAMERA:
            return [CameraFrame(0, image=picture, frame_id="weld_camera") for picture in camera_pictures()]
        if self._modality is Modality.THERMAL:
            return [ThermalFrame(0, picture, "thermal_camera") for picture in thermal_pictures()]
        if self._modality is Modality.ACOUSTIC:
            sound = np.random.default_rng(0).normal(0, 0.05, (8, CHUNK_SAMPLES)).astype(np.float32)
            return [AudioChunk(0, self._sample_rate_hz, chunk) for chunk in sound]
        return [TelemetrySample(0, 180.0, 22.0, 0.12, 0.006, 15.0)]

    def _play(self) -> None:
        """A message is stamped with the moment of its acquisition: sound with that of the chunk's first sample."""
        began, count = time.time_ns(), 0
        before_ns = 0
        if self._modality is Modality.ACOUSTIC:
            before_ns = round(CHUNK_SAMPLES / self._sample_rate_hz * NANOSECONDS_PER_SECOND)
        while not self._stop.is_set() and self.context.ok():
            due = began + round(count / self._rate_hz * NANOSECONDS_PER_SECOND)
            if self._stop.wait(max(0.0, (due - time.time_ns()) / NANOSECONDS_PER_SECOND)):
                return
            message = self._messages[count % len(self._messages)]
            _STAMP.pack_into(message, _STAMP_OFFSET, *divmod(due - before_ns, NANOSECONDS_PER_SECOND))
            self._publisher.publish(bytes(message))
            count += 1


def _serialised(sample: Sample) -> memoryview:
    return serialize(*message_from_sample(sample))


def main() -> None:
    """Entry point of the executable ``load_source_node``."""
    sys.exit(run_node(LoadSourceNode))


if __name__ == "__main__":
    main()
