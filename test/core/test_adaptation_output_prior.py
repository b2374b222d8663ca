"""The unlabelled mode shifts the output within its bound."""

from __future__ import annotations

import numpy as np
from adaptation_cell import SHARES, K
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.adaptation.output_prior import LARGEST_SHIFT, OutputPrior


@given(st.lists(st.integers(0, K - 1), min_size=1, max_size=300))
@settings(max_examples=30, deadline=None)
def test_unlabelled_mode_shifts_no_probability_by_more_than_its_bound(actions: list[int]) -> None:
    prior = OutputPrior(SHARES, 10.0)
    even = np.full(K, 1 / K, np.float32)
    for second, action in enumerate(actions):
        prior.update(float(second), np.eye(K, dtype=np.float32)[action], learn=True)
    shifted = prior.update(1e4, even, learn=False)
    assert np.abs(np.log(shifted[:, None] / shifted)).max() <= 2 * LARGEST_SHIFT + 1e-5
    prior.reset()
    np.testing.assert_allclose(prior.update(0.0, even, learn=False), even, rtol=1e-5)
