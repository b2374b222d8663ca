import argparse
import math
from pathlib import Path

import numpy as np
import pytest
from live import Spinner, decision_for, until
from rich.console import Console

from msstan_core.errors import InputError
from msstan_core.observation import Tick
from msstan_core.vocabulary import ACTIONS, Action
from msstan_msgs.msg import WeldAction, WeldAnomaly, WeldMonitorState
from msstan_ros import qos
from msstan_ros.commands import demo, watch
from msstan_ros.conversions import action_message, stamp_message
from msstan_ros.health import Health
from msstan_ros.live_status import ActionRow, AnomalySpan, LiveListener, LiveStatus
from msstan_ros.terminal_view import line, screen
from msstan_ros.timeline import action_spans, draw_timeline


def row(seconds: float, action: Action) -> ActionRow:
    probabilities = np.full(9, 0.05, np.float32)
    probabilities[ACTIONS.index(action)] = 0.6
    weights = np.array([0.5, 0, 0.3, 0.2], np.float32)
    return ActionRow(seconds, action, 0.6, probabilities, weights, (True, False, True, True), 0.005, 0.012)


def text_of(status: LiveStatus) -> str:
    console = Console(width=90, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(screen(status))
    return console.export_text()


@pytest.mark.parametrize(
    ("command", "seconds"), [("demo", "0"), ("demo", "nan"), ("demo", "-3"), ("watch", "nan"), ("watch", "-1")]
)
def test_a_time_that_is_none_is_refused_before_anything_starts(
    command: str, seconds: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    {"demo": demo, "watch": watch}[command].register(parser.add_subparsers())
    arguments = parser.parse_args([command, "--seconds", seconds])
    with pytest.raises(InputError, match=f"--seconds: is {seconds}; give a time above 0"):
        arguments.run(arguments)
    assert not list(tmp_path.iterdir())


def test_a_status_without_decisions_says_that_it_waits() -> None:
    assert "waiting" in line(LiveStatus())
    assert "waiting" in text_of(LiveStatus())


def test_screen_and_line_show_action_weights_and_suspicion() -> None:
    status = LiveStatus(health=Health.DEGRADED, message="thermal: no sample yet", model="nano 1")
    status.rows.append(row(1.0, Action.MATERIAL_DEPOSITION))
    status.anomalies["s", 1] = AnomalySpan(2011, "gas pore", 0.5, 1.0, 0.83, 0.5, cleared=False)
    status.anomalies["s", 2] = AnomalySpan(602, "spatter", 0.1, 0.2, 0.9, 0.5, cleared=True)
    for text in (line(status), text_of(status)):
        assert "gas pore" in text
        assert "spatter" not in text
        assert "12 ms" in text
    assert line(status).startswith("MATERIAL_DEPOSITION")
    assert "thermal 0" not in line(status)
    assert "no input" in text_of(status)
    assert "60.0%" in text_of(status)


def test_an_old_action_is_not_shown_as_current_when_the_input_is_stale() -> None:
    status = LiveStatus(health=Health.STALE, message="camera: silent")
    status.rows.append(row(1.0, Action.COOLING))
    assert line(status).startswith("STALE")


def test_a_monitor_that_has_fallen_silent_is_not_shown_as_it_was() -> None:
    status = LiveStatus(health=Health.OK, model="nano 1", silence_s=0.4)
    status.rows.append(row(1.0, Action.MATERIAL_DEPOSITION))
    status.anomalies["s", 1] = AnomalySpan(2011, "gas pore", 0.5, 1.0, 0.83, 0.5, cleared=False)
    assert "OK" in line(status) and "gas pore" in text_of(status)
    status.silence_s = 7.2
    assert line(status) == "NO HEARTBEAT          for 7 s"
    shown = text_of(status)
    assert "no heartbeat for 7 s" in shown and "gas pore" not in shown and "60.0%" not in shown


def test_stretches_of_one_action_are_joined() -> None:
    rows = [row(t, a) for t, a in ((0, Action.IDLE), (1, Action.IDLE), (2, Action.COOLING), (3, Action.COOLING))]
    assert action_spans(rows) == [(0, 2, Action.IDLE), (2, 3, Action.COOLING)]


def test_a_timeline_is_a_png_even_with_unknown_actions_and_latencies(tmp_path: Path) -> None:
    rows = [row(t / 10, Action.IDLE if t < 20 else Action.MATERIAL_DEPOSITION) for t in range(50)]
    unknown = ActionRow(
        5.0,
        Action.UNKNOWN,
        math.nan,
        np.full(9, np.nan, np.float32),
        np.zeros(4, np.float32),
        (False,) * 4,
        0.004,
        math.nan,
    )
    anomaly = AnomalySpan(510, "burn-through", 2.0, 3.0, 0.8, 0.5, cleared=True)
    draw_timeline([*rows, unknown], [anomaly], tmp_path / "new" / "timeline.png", "a weld")
    assert (tmp_path / "new" / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_the_listener_follows_actions_states_and_the_life_of_an_anomaly(spinner: Spinner) -> None:
    peer = spinner.peer()
    actions = peer.create_publisher(WeldAction, "weld/action", qos.action(1.0))
    states = peer.create_publisher(WeldMonitorState, "weld/state", qos.STATE)
    anomalies = peer.create_publisher(WeldAnomaly, "weld/anomaly", qos.ANOMALY)
    with LiveListener() as listener:
        assert until(lambda: all(p.get_subscription_count() for p in (actions, states, anomalies)))
        tick = Tick(0, 7_000_000_000, valid=np.array([True, False, False, False]))
        actions.publish(action_message(decision_for(tick), "s", 0, 0.01))
        states.publish(WeldMonitorState(health=WeldMonitorState.OK, tick_rate_hz=25.0))
        for phase, score, second in (
            (WeldAnomaly.ONSET, 0.6, 7),
            (WeldAnomaly.ONGOING, 0.9, 8),
            (WeldAnomaly.ONGOING, math.nan, 8),
            (WeldAnomaly.CLEARED, 0.2, 9),
        ):
            message = WeldAnomaly(
                session_id="s", event_id=1, phase=phase, score=score, name="spatter", iso_6520_1_code=602
            )
            message.alarm = phase != WeldAnomaly.ONSET
            message.onset, message.header.stamp = stamp_message(7 * 10**9), stamp_message(second * 10**9)
            anomalies.publish(message)
        assert until(
            lambda: (s := listener.status()).newest and s.health is Health.OK and not s.open_anomalies and s.anomalies
        )
        status = listener.status()
        assert not status.silent
        assert until(lambda: listener.status().silent, 3.0), "nobody has said a second heartbeat"
    (span,) = status.anomalies.values()
    assert (span.onset_s, span.until_s) == (7.0, 9.0)
    assert abs(span.score - 0.9) < 1e-6
    assert span.alarm and span.alarm_s == 8.0 and str(span) == "ALARM 602 spatter 0.90"
    assert status.newest is not None
    assert status.newest.action is Action.MATERIAL_DEPOSITION
    assert status.newest.stamp_s == 7.0


def test_the_listener_outlives_what_a_newer_monitor_says(spinner: Spinner) -> None:
    peer = spinner.peer()
    actions = peer.create_publisher(WeldAction, "weld/action", qos.action(1.0))
    states = peer.create_publisher(WeldMonitorState, "weld/state", qos.STATE)
    with LiveListener() as listener:
        assert until(lambda: all(p.get_subscription_count() for p in (actions, states)))
        message = action_message(
            decision_for(Tick(0, 7_000_000_000, valid=np.array([True, False, False, False]))), "s", 0, 0.01
        )
        message.action = 99
        actions.publish(message)
        states.publish(WeldMonitorState(health=98, message="of another version"))
        assert until(lambda: listener.status().newest and listener.status().message == "of another version")
        status = listener.status()
    assert status.newest is not None and status.newest.action is Action.UNKNOWN and status.health is Health.UNKNOWN
