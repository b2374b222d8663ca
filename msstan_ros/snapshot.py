"""The last seconds of a weld on disk, for a person to look at: what ``~/snapshot`` writes."""

from __future__ import annotations

import csv
import json
import math
import shutil
import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from msstan_core.decision.result import Decision
from msstan_core.errors import InputError
from msstan_core.observation import NANOSECONDS_PER_SECOND, TELEMETRY_CHANNELS, Tick
from msstan_core.vocabulary import ACTIONS, ISO_CODES, MODALITIES

#: Decisions held at most, whatever the tick rate: ten minutes at 100 Hz.
MAX_DECISIONS = 60_000


class DecisionHistory:
    """The decisions of the last seconds and the newest tick's inputs. One thread adds, another writes.

    Args:
        keep_s: how far back to hold decisions, s of acquisition time.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_ns = round(keep_s * NANOSECONDS_PER_SECOND)
        self._decisions: deque[Decision] = deque(maxlen=MAX_DECISIONS)
        self._tick: Tick | None = None
        self._lock = threading.Lock()

    def add(self, tick: Tick, decision: Decision) -> None:
        """Hold one decision; what is too old, or from after a backward time jump, goes."""
        with self._lock:
            if tick.restarted:
                self._decisions.clear()
            self._decisions.append(decision)
            while self._decisions[0].stamp_ns < decision.stamp_ns - self._keep_ns:
                self._decisions.popleft()
            self._tick = tick

    def write(self, directory: Path, duration_s: float, about: dict[str, object]) -> Path:
        """Make a new folder below ``directory`` and fill it.

        Args:
            directory: existing folder.
            duration_s: how far back, s; NaN or <= 0: all that is held.
            about: goes into ``about.json`` (session, model).

        Returns:
            The folder: decisions.csv, about.json and, as far as present, camera.png or .jpg, thermal.npy, audio.wav,
            telemetry.csv.

        Raises:
            InputError: nothing is held yet, or the folder cannot be written.
        """
        with self._lock:
            decisions, tick = list(self._decisions), self._tick
        if tick is None or not decisions:
            raise InputError("snapshot", "no decision has been made yet", "call it while sensors deliver")
        if not directory.is_dir():
            raise InputError(directory, "no such folder", "name an existing one")
        if math.isfinite(duration_s) and duration_s > 0:
            since = decisions[-1].stamp_ns - round(duration_s * NANOSECONDS_PER_SECOND)
            decisions = [d for d in decisions if d.stamp_ns >= since]
        folder = directory / f"snapshot_{datetime.now(UTC):%Y%m%dT%H%M%S_%f}"
        try:
            folder.mkdir()
            _write_decisions(folder / "decisions.csv", decisions)
            _write_inputs(folder, tick)
            about = {**about, "stamp_ns": tick.stamp_ns, "decisions": len(decisions)}
            (folder / "about.json").write_text(json.dumps(about, indent=2) + "\n")
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)  # half a snapshot is none
            raise InputError(
                directory, f"cannot write ({error.strerror})", "free space or choose another folder"
            ) from error
        return folder


def _write_decisions(path: Path, decisions: Sequence[Decision]) -> None:
    head = ["stamp_ns", "action", "action_probability"]
    head += [f"p_{a.name}" for a in ACTIONS] + ["anomaly_score", "anomaly_threshold"]
    head += [f"p_{code}" for code in ISO_CODES] + [f"w_{m.label}" for m in MODALITIES] + ["inference_ms", "degraded"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        for d in decisions:
            numbers = [d.action_probability, *d.action_probabilities, d.anomaly_score, d.anomaly_threshold]
            numbers += [*d.imperfection_probabilities, *d.modality_weights, d.inference_ms]
            writer.writerow([d.stamp_ns, d.action.name, *(f"{x:.6g}" for x in numbers), "; ".join(d.degraded)])


def _write_inputs(folder: Path, tick: Tick) -> None:
    import cv2
    from scipy.io import wavfile

    if tick.camera is not None and tick.camera.encoded is not None:
        suffix = ".png" if tick.camera.encoded.startswith(b"\x89PNG") else ".jpg"
        (folder / f"camera{suffix}").write_bytes(tick.camera.encoded)
    elif tick.camera is not None and tick.camera.image is not None:
        _, png = cv2.imencode(".png", tick.camera.image)
        (folder / "camera.png").write_bytes(png.tobytes())
    if tick.thermal is not None:
        np.save(folder / "thermal.npy", tick.thermal.celsius)
    if tick.audio is not None:
        wavfile.write(folder / "audio.wav", tick.audio.sample_rate_hz, tick.audio.samples)
    if tick.telemetry is not None:
        with (folder / "telemetry.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["stamp_ns", *TELEMETRY_CHANNELS])
            for stamp, row in zip(tick.telemetry.stamps_ns, tick.telemetry.values, strict=True):
                writer.writerow([int(stamp), *(f"{x:.6g}" for x in row)])
