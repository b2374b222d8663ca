"""Made-up recordings that the tests of training share: noise, or nothing but labels."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.recording_features import Recording, RecordingFeatures


def random_recording(config: TrainingConfig, seed: int) -> Recording:
    """Forty ticks of noise from all sensors, two actions, as a bag of this network's size would give them."""
    rng = np.random.default_rng(seed)
    model = config.model_config_of_size()
    n, px, sound = 40, model.inputs.camera_px, model.inputs.log_mel
    arrays = {
        "time_s": np.arange(n) * 0.04,
        "camera": rng.normal(size=(n, 80, px // 16, px // 16)).astype(np.float16),
        "camera_row": np.arange(n),
        "thermal": rng.uniform(20, 2000, (n, model.inputs.thermal_px, model.inputs.thermal_px)).astype(np.float16),
        "thermal_row": np.arange(n),
        "log_mel": rng.uniform(-90, 0, (n, sound.bands, sound.frames)).astype(np.float16),
        "telemetry": rng.normal(size=(n, model.inputs.telemetry_count)).astype(np.float32),
        "context": np.ones((n, 4), np.int64),
        "valid": np.ones((n, 4), np.float32),
        "age_s": np.zeros((n, 4), np.float32),
        "thermal_statistics": rng.normal(size=(n, STATISTICS_COUNT)).astype(np.float32),
        "action": np.repeat([0, 4], n // 2),
        "imperfection": np.zeros((n, 13), np.float32),
        "thumbnail": rng.integers(0, 256, (n, px // 4, px // 4)).astype(np.float16) if model.uses_thumbnail else None,
    }
    arrays["valid"][5:8] = 0.0  # a gap, so that "nothing seen" is learnt too
    assert set(arrays) == {f.name for f in fields(RecordingFeatures)}
    return Recording(Path(f"weld{seed}"), {"group": str(seed)}, RecordingFeatures(**arrays))


def without_labels(recording: Recording) -> Recording:
    """The same recording before anybody looked at it."""
    bare = np.full_like(recording.features.action, UNLABELLED)
    unknown = np.full_like(recording.features.imperfection, np.nan)
    return replace(recording, features=replace(recording.features, action=bare, imperfection=unknown))


def fake(group: str, simulated: bool = False, labels: list[int] | None = None) -> Recording:
    """A recording that holds nothing but labels, ten of them a second: indices into ACTIONS."""
    n = len(labels) if labels else 1
    arrays = {f.name: np.zeros(n) for f in fields(RecordingFeatures)}
    arrays["time_s"] = np.arange(n) * 0.1
    arrays["action"] = np.array(labels or [0])
    return Recording(Path(group), {"group": group, "simulated": str(simulated).lower()}, RecordingFeatures(**arrays))
