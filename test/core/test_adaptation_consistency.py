"""Temporal consistency (48) pulls answers of one action together and leaves true changes alone."""

from __future__ import annotations

import numpy as np
import pytest
from adaptation_cell import K
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from msstan_core.adaptation.consistency import consistency
from msstan_core.adaptation.observed_ticks import boundary_gate


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_gradient_of_the_consistency_term_is_its_slope(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, gate = rng.normal(size=(2, 3, K)), rng.random(3)

    def loss(values: NDArray[np.float64]) -> float:
        p = np.exp(values) / np.exp(values).sum(axis=-1, keepdims=True)
        return consistency(p[0], p[1], gate)[0]

    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    _, before, now = consistency(p[0], p[1], gate)
    way = rng.normal(size=logits.shape)
    slope = (loss(logits + 1e-5 * way) - loss(logits - 1e-5 * way)) / 2e-5
    assert slope == pytest.approx(float((np.stack([before, now]) * way).sum()), abs=1e-7)


def test_a_true_change_of_action_is_not_punished() -> None:
    idle, other = np.eye(K, dtype=np.float32)[:2]
    assert boundary_gate(idle, other) == 0.0
    assert boundary_gate(idle, idle) == 1.0
    assert boundary_gate(idle, np.full(K, np.nan, np.float32)) == 0.0
