"""Welds that are only heard, and the small network that is trained on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from msstan_core.observation import NANOSECONDS_PER_SECOND, AudioChunk
from msstan_core.recordings.annotations import action_span
from msstan_core.recordings.bag import BagWriter
from msstan_core.recordings.bag_folders import find_bags
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.recording_features import FeatureExtractor, Recording
from msstan_core.vocabulary import Action

RATE_HZ = 16_000
MODEL = {"width": 16, "pretrained": False, "attention_heads": 2, "inputs": {"camera_px": 32, "thermal_px": 16}}
CONFIG = TrainingConfig(
    steps=60, clips_per_step=4, clip_ticks=48, model=MODEL, validation_share=0.0, checkpoint_every=7
)


def write_weld(path: Path, seed: int, group: str, **attributes: str) -> None:
    """Ten seconds of sound: quiet, arc noise, quiet; labelled. ``attributes``: of the bag, beside the usual ones."""
    rng = np.random.default_rng(seed)
    on, off = rng.uniform(2, 3), rng.uniform(6, 7)
    time_s = np.arange(10 * RATE_HZ) / RATE_HZ
    loud = (time_s >= on) & (time_s < off)
    samples = (rng.normal(size=len(time_s)) * np.where(loud, 0.05, 0.0005)).astype(np.float32)
    labels = [
        action_span(0.0, on, Action.IDLE, "test"),
        action_span(on, off, Action.MATERIAL_DEPOSITION, "test"),
        action_span(off, 10.0, Action.COOLING, "test"),
    ]
    with BagWriter(path, attributes={"group": group, "run_id": path.name, "importer": "test", **attributes}) as bag:
        bag.annotate(labels)
        for begin in range(0, len(samples), 1024):
            stamp = 10**18 + round(begin / RATE_HZ * NANOSECONDS_PER_SECOND)
            bag.write(AudioChunk(stamp, RATE_HZ, samples[begin : begin + 1024]))


_BAGS: list[Path] = []
_RECORDINGS: list[Recording] = []


def sound_bags(folders: pytest.TempPathFactory) -> Path:
    """A folder of four such welds in two groups; written once a test run."""
    if not _BAGS:
        folder = folders.mktemp("sound_bags")
        for i in range(4):
            write_weld(folder / f"weld{i}", seed=i, group=f"cell{i % 2}")
        _BAGS.append(folder)
    return _BAGS[0]


def sound_recordings(folders: pytest.TempPathFactory) -> list[Recording]:
    """Features of these bags; extracted once a test run."""
    if not _RECORDINGS:
        extract = FeatureExtractor(CONFIG.model_config_of_size())
        _RECORDINGS.extend(extract(bag) for bag in find_bags([sound_bags(folders)]))
    return list(_RECORDINGS)
