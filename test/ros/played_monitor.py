"""A monitor that a test plays: heartbeats and advice as the real one sends them, until it is told to misbehave."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from live import Spinner
from rclpy.parameter import Parameter

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.advisor import Advisor
from msstan_core.advisory.wps_files import WPS_FOLDER, load_wps
from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.resources import share_path
from msstan_core.vocabulary import Action
from msstan_msgs.msg import WeldContext, WeldMonitorState, WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.advisory_messages import advisory_message
from msstan_ros.conversions import stamp_message

LAP = load_wps(share_path(f"{WPS_FOLDER}/gmaw_steel_lap.yaml"))
PERIOD_S = 0.1


class PlayedMonitor:
    """Beats and, while ``iso_code`` is set, advises against that imperfection at 10 Hz, in a thread of its own."""

    def __init__(self, spinner: Spinner, now_ns: Callable[[], int] = time.time_ns) -> None:
        self.node = spinner.peer("played_monitor")
        self._state = self.node.create_publisher(WeldMonitorState, "weld/state", qos.STATE)
        self._advisory = self.node.create_publisher(WeldParameterAdvisory, "weld/advisory", qos.ADVISORY)
        self._context = self.node.create_publisher(WeldContext, "weld/context", qos.CONTEXT)
        self.now_ns = now_ns
        self._stop = threading.Event()
        self._beats = self._sequence = 0
        self.session, self.health, self.beating, self.iso_code = "played", WeldMonitorState.OK, True, 0
        self.change: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def weld(self, wps_id: str) -> None:
        self._context.publish(WeldContext(wps_id=wps_id, thickness_a_m=math.nan, thickness_b_m=math.nan))

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _advice(self) -> Advice:
        event = AnomalyEvent(5, EventPhase.ONGOING, self.iso_code, "", 0.9, 0.5, math.nan, 0, 0)
        advice = Advisor().update(self.now_ns(), Action.MATERIAL_DEPOSITION, [event], None, LAP)
        assert advice is not None
        return advice

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            if self.beating:
                beat = WeldMonitorState(session_id=self.session, sequence_id=self._beats, health=self.health)
                beat.model_revision = 1
                beat.header.stamp = stamp_message(self.now_ns())
                self._beats += 1
                self._state.publish(beat)
            if self.iso_code:
                message = advisory_message(self._advice())
                message.session_id, message.sequence_id, message.model_revision = self.session, self._sequence, 1
                self._sequence += 1
                for name, value in self.change.items():
                    setattr(message, name, value)
                self._advisory.publish(message)


def main() -> None:
    """``python played_monitor.py ISO_CODE``: a process of its own that advises on simulated time until it is ended."""
    monitor = PlayedMonitor(Spinner())
    monitor.node.set_parameters([Parameter("use_sim_time", value=True)])
    monitor.now_ns = lambda: int(monitor.node.get_clock().now().nanoseconds)
    monitor.iso_code = int(sys.argv[1])
    threading.Event().wait()


if __name__ == "__main__":
    main()
