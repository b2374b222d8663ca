"""The memory of labelled ticks is bounded and balanced."""

from __future__ import annotations

import numpy as np
from adaptation_cell import K
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.adaptation.labelled_memory import LabelledMemory
from msstan_core.adaptation.observed_ticks import ObservedTick


@given(st.lists(st.tuples(st.integers(0, K - 1), st.integers(1, 40)), max_size=60))
@settings(max_examples=40, deadline=None)
def test_memory_is_bounded_and_balanced_whatever_is_labelled(spans: list[tuple[int, int]]) -> None:
    memory = LabelledMemory(per_action=10, per_span=4, width=2)
    for action, count in spans:
        ticks = [ObservedTick(i, np.zeros(2, np.float32), np.zeros(K, np.float32)) for i in range(count)]
        memory.add(ticks, action)
    ticks = memory.lessons().ticks
    assert np.bincount(ticks.labels, minlength=K).max(initial=0) <= 10
    assert memory.spans == len(spans)
