"""Events whose clearing message was lost are not shown for ever."""

import numpy as np
from live import Spinner, decision_for

from msstan_core.observation import Tick
from msstan_msgs.msg import WeldAnomaly
from msstan_ros.conversions import action_message
from msstan_ros.live_status import LiveListener
from msstan_ros.open_events import LOST_S, OpenEvents
from msstan_ros.overlay_node import OverlayNode


def test_an_event_is_lost_once_decisions_have_left_it_out_for_a_second() -> None:
    now = [100.0]
    events: OpenEvents[int] = OpenEvents(lambda: now[0])
    events.renew(1)
    events.renew(2)
    events.renew(3)
    events.end(3)
    lost = []
    for _ in range(30):
        now[0] += 0.05
        lost += events.lost()
        events.renew(2)
    assert lost == [1]


def test_a_pause_without_decisions_ends_no_event() -> None:
    now = [100.0]
    events: OpenEvents[int] = OpenEvents(lambda: now[0])
    events.renew(1)
    for _ in range(3):
        now[0] += 60.0
        assert events.lost() == []  # the decision comes before the events that it speaks of
        events.renew(1)


def test_neither_overlay_nor_live_view_keeps_an_event_that_nobody_cleared(spinner: Spinner) -> None:
    overlay = spinner.add(OverlayNode(context=spinner.context))
    assert isinstance(overlay, OverlayNode)
    now = [0.0]
    overlay._spoken_of, overlay._session_id = OpenEvents(lambda: now[0]), "s"
    with LiveListener() as listener:
        listener._spoken_of = OpenEvents(lambda: now[0])
        anomaly = WeldAnomaly(session_id="s", event_id=1, phase=WeldAnomaly.ONSET, name="spatter")
        decided = action_message(decision_for(Tick(0, 7, valid=np.ones(4, bool))), "s", 0, 0.01)
        for take in (overlay._anomaly, listener._take_anomaly):
            take(anomaly)
        for _ in range(2):
            overlay._decided(decided)
            listener._take_action(decided)
            assert overlay._open and listener.status().open_anomalies
            now[0] += 0.6 * LOST_S
        overlay._decided(decided)
        listener._take_action(decided)
        assert not overlay._open and not listener.status().open_anomalies
        assert listener.status().anomalies["s", 1].name == "spatter", "its course stays"
