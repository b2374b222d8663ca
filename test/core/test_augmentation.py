"""What training changes in a clip, and what it never takes away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.preprocessing.log_mel import FLOOR_DB
from msstan_core.preprocessing.thermal_statistics import PROPORTIONAL, STATISTICS_COUNT
from msstan_core.training.augmentation import augment, drop_modalities, other_sound
from msstan_core.training.configuration import AugmentationConfig
from msstan_core.vocabulary import MODALITIES


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), min_size=4, max_size=4), st.integers(0, 2**32 - 1))
def test_a_clip_never_loses_its_last_modality(present: list[bool], seed: int) -> None:
    valid = np.tile(np.array(present, np.float32), (20, 1))
    config = AugmentationConfig(modality_dropout=0.9, single_modality=0.5)
    drop_modalities(valid, config, np.random.default_rng(seed))
    assert valid.any() == any(present)
    assert (valid <= np.array(present)).all(), "nothing that was absent appears"


def test_single_modality_keeps_each_of_them_now_and_then() -> None:
    rng = np.random.default_rng(0)
    config = AugmentationConfig(modality_dropout=0.0, single_modality=0.5)
    kept = []
    for _ in range(200):
        valid = np.ones((5, len(MODALITIES)), np.float32)
        drop_modalities(valid, config, rng)
        kept.append(tuple(valid[0]))
    alone = [k for k in kept if sum(k) == 1]
    assert 60 < len(alone) < 140
    assert len(set(alone)) == len(MODALITIES)
    assert kept.count((1.0,) * 4) == 200 - len(alone)


def test_no_augmentation_leaves_all_but_the_noise_floor_alone() -> None:
    config = AugmentationConfig(
        modality_dropout=0, sound_gain_db=0, sound_tilt_db=0, sound_floor_db=0, sound_masked_bands=0
    )
    loud = np.full((4, 48, 16), -30.0, np.float32)
    loud[:, :, 0] = FLOOR_DB  # the quietest tenth is the floor that noise is laid on
    out = other_sound(loud, config, np.random.default_rng(0))
    np.testing.assert_allclose(out[:, :, 1:], -30.0, atol=0.5)


def test_absent_images_stay_absent_and_cost_nothing() -> None:
    arrays = {
        "valid": np.ones((6, 4), np.float32),
        "log_mel": np.full((6, 48, 16), -60.0, np.float32),
        "camera": np.broadcast_to(np.zeros((), np.float16), (6, 80, 8, 8)),
        "thermal": np.full((6, 48, 48), 1000.0, np.float16),
        "thermal_statistics": np.ones((6, STATISTICS_COUNT), np.float32),
    }
    augment(arrays, AugmentationConfig(thermal_scale=0.1), np.random.default_rng(0))
    assert not any(arrays["camera"].strides)
    assert 899 < arrays["thermal"].min() <= arrays["thermal"].max() < 1101
    scale = arrays["thermal"].max() / 1000.0
    assert arrays["thermal_statistics"][:, PROPORTIONAL] == pytest.approx(scale, rel=1e-3)
    assert (arrays["thermal_statistics"][:, ~PROPORTIONAL] == 1.0).all()
    assert np.isfinite(arrays["log_mel"]).all()
