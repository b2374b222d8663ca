"""A monitor node with a fake recogniser, and who feeds and hears it."""

import time
from pathlib import Path

import numpy as np
from live import FakeMonitor, Spinner, until
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.task import Future
from sensor_msgs.msg import Image

from msstan_core.errors import InputError
from msstan_msgs.msg import AcousticChunk, WeldAction, WeldAnomaly, WeldModelInfo, WeldMonitorState
from msstan_ros import qos
from msstan_ros.conversions import image_message, stamp_message
from msstan_ros.monitor_parameters import MonitorSettings
from msstan_ros.weld_monitor_node import WeldMonitorNode

PERIOD_NS = 40_000_000


class Cell:
    """A monitor with a fake recogniser, and a peer that feeds and hears it; ``more``: parameters of the monitor."""

    def __init__(self, spinner: Spinner, folder: Path, *more: Parameter) -> None:
        self.spinner = spinner
        self.monitors: list[FakeMonitor] = []
        self.refuse = ""
        self.settings: list[MonitorSettings] = []
        given = [
            Parameter("model_dir", value=str(folder)),
            Parameter("snapshot.directory", value=str(folder)),
            Parameter("modalities", value=["camera", "acoustic"]),
            *more,
        ]
        self.node = WeldMonitorNode(self.make, context=spinner.context, parameter_overrides=given)
        spinner.add(self.node)
        peer = self.peer = spinner.peer()
        self.actions: list[WeldAction] = []
        self.states: list[WeldMonitorState] = []
        self.anomalies: list[WeldAnomaly] = []
        self.infos: list[WeldModelInfo] = []
        peer.create_subscription(WeldAction, "weld/action", self.actions.append, qos.RESULT_READER)
        peer.create_subscription(WeldMonitorState, "weld/state", self.states.append, qos.RESULT_READER)
        peer.create_subscription(WeldAnomaly, "weld/anomaly", self.anomalies.append, qos.ANOMALY)
        peer.create_subscription(WeldModelInfo, "weld/model_info", self.infos.append, qos.MODEL_INFO)
        self.camera = peer.create_publisher(Image, "camera/image_raw", qos.SENSOR_SOURCE)
        self.sound = peer.create_publisher(AcousticChunk, "acoustic/chunk", qos.SOUND_SOURCE)
        self.next_stamp_ns = time.time_ns()

    def make(self, settings: MonitorSettings) -> FakeMonitor:
        """A recogniser, as the node asks for it; refused while ``refuse`` says why."""
        if self.refuse:
            raise InputError(settings.model_dir, self.refuse, "repair it")
        self.settings.append(settings)
        self.monitors.append(FakeMonitor(f"model {len(self.monitors)}", settings.modalities))
        return self.monitors[-1]

    def activate(self) -> None:
        """Configure and activate; returns once both sides hear each other."""
        assert self.spinner.run(self.node.trigger_configure) == TransitionCallbackReturn.SUCCESS
        assert self.spinner.run(self.node.trigger_activate) == TransitionCallbackReturn.SUCCESS
        assert until(lambda: self.camera.get_subscription_count() > 0 and self.sound.get_subscription_count() > 0)
        publisher_count = self.peer.count_publishers
        assert until(lambda: publisher_count("weld/action") > 0 and publisher_count("weld/state") > 0)
        assert until(lambda: self.states)

    def send_image(self) -> int:
        """The next image; returns its stamp, ns."""
        stamp = self.next_stamp_ns
        self.next_stamp_ns += PERIOD_NS
        self.camera.publish(image_message(np.zeros((12, 16, 3), np.uint8), "bgr8", stamp, "weld_camera"))
        return stamp

    def send_sound(self) -> None:
        """A tenth of a second of silence, stamped with the next image's time."""
        chunk = AcousticChunk(sample_rate_hz=16_000, samples=[0.0] * 1600)
        chunk.header.stamp = stamp_message(self.next_stamp_ns)
        self.sound.publish(chunk)

    def send_images(self, count: int) -> list[int]:
        """Images, each sent once the one before was answered."""
        stamps = []
        for _ in range(count):
            before = len(self.actions)
            stamps.append(self.send_image())
            assert until(lambda before=before: len(self.actions) > before)
        return stamps

    def call(self, kind: type, name: str, **fields: object) -> object:
        """What a service of the monitor answers."""
        future = self.request(kind, name, **fields)
        assert until(future.done)
        return future.result()

    def request(self, kind: type, name: str, **fields: object) -> Future:
        """The coming answer of a service of the monitor."""
        client = self.peer.create_client(kind, f"weld_monitor/{name}")
        assert client.wait_for_service(10)
        return client.call_async(kind.Request(**fields))
