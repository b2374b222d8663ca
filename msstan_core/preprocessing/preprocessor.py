"""A tick becomes the arrays that the step graph takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.observation import STALE, ThermalFrame, Tick
from msstan_core.preprocessing.images import FrameReader, thermal_image
from msstan_core.preprocessing.input_spec import InputSpec
from msstan_core.preprocessing.log_mel import FLOOR_DB, log_mel
from msstan_core.preprocessing.process_drift import ProcessDrift
from msstan_core.preprocessing.process_history import ProcessHistory
from msstan_core.preprocessing.process_quantities import quantities
from msstan_core.preprocessing.programme_departure import ProgrammeDeparture
from msstan_core.preprocessing.telemetry_features import telemetry_features
from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT, ThermalStatistics
from msstan_core.vocabulary import MODALITIES, Modality

#: Ages are clipped here: older is not distinguished.
OLDEST_AGE_S = 1.0


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """One tick for the network, without the batch axis. A modality with ``valid`` 0 holds neutral values."""

    camera: NDArray[np.uint8]  #: [px, px, 3] RGB
    thermal: NDArray[np.float32]  #: [px, px] degC
    log_mel: NDArray[np.float32]  #: [bands, frames] dB
    telemetry: NDArray[np.float32]  #: [InputSpec.telemetry_count]
    context: NDArray[np.int64]  #: [4] process, material a, material b, filler
    valid: NDArray[np.float32]  #: [4] 1 where the modality may be used
    age_s: NDArray[np.float32]  #: [4] clipped to [0, OLDEST_AGE_S]
    thermal_statistics: NDArray[np.float32]  #: [STATISTICS_COUNT]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Name -> array with a batch axis of 1, as the step graph names them."""
        return {name: getattr(self, name)[None] for name in INPUT_NAMES}

    def only(self, modalities: frozenset[Modality]) -> NetworkInput:
        """The same tick where only these modalities may be used; the network masks the others' values."""
        allowed = np.array([m in modalities for m in MODALITIES], np.float32)
        return replace(self, valid=self.valid * allowed)


INPUT_NAMES: tuple[str, ...] = tuple(field.name for field in fields(NetworkInput))


class Preprocessor:
    """Turns ticks into network inputs; remembers the stream's image size, the last half second of
    temperatures, what this weld's telemetry began with and what it said in the last seconds.

    Args:
        spec: sizes, from the model's card.
        modalities: those that may be used; others are masked even when present.
    """

    def __init__(self, spec: InputSpec, modalities: frozenset[Modality] = frozenset(MODALITIES)) -> None:
        self._spec = spec
        self._allowed = np.array([m in modalities for m in MODALITIES])
        self._no_camera = np.zeros((spec.camera_px, spec.camera_px, 3), np.uint8)
        self._no_thermal = np.zeros((spec.thermal_px, spec.thermal_px), np.float32)
        self._no_sound = np.full((spec.log_mel.bands, spec.log_mel.frames), FLOOR_DB, np.float32)
        self._no_heat = np.zeros(STATISTICS_COUNT, np.float32)
        self._departure = ProgrammeDeparture() if spec.telemetry_programme else None
        self._no_telemetry = np.zeros(spec.telemetry_count, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next tick is read as the first one."""
        self._frames = FrameReader(self._spec.camera_px)
        self._heat = ThermalStatistics()
        self._thermal_frame: ThermalFrame | None = None  #: whose image is ``_thermal``: two ticks often share a frame
        self._thermal: NDArray[np.float32] = np.zeros(0, np.float32)
        self._past: list[ProcessDrift | ProcessHistory] = []
        if self._spec.telemetry_drift:
            self._past.append(ProcessDrift())
        if self._spec.telemetry_history:
            self._past.append(ProcessHistory())

    def __call__(
        self, tick: Tick, on_camera: Callable[[NDArray[np.uint8]], None] = lambda _image: None
    ) -> tuple[NetworkInput, tuple[str, ...]]:
        """The network's input and, in words, which sensor has fallen silent or sent what cannot be used.

        Args:
            tick: to be answered.
            on_camera: gets the camera image as soon as it is read, before the other sensors are.
        """
        valid = tick.valid & self._allowed
        was_seen = np.isfinite(tick.age_s)
        degraded = [f"{m.label}{STALE}" for m in MODALITIES if self._allowed[m] and was_seen[m] and not valid[m]]
        heat = self._no_heat
        camera, thermal, sound, telemetry = self._no_camera, self._no_thermal, self._no_sound, self._no_telemetry
        if valid[Modality.CAMERA] and tick.camera is not None:
            try:
                camera = self._frames.read(tick.camera)
                on_camera(camera)
            except InputError as error:
                valid[Modality.CAMERA] = False
                degraded.append(str(error))
        if valid[Modality.THERMAL] and tick.thermal is not None:
            try:
                thermal = self._thermal_image(tick.thermal)
                heat = self._heat.update(tick.thermal.stamp_ns, thermal)
            except InputError as error:
                valid[Modality.THERMAL] = False
                degraded.append(str(error))
        if valid[Modality.ACOUSTIC] and tick.audio is not None:
            if len(tick.audio.samples) < self._spec.log_mel.window_s * tick.audio.sample_rate_hz:
                valid[Modality.ACOUSTIC] = False
                degraded.append(f"{Modality.ACOUSTIC.label}: less sound than the network reads")
            else:
                sound = log_mel(tick.audio.samples, tick.audio.sample_rate_hz, self._spec.log_mel)
        if valid[Modality.TELEMETRY] and tick.telemetry is not None:
            if np.isfinite(tick.telemetry.values).any():
                telemetry = telemetry_features(tick.telemetry, tick.context.process)
                values = quantities(tick.telemetry, tick.context.process)
                told = [past.update(tick.stamp_ns, tick.telemetry, values) for past in self._past]
                if self._departure is not None:
                    told.append(self._departure.update(tick.telemetry, values, tick.context))
                telemetry = np.concatenate([telemetry, *told])
            else:
                valid[Modality.TELEMETRY] = False
                degraded.append(f"{Modality.TELEMETRY.label}: no channel is measured")
        context = tick.context
        ids = np.array([context.process, context.material_a, context.material_b, context.filler], np.int64)
        ages = np.nan_to_num(np.clip(tick.age_s, 0.0, OLDEST_AGE_S), nan=OLDEST_AGE_S).astype(np.float32)
        return (
            NetworkInput(camera, thermal, sound, telemetry, ids, valid.astype(np.float32), ages, heat),
            tuple(degraded),
        )

    def _thermal_image(self, frame: ThermalFrame) -> NDArray[np.float32]:
        if frame is not self._thermal_frame:
            self._thermal = thermal_image(frame.celsius, self._spec.thermal_px)
            self._thermal_frame = frame
        return self._thermal
