"""What was heard of a weld over DDS becomes the record that the study judges."""

import math
import time

import pytest
from live import Spinner, until
from rosgraph_msgs.msg import Clock

from msstan_core.advisory.wps_files import WPS_FOLDER, load_wps
from msstan_core.closed_loop.figures import figures_of
from msstan_core.recordings.annotations import Annotation
from msstan_core.resources import share_path
from msstan_msgs.msg import WeldAction, WeldAnomaly, WeldContext, WeldMonitorState, WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.advisory_recorder import AdvisoryRecorder
from msstan_ros.conversions import stamp_message

LAP = load_wps(share_path(f"{WPS_FOLDER}/gmaw_steel_lap.yaml"))
START_NS = 1_700_000_000 * 10**9


def at(seconds: float):
    return stamp_message(START_NS + round(seconds * 1e9))


def gated(seconds: float, sequence: int, volts: float) -> WeldParameterAdvisory:
    message = WeldParameterAdvisory(sequence_id=sequence, voltage_delta_v=volts, current_delta_a=math.nan)
    message.header.stamp = at(seconds)
    message.cause_event_id, message.cause_iso_code = (4, 506) if volts else (0, 0)
    return message


def test_stamps_count_from_the_weld_context_and_everything_is_judged(spinner: Spinner) -> None:
    peer = spinner.peer()
    context = peer.create_publisher(WeldContext, "weld/context", qos.CONTEXT)
    gate = peer.create_publisher(WeldParameterAdvisory, "weld/advisory_gated", qos.ADVISORY_GATED)
    anomaly = peer.create_publisher(WeldAnomaly, "weld/anomaly", qos.ANOMALY)
    course = [0.0] * 10 + [0.08 * i for i in range(10)] + [0.72] * 20 + [2.0] + [0.0] * 5
    with AdvisoryRecorder() as recorder:
        assert until(lambda: all(p.get_subscription_count() == 1 for p in (context, gate, anomaly)))
        job = WeldContext(thickness_a_m=math.nan, thickness_b_m=math.nan)
        job.header.stamp = at(0.0)
        context.publish(job)
        gate.publish(gated(-START_NS / 1e9, 0, 0.0))  # before the cell tells the time
        assert until(lambda: recorder._gated)
        for index, volts in enumerate(course):
            gate.publish(gated(2.0 + 0.02 * index, index, volts))
            assert until(lambda heard=index: len(recorder._gated) > heard + 1)
        for phase in (WeldAnomaly.ONSET, WeldAnomaly.ONGOING):
            event = WeldAnomaly(event_id=4, iso_6520_1_code=506, phase=phase)
            event.header.stamp = at(1.9)
            anomaly.publish(event)
        assert until(lambda: recorder._jobs and len(recorder._anomalies) == 2)
    record = recorder.record(LAP, 0.1, [Annotation(1.5, 2.5, "imperfection", "506", severity=0.5)])
    assert record is not None
    assert record.cycles[0].time_s == pytest.approx(2.0) and record.suspected == [(pytest.approx(1.9), 4, 506)]
    figures = figures_of(record, 506, 0, "monitor")
    assert figures.detected and figures.delay_s == pytest.approx(0.4)
    assert figures.advised_s == pytest.approx(30 * 0.02, rel=0.05)
    assert figures.wps_violations == 2, "the jump to two volts and the jump back are faster than the procedure allows"


def test_the_latency_is_the_cells_time_from_stamp_to_arrival(spinner: Spinner) -> None:
    peer = spinner.peer()
    context = peer.create_publisher(WeldContext, "weld/context", qos.CONTEXT)
    anomaly = peer.create_publisher(WeldAnomaly, "weld/anomaly", qos.ANOMALY)
    clock = peer.create_publisher(Clock, "/clock", qos.CLOCK)
    with AdvisoryRecorder() as recorder:
        assert until(lambda: all(p.get_subscription_count() == 1 for p in (context, anomaly, clock)))
        job = WeldContext(thickness_a_m=math.nan, thickness_b_m=math.nan)
        job.header.stamp = at(0.0)
        context.publish(job)
        for index, late_s in enumerate((0.08, 0.5, 0.1)):
            clock.publish(Clock(clock=at(2.0 + index)))
            assert until(lambda seen=START_NS + (2 + index) * 10**9: recorder._clock_ns == seen)
            event = WeldAnomaly(event_id=4, iso_6520_1_code=506, phase=WeldAnomaly.ONSET)
            event.header.stamp = at(2.0 + index - late_s)
            anomaly.publish(event)
            assert until(lambda heard=index: len(recorder._anomalies) > heard)
        assert until(lambda: recorder._jobs)
    record = recorder.record(LAP, 0.1, [Annotation(1.8, 2.5, "imperfection", "506", severity=0.5)])
    assert record is not None and record.latency_s == pytest.approx(0.1)
    assert figures_of(record, 506, 0, "live").delay_s == pytest.approx(1.92 + 0.1 - 1.8)


def test_late_decisions_and_bad_heartbeats_are_counted_while_the_cell_tells_the_time(spinner: Spinner) -> None:
    peer = spinner.peer()
    action = peer.create_publisher(WeldAction, "weld/action", qos.action(0.5))
    state = peer.create_publisher(WeldMonitorState, "weld/state", qos.STATE)
    clock = peer.create_publisher(Clock, "/clock", qos.CLOCK)
    with AdvisoryRecorder() as recorder:
        assert until(lambda: all(p.get_subscription_count() == 1 for p in (action, state, clock)))
        # Sensors that are silent before the cell begins are no fault of the machine.
        state.publish(WeldMonitorState(health=WeldMonitorState.STALE))
        time.sleep(0.3)
        for index, (late_s, health) in enumerate(((0.08, 1), (0.3, 2), (0.09, 1), (0.06, 3))):
            clock.publish(Clock(clock=at(2.0 + index)))
            assert until(lambda seen=START_NS + (2 + index) * 10**9: recorder._clock_ns == seen)
            decision = WeldAction()
            decision.header.stamp = at(2.0 + index - late_s)
            action.publish(decision)
            state.publish(WeldMonitorState(health=health))
            heard = index + 1
            assert until(lambda heard=heard: len(recorder._ages_s) == len(recorder._not_ok) == heard)
    timing = recorder.timing()
    assert (timing.decisions, timing.late, timing.not_ok) == (4, 0.25, 0.5)
    assert timing.age_p50_s == pytest.approx(0.085) and timing.pace > 0.0


def test_a_weld_that_nobody_heard_is_none() -> None:
    with AdvisoryRecorder() as recorder:
        pass
    assert recorder.record(LAP, 0.1, []) is None
    assert recorder.timing().decisions == 0 and math.isnan(recorder.timing().pace)
