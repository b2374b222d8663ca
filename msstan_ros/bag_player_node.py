"""Plays a recording: its messages as they are, its timing, ``/clock`` beside it. Stamps are never touched."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from std_srvs.srv import Trigger

from msstan_core.errors import InputError
from msstan_core.messages import Topic, TopicKind
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.parameters import ParameterSpec
from msstan_core.paths import typed_path
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.raw_messages import RawMessage
from msstan_ros import qos
from msstan_ros.conversions import stamp_message
from msstan_ros.node_process import run_node, until_shutdown
from msstan_ros.parameters import declare, value_of
from msstan_ros.sensor_sources import chosen_modalities, modalities_parameter, sensor_publisher

#: /clock between messages, Hz of recorded time.
CLOCK_RATE_HZ = 100.0
#: Time between two progress lines, s.
PROGRESS_PERIOD_S = 5.0
#: Silence between two rounds of a loop, so that the last messages of one are through before the next begins, s.
LOOP_GAP_S = 0.5
#: After the last message readers have this long to work through what they hold, s.
LINGER_S = 1.0
#: Longest nap, so that an end is noticed soon, s.
NAP_S = 0.1

SPECS = (
    ParameterSpec("bag", "", "recording to play: a rosbag2 folder", read_only=True),
    ParameterSpec("rate", 1.0, "1: as recorded, 2: twice as fast", 0.01, 100.0, while_active=True),
    ParameterSpec("loop", False, "start again at the end", while_active=True),
    ParameterSpec("start_offset_s", 0.0, "seconds left out at the beginning", 0.0, 1e6, read_only=True),
    ParameterSpec("paused", False, "wait for ~/resume before the first message", read_only=True),
    ParameterSpec(
        "topics", [""], "recorded topics to play, of one cell; empty: all that the monitor reads", read_only=True
    ),
    modalities_parameter("sensors to play; empty: all"),
    ParameterSpec("publish_clock", True, "publish /clock", read_only=True),
    ParameterSpec(
        "wait_for_readers_s",
        30.0,
        "before the first message, wait this long for a reader of every topic; 0: do not",
        0.0,
        3600.0,
    ),
    ParameterSpec(
        "at_end", "exit", "after the last message: exit, or idle", choices=("exit", "idle"), while_active=True
    ),
)


class BagPlayerNode(Node):
    """See the module. Services ``~/pause`` and ``~/resume`` (std_srvs/Trigger).

    Raises:
        InputError: when the recording cannot be read or holds nothing to play.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__("bag_player", **arguments)
        declare(self, SPECS)
        self.exit_status = 0
        self._bag = typed_path(value_of(self, "bag"))
        if not value_of(self, "bag"):
            raise InputError("parameter bag", "is empty", "name a rosbag2 folder")
        with BagReader(self._bag) as reader:
            self._topics = self._chosen(reader)
            self._begin_ns, self._end_ns = _first_time_ns(reader, self._topics), reader.end_ns
        whole_s, offset_s = self._duration_s, value_of(self, "start_offset_s")
        self._begin_ns += round(offset_s * NANOSECONDS_PER_SECOND)
        if self._begin_ns > self._end_ns:
            raise InputError(
                "parameter start_offset_s",
                f"{offset_s:g} s is behind the end of the recording",
                f"it lasts {whole_s:.1f} s",
            )
        self._out = {name: sensor_publisher(self, topic) for name, topic in self._topics.items()}
        self._clock_publisher = (
            self.create_publisher(Clock, "/clock", qos.CLOCK) if value_of(self, "publish_clock") else None
        )
        self._stop = threading.Event()
        self._running = threading.Event()
        if not value_of(self, "paused"):
            self._running.set()
        self.create_service(Trigger, "~/pause", self._pause)
        self.create_service(Trigger, "~/resume", self._resume)
        self._thread = threading.Thread(target=until_shutdown(self, self._play), name="player", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop playing."""
        self._stop.set()
        self._thread.join(5.0)

    # -- what to play -------------------------------------------------------------------------------------------

    def _chosen(self, reader: BagReader) -> dict[str, Topic]:
        names = [name for name in value_of(self, "topics") if name]
        modalities = chosen_modalities(self)
        rows = [row for row in reader.topics if row.matches is not None and row.count]
        recorded = {row.name: row.matches for row in rows if row.matches is not None}
        usual = {row.name for row in rows if not row.ignored}  # what the reader reads; the rest only by name
        if missing := [name for name in names if name not in recorded]:
            raise InputError(
                self._bag, f"does not hold {', '.join(missing)}", f"choose among {', '.join(recorded) or 'nothing'}"
            )
        chosen = {
            name: topic
            for name, topic in recorded.items()
            if name in (names or usual) and (topic.modality is None or topic.modality in modalities)
        }
        if not chosen:
            raise InputError(self._bag, "holds nothing of what was asked for", "check parameters topics and modalities")
        reader.one_cell(chosen)
        return chosen

    @property
    def _duration_s(self) -> float:
        duration_s: float = (self._end_ns - self._begin_ns) / NANOSECONDS_PER_SECOND
        return duration_s

    # -- services -----------------------------------------------------------------------------------------------

    def _pause(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._running.clear()
        response.success, response.message = True, "paused"
        return response

    def _resume(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._running.set()
        response.success, response.message = True, "playing"
        return response

    # -- player's thread ----------------------------------------------------------------------------------------

    def _play(self) -> None:
        self._wait_for_readers()
        rounds = 0
        while not self._stop.is_set():
            count = self._play_once()
            rounds += 1
            if self._stop.is_set():
                return
            self.get_logger().info(f"end of the recording, {count} messages, round {rounds}")
            if not value_of(self, "loop"):
                break
            self._stop.wait(LOOP_GAP_S)
        self._stop.wait(LINGER_S)
        if value_of(self, "at_end") == "exit" and not self._stop.is_set():
            self.context.try_shutdown()

    def _wait_for_readers(self) -> None:
        limit_s = value_of(self, "wait_for_readers_s")
        until = time.monotonic() + limit_s
        waiting = list(self._out.items())
        while waiting and time.monotonic() < until and not self._stop.wait(NAP_S):
            waiting = [(name, publisher) for name, publisher in waiting if publisher.get_subscription_count() == 0]
        if waiting and limit_s > 0 and not self._stop.is_set():
            names = ", ".join(name for name, _ in waiting)
            self.get_logger().warning(f"nobody reads {names} after {limit_s:.0f} s; playing all the same")
        self.get_logger().info(f"playing {self._duration_s:.1f} s of {self._bag}: {', '.join(self._topics)}")

    def _play_once(self) -> int:
        pace = _Pace(self._begin_ns)
        count, next_progress = 0, time.monotonic() + PROGRESS_PERIOD_S
        with BagReader(self._bag) as reader:
            for message in self._messages(reader):
                if not self._wait_until(message.time_ns, pace):
                    return count
                self._tell_time(message.time_ns)
                self._out[message.topic].publish(message.cdr)
                count += 1
                if time.monotonic() >= next_progress:
                    next_progress += PROGRESS_PERIOD_S
                    done_s = (message.time_ns - self._begin_ns) / NANOSECONDS_PER_SECOND
                    self.get_logger().info(f"{done_s:.1f} of {self._duration_s:.1f} s")
            for line in reader.rejections:
                self.get_logger().warning(line)
        return count

    def _messages(self, reader: BagReader) -> Iterator[RawMessage]:
        """The context first, wherever it was recorded before the start; then everything from the start on."""
        contexts = [name for name, topic in self._topics.items() if topic.kind is TopicKind.CONTEXT]
        earlier = reader.playable(contexts, to_ns=self._begin_ns) if contexts else ()
        held = {message.topic: message for message in earlier}
        for message in held.values():
            yield message._replace(time_ns=self._begin_ns)
        yield from reader.playable(list(self._topics), from_ns=self._begin_ns)

    def _wait_until(self, time_ns: int, pace: _Pace) -> bool:
        """Sleep until a recorded instant is due, keeping /clock going; False when told to stop."""
        while not self._stop.is_set():
            if not self._running.is_set():
                stood_still = time.monotonic_ns()
                self._running.wait(NAP_S)
                pace.stand_still(time.monotonic_ns() - stood_still)
                continue
            pace.run(value_of(self, "rate"))
            ahead_s = (time_ns - pace.now_ns()) / NANOSECONDS_PER_SECOND / pace.rate
            if ahead_s <= 0:
                return True
            tick_s = 1 / (CLOCK_RATE_HZ * pace.rate)
            self._stop.wait(min(ahead_s, tick_s, NAP_S))
            if ahead_s > tick_s:
                self._tell_time(min(pace.now_ns(), time_ns))  # a nap may overshoot; time must not go back
        return False

    def _tell_time(self, time_ns: int) -> None:
        if self._clock_publisher is not None and self.context.ok():
            self._clock_publisher.publish(Clock(clock=stamp_message(time_ns)))


class _Pace:
    """Recorded time as a function of the steady clock, with a rate that may change on the way."""

    def __init__(self, begin_ns: int) -> None:
        self.rate = 1.0
        self._recorded_ns = float(begin_ns)
        self._steady_ns = time.monotonic_ns()

    def run(self, rate: float) -> None:
        """From now on at this rate."""
        if rate != self.rate:
            self._recorded_ns, self._steady_ns = float(self.now_ns()), time.monotonic_ns()
            self.rate = rate

    def stand_still(self, duration_ns: int) -> None:
        """Take a pause out."""
        self._steady_ns += duration_ns

    def now_ns(self) -> int:
        """Recorded time that is due now."""
        return int(self._recorded_ns + (time.monotonic_ns() - self._steady_ns) * self.rate)


def _first_time_ns(reader: BagReader, topics: dict[str, Topic]) -> int:
    first = next(reader.raw(list(topics)), None)
    if first is None:
        raise InputError(reader.path, "holds no message of the chosen topics", "choose others")
    return first.time_ns


def main() -> None:
    """Entry point of the executable ``bag_player_node``."""
    sys.exit(run_node(BagPlayerNode))


if __name__ == "__main__":
    main()
