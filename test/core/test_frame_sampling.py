"""The threshold of importance that follows a stream: the share is kept whatever the scores are like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msstan_core.inference.frame_sampling import FIXED, FrameSampling, ImportanceThreshold


def looked_at(scores: np.ndarray, share: float, start: float = 0.3) -> np.ndarray:
    threshold = ImportanceThreshold(FrameSampling(start, share), 0.3)
    looked = np.zeros(len(scores), bool)
    for tick, score in enumerate(scores):
        looked[tick] = score > threshold.value
        threshold.update(bool(looked[tick]))
    return looked


@given(
    share=st.floats(0.1, 0.9),
    level=st.floats(-6.0, 6.0),
    spread=st.floats(0.01, 2.0),
    start=st.floats(0.01, 0.99),
    seed=st.integers(0, 9),
)
def test_the_share_is_kept_whatever_the_scores_are_like(
    share: float, level: float, spread: float, start: float, seed: int
) -> None:
    logits = np.random.default_rng(seed).normal(level, spread, 2000)
    assert looked_at(1 / (1 + np.exp(-logits)), share, start).mean() == pytest.approx(share, abs=0.05)


def test_the_most_important_frames_are_looked_at() -> None:
    scores = np.random.default_rng(1).uniform(0.01, 0.09, 3000)
    looked = looked_at(scores, 0.2)[500:]
    assert scores[500:][looked].mean() > np.quantile(scores, 0.8)


def test_after_a_change_several_frames_in_a_row_are_looked_at() -> None:
    """All scores are far below the model's threshold, which would look at none of them."""
    scores = np.random.default_rng(2).uniform(0.01, 0.02, 1000)
    scores[800:] *= 8.0
    assert scores.max() < 0.3
    looked = looked_at(scores, 0.2)
    assert looked[800:806].all()
    assert looked[900:].mean() == pytest.approx(0.2, abs=0.05)


def test_a_long_stand_still_does_not_take_the_threshold_out_of_reach() -> None:
    scores = np.concatenate([np.zeros(100_000), np.full(2000, 0.5)])
    looked = looked_at(scores, 0.2)
    assert looked[100_000]
    assert looked[101_000:].mean() == pytest.approx(0.2, abs=0.02)


def test_a_fixed_threshold_stays_where_it_is() -> None:
    threshold = ImportanceThreshold(FrameSampling(0.4, FIXED), 0.3)
    for _ in range(50):
        threshold.update(False)
    assert threshold.value == 0.4
    assert ImportanceThreshold(FrameSampling(share=FIXED), 0.3).value == 0.3


def test_a_reset_begins_at_the_model_s_threshold() -> None:
    threshold = ImportanceThreshold(FrameSampling(share=0.2), 0.3)
    for _ in range(50):
        threshold.update(True)
    assert threshold.value > 0.9
    threshold.reset()
    assert threshold.value == pytest.approx(0.3)
