"""The simulated weld cell, live: its sensors publish as a real cell's would, and it takes advice as a robot would."""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from typing import Any

from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from msstan_core.advisory.process_time import Moment
from msstan_core.closed_loop.cell_robot import CellRobot
from msstan_core.messages import TOPICS, Topic, TopicKind, topic_of_sample
from msstan_core.observation import NANOSECONDS_PER_SECOND, Sample
from msstan_core.parameters import ParameterSpec
from msstan_core.paths import typed_path
from msstan_core.recordings.annotations import write_annotations
from msstan_core.recordings.serialization import message_from_sample, serialize
from msstan_core.simulation import WeldCell, load_scenario
from msstan_msgs.msg import WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.advisory_messages import advice_from_message
from msstan_ros.conversions import stamp_message
from msstan_ros.node_process import run_node, until_shutdown
from msstan_ros.parameters import declare, folder_or_empty, value_of
from msstan_ros.sensor_sources import chosen_modalities, modalities_parameter, sensor_publisher

#: Pause between two looks at the clock, s; samples leave at most this late.
STEP_S = 0.004
#: Break between two parts, s.
BETWEEN_PARTS_S = 1.0
#: A cell in real time that computes this much too late is moved on: its next samples are stamped with the time they
#: appear. At its own pace it goes slower instead, s.
MAX_LAG_S = 0.25
#: /clock, where the cell does not run in real time, Hz of cell time.
CLOCK_RATE_HZ = 100.0
#: Before the first part, readers have this long to appear, s.
READER_TIMEOUT_S = 30.0
#: The same complaint is logged at most this often, s.
LOG_INTERVAL_S = 5.0

SPECS = (
    ParameterSpec("scenario", "gmaw_steel_lap", "name of a built-in scenario, or a YAML file", read_only=True),
    ParameterSpec(
        "seed", -1, "another weld of the same scenario; -1: the scenario's own", -1, 2**31 - 1, read_only=True
    ),
    ParameterSpec("real_time_factor", 1.0, "1: real time; otherwise /clock is published", 0.05, 20.0, read_only=True),
    ParameterSpec("loop", True, "weld the next part (seed + 1) when one is done", while_active=True),
    ParameterSpec("at_end", "exit", "after the last part: exit, or idle", choices=("exit", "idle"), while_active=True),
    modalities_parameter("sensors to publish; empty: all of the scenario"),
    ParameterSpec(
        "annotations_folder",
        "",
        "folder for the true annotations of each part, NAME-SEED.csv; empty: none are written",
        check=folder_or_empty,
        read_only=True,
    ),
)


class WeldCellNode(Node):
    """See the module. Subscribes to ``weld/advisory_gated`` and follows it as a robot would.

    Raises:
        InputError: when the scenario cannot be read.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__("weld_cell", **arguments)
        declare(self, SPECS)
        self.exit_status = 0
        seed = value_of(self, "seed")
        self._scenario = load_scenario(value_of(self, "scenario"), seed if seed >= 0 else None)
        self._factor = value_of(self, "real_time_factor")
        self._modalities = chosen_modalities(self)
        self._out = {topic.kind: sensor_publisher(self, topic) for topic in TOPICS if self._wanted(topic)}
        self._clock_out = self.create_publisher(Clock, "/clock", qos.CLOCK) if self._factor != 1.0 else None
        self._heard: WeldParameterAdvisory | None = None
        self._advice_lock = threading.Lock()
        self.create_subscription(WeldParameterAdvisory, "weld/advisory_gated", self._take_advice, qos.ADVISORY_GATED)
        self._stop = threading.Event()
        self._newest_ns: int | None = None
        self._thread = threading.Thread(target=until_shutdown(self, self._weld_parts), name="cell", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop welding."""
        self._stop.set()
        self._thread.join(5.0)

    def _wanted(self, topic: Topic) -> bool:
        # The cell's camera is published as it comes, uncompressed.
        return topic.kind is not TopicKind.CAMERA_COMPRESSED and (
            topic.modality is None or topic.modality in self._modalities
        )

    def _take_advice(self, advice: WeldParameterAdvisory) -> None:
        with self._advice_lock:
            self._heard = advice

    # -- cell's thread ------------------------------------------------------------------------------------------

    def _weld_parts(self) -> None:
        self._wait_for_readers()
        scenario = self._scenario
        while not self._stop.is_set():
            self.get_logger().info(f"welding {scenario.name}, seed {scenario.seed}")
            cell = WeldCell(scenario)
            self._weld(cell)
            if cell.finished and (folder := value_of(self, "annotations_folder")):
                file = typed_path(folder) / f"{scenario.name}-{scenario.seed}.csv"
                write_annotations(file, cell.annotations)
            self._stop.wait(BETWEEN_PARTS_S)
            if not value_of(self, "loop"):
                break
            scenario = scenario.with_seed(scenario.seed + 1)
        if value_of(self, "at_end") == "exit" and not self._stop.is_set():
            self.context.try_shutdown()

    def _wait_for_readers(self) -> None:
        """Do not begin before somebody reads: the start of a weld tells most."""
        until = time.monotonic() + READER_TIMEOUT_S
        while time.monotonic() < until and not self._stop.wait(0.1):
            sensors = (publisher for kind, publisher in self._out.items() if kind is not TopicKind.CONTEXT)
            if any(publisher.get_subscription_count() for publisher in sensors):
                return
        if not self._stop.is_set():
            self.get_logger().warning(f"nobody reads after {READER_TIMEOUT_S:.0f} s; welding all the same")

    def _next_start_ns(self) -> int:
        """Stamp of the next part's beginning: now, or on the cell's own clock a break after the part before."""
        if self._factor == 1.0 or self._newest_ns is None:
            return time.time_ns()
        return self._newest_ns + round(BETWEEN_PARTS_S * NANOSECONDS_PER_SECOND)

    def _weld(self, cell: WeldCell) -> None:
        """One part; returns when it is done or the node ends. The cell's own stamps count from 0."""
        began, moved_s, told_s = time.monotonic(), 0.0, -1.0
        start_ns = self._next_start_ns()
        robot = CellRobot(cell)
        while not self._stop.is_set():
            due_s = (time.monotonic() - began) * self._factor - moved_s
            if self._clock_out is not None:  # nobody's clock runs ahead: everything may happen in its order
                due_s = min(due_s, cell.time_s + 1 / CLOCK_RATE_HZ)
            self._follow_advice(cell, robot, start_ns + round(moved_s * NANOSECONDS_PER_SECOND))
            for sample in cell.advance(due_s):
                self._publish(sample, start_ns + round(moved_s * NANOSECONDS_PER_SECOND))
                if self._stop.is_set():
                    return
            if cell.time_s > told_s:
                self._tell_time(start_ns + round((cell.time_s + moved_s) * NANOSECONDS_PER_SECOND))
                told_s = cell.time_s
            if cell.finished:
                return
            lag_s = (time.monotonic() - began) * self._factor - moved_s - due_s
            if lag_s > MAX_LAG_S:
                if self._clock_out is None:
                    moved_s += lag_s
                else:
                    began += lag_s / self._factor
                self.get_logger().warning(
                    "the simulation is slower than the asked real_time_factor; "
                    + ("time moved on" if self._clock_out is None else "its clock goes slower")
                    + ": lower real_time_factor",
                    throttle_duration_sec=LOG_INTERVAL_S,
                )
            elif lag_s < STEP_S * self._factor:
                self._stop.wait(STEP_S)

    def _publish(self, sample: Sample, start_ns: int) -> None:
        publisher = self._out.get(topic_of_sample(sample).kind)
        if publisher is None or not self.context.ok():
            return
        stamped = dataclasses.replace(sample, stamp_ns=sample.stamp_ns + start_ns)
        publisher.publish(bytes(serialize(*message_from_sample(stamped))))
        self._newest_ns = max(self._newest_ns or 0, stamped.stamp_ns)

    def _tell_time(self, stamp_ns: int) -> None:
        if self._clock_out is not None and self.context.ok():
            self._clock_out.publish(Clock(clock=stamp_message(stamp_ns)))

    def _follow_advice(self, cell: WeldCell, robot: CellRobot, start_ns: int) -> None:
        """What the gate says now, as far as it fits the programme; without a gate the deltas return by themselves."""
        with self._advice_lock:
            heard, self._heard = self._heard, None
        moment = Moment(start_ns + round(cell.time_s * NANOSECONDS_PER_SECOND), time.monotonic())
        if heard is not None and (reason := robot.take(advice_from_message(heard), moment)):
            self.get_logger().warning(f"advice not followed: {reason}", throttle_duration_sec=LOG_INTERVAL_S)
        robot.move(moment)


def main() -> None:
    """Entry point of the executable ``weld_cell_node``."""
    sys.exit(run_node(WeldCellNode))


if __name__ == "__main__":
    main()
