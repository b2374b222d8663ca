"""Welds that camera and telemetry both tell the phases of, and a clock that peers are trained by."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from msstan_core.peers.pixel_clips import Watched
from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.recording_features import Recording, RecordingFeatures
from msstan_core.vocabulary import ACTIONS, Action, Modality

MODEL = {"width": 16, "pretrained": False, "attention_heads": 2, "inputs": {"camera_px": 32, "thermal_px": 16}}
CONFIG = TrainingConfig(steps=5, clips_per_step=2, clip_ticks=16, model=MODEL)
PHASES = [ACTIONS.index(a) for a in (Action.IDLE, Action.MATERIAL_DEPOSITION, Action.COOLING)]
TICKS = 48


def weld(seed: int, pair: tuple[str, str] = ("copper", "nickel"), camera: bool = True) -> Watched:
    """Idle, deposition, cooling; frames, features and telemetry all say which."""
    rng = np.random.default_rng(seed)
    action = np.repeat(PHASES, TICKS // 3)
    level = (np.searchsorted(PHASES, action) / 2).astype(np.float32)
    spec = CONFIG.model_config_of_size().inputs
    valid = np.zeros((TICKS, 4), np.float32)
    valid[:, [Modality.CAMERA, Modality.TELEMETRY] if camera else [Modality.TELEMETRY]] = 1
    imperfection = np.zeros((TICKS, 13), np.float32)
    imperfection[TICKS // 2 :, 2] = 1
    features = RecordingFeatures(
        time_s=np.arange(TICKS) / 25,
        camera=(rng.normal(size=(TICKS, 80, 2, 2)) + 3 * level[:, None, None, None]).astype(np.float16),
        camera_row=np.arange(TICKS) if camera else np.full(TICKS, -1),
        thermal=np.zeros((1, 16, 16), np.float16),
        thermal_row=np.full(TICKS, -1),
        log_mel=np.full((TICKS, spec.log_mel.bands, spec.log_mel.frames), -90, np.float16),
        telemetry=(rng.normal(size=(TICKS, spec.telemetry_count)) + level[:, None]).astype(np.float32),
        context=np.ones((TICKS, 4), np.int64),
        valid=valid,
        age_s=np.zeros((TICKS, 4), np.float32),
        thermal_statistics=np.zeros((TICKS, STATISTICS_COUNT), np.float32),
        action=action,
        imperfection=imperfection,
    )
    frames = (rng.integers(0, 40, (TICKS, 112, 112, 3)) + 100 * level[:, None, None, None]).astype(np.uint8)
    attributes = {"material_a": pair[0], "material_b": pair[1], "group": f"cell{seed}"}
    recording = Recording(Path(f"weld{seed}"), attributes, features)
    return Watched(recording, frames if camera else frames[:0])


class FakeClock:
    """Every look at it takes a second."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


PAIRS = [("copper", "nickel"), ("steel", "steel"), ("steel", "steel"), ("aluminium", "steel")]
WELDS = [weld(seed, pair) for seed, pair in enumerate(PAIRS)]
