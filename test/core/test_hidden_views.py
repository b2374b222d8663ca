"""Synthetic occlusion and sensor noise: what they change, how much, and what they leave alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT, ThermalStatistics
from msstan_core.training.configuration import AugmentationConfig
from msstan_core.training.hidden_views import TICK_NS, add_noise, hide_parts


def arrays(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "camera": rng.normal(size=(20, 8, 6, 6)).astype(np.float16),
        "thermal": rng.uniform(20, 1500, (20, 12, 12)).astype(np.float16),
        "valid": np.ones((20, 4), np.float32),
        "thermal_statistics": np.zeros((20, STATISTICS_COUNT), np.float32),
        "telemetry": (rng.normal(size=(20, 5)) * [1, 10, 100, 1, 0]).astype(np.float32),
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1.0))
def test_a_box_hides_one_rectangle_for_one_span_and_nothing_else(seed: int, size: float) -> None:
    before, after = arrays(seed), arrays(seed)
    hide_parts(after, AugmentationConfig(occlusion=1.0, occlusion_size=size), np.random.default_rng(seed))
    for name in ("camera", "thermal"):
        changed = (before[name] != after[name]).reshape(20, -1, *before[name].shape[-2:]).any(axis=1)
        for axes in ((1, 2), (0, 2), (0, 1)):  # ticks, rows, columns: each one run
            touched = np.flatnonzero(changed.any(axis=axes))
            assert len(touched) == 0 or len(touched) <= touched[-1] - touched[0] + 1
        side = before[name].shape[-1]
        assert changed.any(axis=(0, 2)).sum() <= max(1, round(size * side))
        hidden = after[name][changed] if name == "thermal" else np.zeros(0)
        assert (hidden == before["thermal"].min()).all(), "what stands before the weld is cold"
    assert (before["telemetry"] == after["telemetry"]).all()


def test_what_is_hidden_is_hidden_wherever_it_is_read() -> None:
    before, after = arrays(3), arrays(3)
    for content in (before, after):
        content["thumbnail"] = np.random.default_rng(9).uniform(0, 255, (20, 24, 24)).astype(np.float16)
        content["thermal"][:4] = 0.0  # no frame yet
        content["valid"][:4, [0, 1]] = 0.0
    hide_parts(after, AugmentationConfig(occlusion=1.0, occlusion_size=1.0), np.random.default_rng(1))
    hidden = (before["camera"] != after["camera"]).any(axis=1)
    finer = (before["thumbnail"] != after["thumbnail"]).reshape(20, 6, 4, 6, 4)
    np.testing.assert_array_equal(finer.any(axis=(2, 4)), hidden)
    cold = (before["thermal"] != after["thermal"]) & (after["valid"][:, 1] > 0)[:, None, None]
    assert (after["thermal"][cold] == before["thermal"][4:].min()).all(), "ticks without a frame are not the coldest"
    statistics, covered = ThermalStatistics(), cold.any(axis=(1, 2))
    assert covered.any()
    for tick in range(4, 20):
        found = statistics.update(tick * TICK_NS, after["thermal"][tick].astype(np.float32))
        expected = found if covered[tick] else before["thermal_statistics"][tick]
        np.testing.assert_array_equal(after["thermal_statistics"][tick], expected)


def test_boxes_come_as_often_as_asked_and_never_without_being_asked() -> None:
    rng = np.random.default_rng(0)
    often = [arrays(0) for _ in range(200)]
    for content in often:
        hide_parts(content, AugmentationConfig(occlusion=0.3), rng)
    assert 35 < sum(not np.array_equal(a["camera"], arrays(0)["camera"]) for a in often) < 75
    state = rng.bit_generator.state
    content = arrays(0)
    hide_parts(content, AugmentationConfig(), rng)
    add_noise(content, AugmentationConfig(), rng)
    assert all(np.array_equal(content[name], arrays(0)[name]) for name in content)
    assert rng.bit_generator.state == state, "off means off: not a random number is drawn"


def test_noise_has_the_size_asked_for() -> None:
    config = AugmentationConfig(camera_grain=0.5, thermal_noise_c=20.0, telemetry_noise=0.1)
    before, after = arrays(1), arrays(1)
    add_noise(after, config, np.random.default_rng(0))
    camera = after["camera"] - before["camera"].astype(np.float32)
    assert 0.45 < camera.std() / before["camera"].astype(np.float32).std() < 0.55
    assert 18 < (after["thermal"] - before["thermal"].astype(np.float32)).std() < 22
    wire = (after["telemetry"] - before["telemetry"]).std(axis=0)
    spread = before["telemetry"].std(axis=0)
    assert (wire[:4] < 0.2 * spread[:4]).all() and (wire[:4] > 0.04 * spread[:4]).all()
    assert wire[4] == 0, "what is constant stays so"


def test_an_absent_camera_stays_absent() -> None:
    content = arrays(2)
    content["camera"] = np.broadcast_to(np.zeros((), np.float16), (20, 8, 6, 6))
    config = AugmentationConfig(occlusion=1.0, camera_grain=0.5)
    hide_parts(content, config, np.random.default_rng(0))
    add_noise(content, config, np.random.default_rng(0))
    assert not any(content["camera"].strides)
