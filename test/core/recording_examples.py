"""Small recordings of welds that the tests of calibration and finishing share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from msstan_core.model.ms_stan import MsStan
from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.recording_features import Recording, RecordingFeatures
from msstan_core.vocabulary import ACTIONS, ISO_CODES, MODALITIES, Action, Modality

PERIOD_S = 0.04
CONFIG = TrainingConfig(
    model={"width": 16, "pretrained": False, "attention_heads": 2, "inputs": {"camera_px": 32, "thermal_px": 16}},
    trained_imperfections=(602,),
    false_alarms_per_hour=30.0,
)


def recording(group: str, seed: int = 0, *, ticks: int = 200, simulated: bool = True, path: Path = Path()) -> Recording:
    """Microphone and telemetry of a weld: a third idle, a third deposition, a third cooling."""
    rng = np.random.default_rng(seed)
    config = CONFIG.model_config_of_size()
    mel = config.inputs.log_mel
    labels = np.repeat(
        [ACTIONS.index(a) for a in (Action.IDLE, Action.MATERIAL_DEPOSITION, Action.COOLING)], ticks // 3
    )
    labels = np.pad(labels, (0, ticks - len(labels)), mode="edge")
    valid = np.zeros((ticks, len(MODALITIES)), np.float32)
    valid[:, [Modality.ACOUSTIC, Modality.TELEMETRY]] = 1
    features = RecordingFeatures(
        time_s=np.arange(ticks) * PERIOD_S,
        camera=np.zeros((1, MsStan(config).backbone.channels, 2, 2), np.float16),
        camera_row=np.full(ticks, -1),
        thermal=np.zeros((1, 16, 16), np.float16),
        thermal_row=np.full(ticks, -1),
        log_mel=rng.normal(-40 + 5 * labels[:, None, None], 3, (ticks, mel.bands, mel.frames)).astype(np.float16),
        telemetry=rng.normal(size=(ticks, config.inputs.telemetry_count)).astype(np.float32),
        context=np.zeros((ticks, 4), np.int64),
        valid=valid,
        age_s=np.zeros((ticks, 4), np.float32),
        thermal_statistics=np.zeros((ticks, STATISTICS_COUNT), np.float32),
        action=labels,
        imperfection=np.zeros((ticks, len(ISO_CODES)), np.float32),
    )
    return Recording(path, {"group": group, "simulated": str(simulated).lower()}, features)
