"""A monitor that has proved itself: loaded, and trial ticks answered, before a live tick depends on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np

from msstan_core.adaptation.adapter import Adapter
from msstan_core.decision.anomaly import EventsLeft
from msstan_core.decision.pipeline import Monitor
from msstan_core.decision.result import Decision
from msstan_core.errors import InputError
from msstan_core.inference.model_info import ModelInfo
from msstan_core.observation import AudioWindow, CameraFrame, TelemetryWindow, ThermalFrame, Tick
from msstan_core.vocabulary import MODALITIES, Modality
from msstan_ros.monitor_parameters import MonitorSettings

#: Ambient temperature of the trial tick, degC.
AMBIENT_CELSIUS = 20.0
#: Trial ticks answered before the first live one: lazy imports and allocations took 380 ms in the second of them.
TRIAL_TICKS = 5


class MonitorLike(Protocol):
    """What the node needs of :class:`msstan_core.decision.pipeline.Monitor`."""

    adapter: Adapter | None

    @property
    def info(self) -> ModelInfo:
        """What runs."""

    @property
    def false_alarms_per_hour(self) -> float:
        """What its alarms keep to; NaN: nothing is promised."""

    def step(self, tick: Tick) -> Decision:
        """Answer one tick."""

    def reset(self) -> None:
        """Forget the streaming state."""

    def begin(self) -> None:
        """Forget everything, for a new session."""

    def leave(self) -> EventsLeft:
        """End, perhaps in favour of another monitor; what is open is closed."""

    def succeed(self, left: EventsLeft) -> None:
        """Take over from another monitor in a running session."""


MonitorFactory = Callable[[MonitorSettings], MonitorLike]


def load_monitor(settings: MonitorSettings) -> MonitorLike:
    """The shipped way to make a monitor; raises InputError for a model that cannot be loaded."""
    return Monitor.load(
        settings.model_dir,
        modalities=settings.modalities,
        backend=settings.backend,
        threads=settings.threads,
        smoothing=settings.smoothing,
        anomalies=settings.events,
        provider=settings.provider,
        sampling=settings.sampling,
    )


def proven_monitor(factory: MonitorFactory, settings: MonitorSettings) -> MonitorLike:
    """Load a monitor and let it answer dark, silent, cold ticks; this also takes the slow first inferences.

    Raises:
        InputError: when it cannot be loaded, fails at the trial tick or answers it with NaN or a wrong size.
    """
    monitor = factory(settings)
    if not monitor.info.modalities:
        raise InputError(
            settings.model_dir,
            f"the model knows none of the modalities {', '.join(sorted(m.label for m in settings.modalities))}",
            "choose another model, or parameter modalities to fit it",
        )
    sound = monitor.info.card.config.inputs.log_mel
    if Modality.ACOUSTIC in monitor.info.modalities:
        sound.refuse_short_sound(settings.alignment.audio_window_s, settings.model_dir)
    clock = settings.alignment.clock
    if clock in ("camera", "thermal") and Modality[clock.upper()] not in monitor.info.modalities:
        raise InputError(
            settings.model_dir,
            f"the model was not trained on {clock}, which alignment.clock makes the clock",
            "choose another model, or set alignment.clock to auto",
        )
    try:
        for _ in range(TRIAL_TICKS):
            decision = monitor.step(trial_tick(settings.modalities))
    except InputError:
        raise
    except Exception as error:  # whatever a foreign graph raises, the reason belongs in one line
        raise InputError(settings.model_dir, f"the model fails at a trial tick ({error})", "export it again") from error
    if decision.action_probabilities.shape != (9,) or not np.isfinite(decision.action_probabilities).all():
        raise InputError(
            settings.model_dir, "the model answers a trial tick with no valid probabilities", "train or export it again"
        )
    monitor.begin()  # whatever the trial ticks set off is no event
    return monitor


def trial_tick(modalities: frozenset[Modality]) -> Tick:
    """A tick with every one of ``modalities`` present: black image, ambient plate, silence, welder off."""
    valid = np.array([m in modalities for m in MODALITIES])
    return Tick(
        index=0,
        stamp_ns=0,
        camera=CameraFrame(0, encoded=_black_jpeg()) if Modality.CAMERA in modalities else None,
        thermal=ThermalFrame(0, np.full((30, 30), AMBIENT_CELSIUS, np.float32))
        if Modality.THERMAL in modalities
        else None,
        audio=AudioWindow(0, 16_000, np.zeros(16_000, np.float32)) if Modality.ACOUSTIC in modalities else None,
        telemetry=TelemetryWindow(np.zeros(1, np.int64), np.zeros((1, 5), np.float32))
        if Modality.TELEMETRY in modalities
        else None,
        age_s=np.where(valid, 0, np.nan).astype(np.float32),
        valid=valid,
    )


def _black_jpeg() -> bytes:
    _, jpeg = cv2.imencode(".jpg", np.zeros((480, 640, 3), np.uint8))
    return jpeg.tobytes()
