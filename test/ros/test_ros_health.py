import math
from itertools import pairwise

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from msstan_core.vocabulary import Modality
from msstan_ros.conversions import stamp_message
from msstan_ros.diagnostics import diagnostics_message
from msstan_ros.health import Health, InputHealth, assess
from msstan_ros.recent_figures import RecentFigures

FRESH = InputHealth(Modality.CAMERA, 0.01, 0.5)
SILENT = InputHealth(Modality.THERMAL, 3.0, 0.5)
ALL = np.ones(4, np.bool_), np.zeros(4, np.float32)  #: valid and age of a decision that rests on every sensor
NEVER = InputHealth(Modality.ACOUSTIC, None, 0.5)


def test_all_fresh_is_ok_and_needs_no_words() -> None:
    assert assess([FRESH]) == (Health.OK, "")


def test_a_missing_sensor_degrades_and_is_named() -> None:
    health, message = assess([FRESH, SILENT, NEVER])
    assert health is Health.DEGRADED
    assert "thermal: silent for 3.0 s" in message
    assert "acoustic: no sample yet" in message


def test_samples_that_are_old_when_they_arrive_degrade_though_they_flow() -> None:
    health, message = assess([FRESH, InputHealth(Modality.THERMAL, 0.01, 0.5, late_s=4.0)])
    assert health is Health.DEGRADED
    assert message == "thermal: samples are 4.0 s old when they arrive (queues, network)"
    assert assess([InputHealth(Modality.THERMAL, 0.01, 0.5, late_s=0.4)]) == (Health.OK, "")


def test_no_sensor_at_all_is_stale_with_a_remedy() -> None:
    health, message = assess([SILENT, NEVER])
    assert health is Health.STALE
    assert "check" in message


def test_refused_messages_degrade() -> None:
    health, message = assess([InputHealth(Modality.CAMERA, 0.01, 0.5, malformed_recently=True)])
    assert health is Health.DEGRADED
    assert "refused" in message


def test_a_sensor_whose_stamps_stand_still_does_not_flow() -> None:
    health, message = assess([FRESH, InputHealth(Modality.THERMAL, 0.01, 0.5, stamp_unmoved_s=2.0)])
    assert health is Health.DEGRADED
    assert "thermal: stamps have stood still for 2.0 s" in message
    assert assess([InputHealth(Modality.THERMAL, 0.01, 0.5, stamp_unmoved_s=2.0)])[0] is Health.STALE


def test_samples_without_decisions_are_stale_with_the_reason() -> None:
    assert assess([FRESH], undecided_s=0.9) == (Health.OK, "")
    assert assess([FRESH], undecided_s=2.0, undecided_limit_s=2.5) == (Health.OK, "")
    health, message = assess([FRESH, SILENT], undecided_s=1.5)
    assert health is Health.STALE
    assert "thermal: silent" in message and "make no tick for 1.5 s" in message
    health, message = assess([FRESH], undecided_s=1.6, step_running_s=1.5)
    assert health is Health.STALE
    assert "inference has not answered for 1.5 s" in message


def test_failing_inference_is_an_error_even_with_all_inputs() -> None:
    assert assess([FRESH], failure="ValueError: x")[0] is Health.ERROR


def test_a_hung_step_is_an_error() -> None:
    assert assess([FRESH], step_running_s=60.0)[0] is Health.ERROR


def test_a_thread_that_has_ended_is_an_error_of_its_own() -> None:
    health, message = assess([InputHealth(Modality.CAMERA, None, 0.5)], thread_ended=True)
    assert health is Health.ERROR and "thread has ended" in message and "restart the node" in message


def test_skipped_ticks_are_said() -> None:
    health, message = assess([FRESH], skipped_share=0.5)
    assert health is Health.DEGRADED
    assert "50%" in message


@pytest.mark.parametrize("health", list(Health))
def test_diagnostics_never_call_anything_but_ok_ok(health: Health) -> None:
    message = diagnostics_message("/weld_monitor", health, "", {"rate (Hz)": 29.97, "n": 3}, stamp_message(5))
    (status,) = message.status
    assert (status.level == DiagnosticStatus.OK) == (health is Health.OK)
    assert [(v.key, v.value) for v in status.values] == [("rate (Hz)", "29.97"), ("n", "3")]


def test_figures_of_a_silent_monitor_are_zero_rate_and_unknown_latency() -> None:
    rate, *latencies = RecentFigures().latencies()
    assert rate == 0
    assert all(math.isnan(v) for v in latencies)


def test_latencies_are_percentiles_and_unknown_ones_do_not_count() -> None:
    figures = RecentFigures()
    for value in (0.001, 0.002, 0.003):
        figures.add(value, math.nan if value == 0.003 else 10 * value, *ALL)
    _, i50, i99, p50, _ = figures.latencies()
    assert i50 == pytest.approx(0.002)
    assert 0.002 < i99 <= 0.003
    assert p50 == pytest.approx(0.015)


def test_skipped_share_is_of_recent_ticks() -> None:
    figures = RecentFigures()
    assert figures.skipped_share(10, 100) == 0.0  # what was before does not count
    assert figures.skipped_share(20, 110) == pytest.approx(0.5)


def test_sensors_that_enter_no_decision_are_said_with_how_they_lie_to_the_ticks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figures, now = RecentFigures(), [100.0]
    monkeypatch.setattr("msstan_ros.recent_figures.time.monotonic", lambda: now[0])
    assert figures.unused() == {}
    for tick in range(40):
        now[0] += 0.04
        ages = np.array([0.0, 3600.0, math.nan, 0.1], np.float32)
        figures.add(0.003, 0.01, np.array([True, False, False, tick % 10 > 0]), ages)
        if tick == 3:
            assert figures.unused() == {}, "a few decisions at the beginning say nothing"
    assert figures.unused() == {
        Modality.THERMAL: "3600 s old at the ticks",
        Modality.ACOUSTIC: "none is at or before the ticks",
    }
    now[0] += 10
    assert figures.unused() == {}, "long ago"


def test_a_sensor_that_arrives_but_is_not_used_is_a_complaint_with_the_remedy() -> None:
    late = InputHealth(Modality.THERMAL, 0.01, 0.5, unused="3600 s old at the ticks")
    health, message = assess([FRESH, late])
    assert health is Health.DEGRADED and not late.enters and FRESH.enters
    assert "3600 s old" in message and "alignment.offset_s.thermal" in message


def test_a_sensor_at_the_border_does_not_flap(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, now, said = RecentFigures(), [100.0], []
    monkeypatch.setattr("msstan_ros.recent_figures.time.monotonic", lambda: now[0])
    rng = np.random.default_rng(0)
    for _ in range(1500):
        now[0] += 0.04
        figures.add(0.003, 0.01, np.array([True, True, rng.random() < 0.5, True]), np.zeros(4, np.float32))
        said.append(bool(figures.unused()))
    assert sum(a != b for a, b in pairwise(said)) <= 3


def test_one_tick_without_a_sensor_is_no_complaint_but_what_cannot_be_used_is() -> None:
    assert assess([FRESH], degraded=("thermal is stale",)) == (Health.OK, "")
    assert assess([FRESH], degraded=("telemetry: no channel is measured",)) == (
        Health.DEGRADED,
        "telemetry: no channel is measured",
    )


def test_telemetry_without_a_value_is_said_as_that_and_not_as_a_wrong_clock() -> None:
    telemetry = InputHealth(Modality.TELEMETRY, 0.01, 0.5, unused="0.01 s old at the ticks")
    health, message = assess([FRESH, telemetry], degraded=("telemetry: no channel is measured",))
    assert (health, message) == (Health.DEGRADED, "telemetry: no channel is measured")
