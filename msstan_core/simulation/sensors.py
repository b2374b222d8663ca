"""The cell's sensors on their clocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from msstan_core.observation import NANOSECONDS_PER_SECOND, AudioChunk, CameraFrame, Sample, ThermalFrame
from msstan_core.simulation.energy import SAMPLE_RATE_HZ, Waveform
from msstan_core.simulation.microphone import Microphone
from msstan_core.simulation.process import WeldProcess
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.telemetry import WelderDisplay
from msstan_core.simulation.thermal_camera import ThermalCamera
from msstan_core.simulation.weld_camera import WeldCamera

CAMERA_FRAME_ID, THERMAL_FRAME_ID, MICROPHONE_FRAME_ID = "weld_camera", "thermal_camera", "microphone"


@dataclass(slots=True)
class _Clock:
    period_s: float
    next_s: float = 0.0


class Sensors:
    """Camera, thermal camera, microphone and telemetry. They read the process and never change it.

    Args:
        scenario: settings of the sensors; what is not enabled gives no samples.
        length_m: from the start of the first seam to the end of the last.
        start_stamp_ns: stamp of cell time 0.
        camera, thermal, sound, display: a generator for each sensor.
    """

    def __init__(
        self, scenario: Scenario, length_m: float, start_stamp_ns: int, camera: np.random.Generator,
        thermal: np.random.Generator, sound: np.random.Generator, display: np.random.Generator,
    ) -> None:  # fmt: skip
        self._start_ns = start_stamp_ns
        self._chunk_samples = scenario.microphone.chunk_samples
        self._chunks = 0
        self._camera = WeldCamera(scenario, length_m, camera) if scenario.camera.enabled else None
        self._thermal = ThermalCamera(scenario, length_m, thermal) if scenario.thermal.enabled else None
        self._microphone = Microphone(scenario, sound) if scenario.microphone.enabled else None
        self._display = WelderDisplay(scenario, display) if scenario.telemetry.enabled else None
        # they do not start at the same instant, as real ones do not
        self._clocks = {
            "camera": _Clock(1.0 / scenario.camera.rate_hz, 0.004),
            "thermal": _Clock(1.0 / scenario.thermal.rate_hz, 0.007),
            "telemetry": _Clock(1.0 / scenario.telemetry.rate_hz, 0.001),
        }

    def observe(self, process: WeldProcess, waveform: Waveform) -> Iterator[Sample]:
        """Samples that the control step just done makes available, in the order of their stamps; sound last."""
        state = process.state
        if self._display is not None:
            self._display.follow(state)
        due: list[tuple[float, str]] = []
        for name, clock in self._clocks.items():
            while clock.next_s < process.time_s:
                due.append((clock.next_s, name))
                clock.next_s += clock.period_s
        for when, name in sorted(due):
            stamp = self._stamp(when)
            if name == "camera" and self._camera is not None:
                image = self._camera.frame(state, process.heat, process.quality.marks)
                yield CameraFrame(stamp, image=image, frame_id=CAMERA_FRAME_ID)
            elif name == "thermal" and self._thermal is not None:
                yield ThermalFrame(stamp, self._thermal.frame(state, process.heat), THERMAL_FRAME_ID)
            elif name == "telemetry" and self._display is not None:
                yield self._display.sample(stamp, state)
        if self._microphone is not None:
            sound = self._microphone.listen(state, waveform, process.quality.ticks)
            if sound is not None:
                first = self._chunks * self._chunk_samples / SAMPLE_RATE_HZ
                self._chunks += 1
                yield AudioChunk(self._stamp(first), SAMPLE_RATE_HZ, sound, MICROPHONE_FRAME_ID)

    def _stamp(self, seconds: float) -> int:
        return self._start_ns + round(seconds * NANOSECONDS_PER_SECOND)
