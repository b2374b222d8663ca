"""The memory of labelled ticks is bounded and balanced."""

from __future__ import annotations

import numpy as np
from adaptation_cell import K
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.adaptation.labelled_memory import LabelledMemory
from msstan_core.adaptation.observed_ticks import ObservedTick


def seen(stamps_ns: range, what: float = 0.0) -> list[ObservedTick]:
    return [ObservedTick(ns, np.full(2, what, np.float32), np.zeros(K, np.float32)) for ns in stamps_ns]


@given(st.lists(st.tuples(st.integers(0, K - 1), st.integers(0, 60), st.integers(1, 40)), max_size=60))
@settings(max_examples=40, deadline=None)
def test_memory_is_bounded_and_balanced_whatever_is_labelled(spans: list[tuple[int, int, int]]) -> None:
    memory = LabelledMemory(per_action=10, per_span=4, width=2)
    newest: dict[int, tuple[int, int]] = {}
    for number, (action, start, count) in enumerate(spans):
        stamps = range(start, start + count)
        memory.add(seen(stamps), action)
        newest |= {ns: (action, number) for ns in stamps if newest.get(ns, (None,))[0] != action}
    ticks = memory.lessons().ticks
    assert np.bincount(ticks.labels, minlength=K).max(initial=0) <= 10
    assert memory.spans == len({number for _, number in newest.values()})
    assert len(set(ticks.keys)) == len(ticks), "a tick is held once"
    assert [newest[ns][0] for ns, _ in ticks.keys] == ticks.labels.tolist(), "under its newest label"


def test_a_tick_labelled_again_is_new_only_where_the_clock_was_set_back() -> None:
    memory = LabelledMemory(per_action=10, per_span=4, width=2)
    first, again, other = (len(memory.add(seen(range(4), what), 1)[0]) for what in (0.0, 0.0, 1.0))
    assert (first, again, other) == (4, 0, 4)
    assert memory.spans == 2
