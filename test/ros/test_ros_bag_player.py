import time
from pathlib import Path

import numpy as np
import pytest
from live import Spinner, until
from rclpy.parameter import Parameter
from rosbags.rosbag2 import Writer
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from wire import stamps_of, write_small_weld

from msstan_core.errors import InputError
from msstan_core.observation import CameraFrame, TelemetrySample
from msstan_core.recordings.serialization import message_from_sample, message_types, serialize
from msstan_core.vocabulary import Modality
from msstan_msgs.msg import WeldContext, WeldTelemetry
from msstan_ros import qos
from msstan_ros.bag_player_node import BagPlayerNode, _Pace
from msstan_ros.conversions import stamp_nanoseconds


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_weld(tmp_path_factory.mktemp("bags") / "small", seconds=2.0)


class Heard:
    """Everything that is played."""

    def __init__(self, spinner: Spinner) -> None:
        self.camera: list[Image] = []
        self.telemetry: list[WeldTelemetry] = []
        self.context: list[WeldContext] = []
        self.clock: list[Clock] = []
        peer = self.peer = spinner.peer()
        reader = qos.RESULT_READER
        peer.create_subscription(Image, "camera/image_raw", self.camera.append, reader)
        peer.create_subscription(WeldTelemetry, "welder/telemetry", self.telemetry.append, reader)
        peer.create_subscription(WeldContext, "weld/context", self.context.append, qos.CONTEXT)
        peer.create_subscription(Clock, "/clock", self.clock.append, reader)


def player(spinner: Spinner, bag: Path, **given: object) -> BagPlayerNode:
    values = {"bag": str(bag), "rate": 4.0, "at_end": "idle", "topics": ["/camera/image_raw", "/weld/context"], **given}
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node = BagPlayerNode(context=spinner.context, parameter_overrides=overrides)
    spinner.add(node)
    return node


def stamps(messages: list[Image]) -> list[int]:
    return [stamp_nanoseconds(m.header.stamp) for m in messages]


def test_messages_come_out_as_they_were_recorded(spinner: Spinner, bag: Path) -> None:
    heard = Heard(spinner)
    player(spinner, bag)
    recorded = stamps_of(bag, Modality.CAMERA)
    assert until(lambda: len(heard.camera) == len(recorded))
    assert stamps(heard.camera) == recorded
    assert len(heard.context) == 1
    assert not heard.telemetry, "a topic that was not chosen"


def test_time_goes_forward_and_keeps_to_the_rate(spinner: Spinner, bag: Path) -> None:
    heard = Heard(spinner)
    began = time.monotonic()
    player(spinner, bag, rate=2.0)
    assert until(lambda: heard.camera and stamps(heard.camera)[-1] == stamps_of(bag, Modality.CAMERA)[-1])
    assert time.monotonic() - began >= 1.9 / 2.0, "faster than the recording allows"
    times = [stamp_nanoseconds(c.clock) for c in heard.clock]
    assert times == sorted(times)
    assert len(times) >= len(heard.camera), "no time with every message"


def test_a_start_offset_leaves_out_the_beginning_but_not_the_context(spinner: Spinner, bag: Path) -> None:
    heard = Heard(spinner)
    player(spinner, bag, start_offset_s=1.0)
    recorded = stamps_of(bag, Modality.CAMERA)
    expected = [s for s in recorded if s >= recorded[0] + 10**9]
    assert until(lambda: len(heard.camera) == len(expected))
    assert stamps(heard.camera) == expected
    assert len(heard.context) == 1


def test_chosen_modalities_are_played(spinner: Spinner, bag: Path) -> None:
    heard = Heard(spinner)
    player(spinner, bag, topics=[""], modalities=["telemetry"])
    assert until(lambda: len(heard.telemetry) == len(stamps_of(bag, Modality.TELEMETRY)))
    assert not heard.camera


def test_it_waits_for_readers(spinner: Spinner, bag: Path) -> None:
    player(spinner, bag, rate=10.0)
    time.sleep(0.8)
    heard = Heard(spinner)
    assert until(lambda: len(heard.camera) == len(stamps_of(bag, Modality.CAMERA))), "the beginning was lost"


def test_pause_and_resume(spinner: Spinner, bag: Path) -> None:
    heard = Heard(spinner)
    player(spinner, bag, paused=True)
    time.sleep(0.6)
    assert not heard.camera
    client = heard.peer.create_client(Trigger, "bag_player/resume")
    assert client.wait_for_service(10)
    future = client.call_async(Trigger.Request())
    assert until(future.done)
    assert until(lambda: len(heard.camera) == len(stamps_of(bag, Modality.CAMERA)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bag": "/no/such/bag"}, "/no/such/bag"),
        ({"topics": ["/sonar"]}, "/sonar"),
        ({"start_offset_s": 1000.0}, "start_offset_s: 1000 s is behind the end of the recording; it lasts 2"),
        ({"topics": [""], "modalities": ["radar"]}, "radar"),
    ],
)
def test_what_cannot_be_played_is_one_line(spinner: Spinner, bag: Path, given: dict, said: str) -> None:
    path = Path(given.pop("bag")) if given.get("bag") else bag
    with pytest.raises(InputError) as error:
        player(spinner, path, **given)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_pace_changes_without_a_jump() -> None:
    pace = _Pace(1_000)
    pace.run(1000.0)
    time.sleep(0.01)
    fast = pace.now_ns()
    assert fast >= 1_000 + 10_000_000 * 1000
    pace.run(0.001)
    assert 0 <= pace.now_ns() - fast < 10**9
    before = pace.now_ns()
    time.sleep(0.05)
    pace.stand_still(50_000_000)
    assert pace.now_ns() - before < 10_000_000


def test_a_player_without_a_bag_says_so(spinner: Spinner) -> None:
    with pytest.raises(InputError, match="parameter bag"):
        BagPlayerNode(context=spinner.context)


def write_telemetry_and_images(path: Path, telemetry: list[str], images: list[str]) -> Path:
    """A foreign recording with one message on each of these topics, at the same time."""
    with Writer(path, version=9) as writer:
        for topic, sample in [
            *((name, TelemetrySample(10**9, current_a=180.0)) for name in telemetry),
            *((name, CameraFrame(10**9, image=np.zeros((4, 4), np.uint8))) for name in images if "compr" not in name),
            *((name, CameraFrame(10**9, encoded=b"\xff\xd8\xff\xff\xd9")) for name in images if "compr" in name),
        ]:
            kind, message = message_from_sample(sample)
            connection = writer.add_connection(topic, kind.type_name, typestore=message_types())
            writer.write(connection, 10**9, serialize(kind, message))
    return path


def test_a_recording_of_two_cells_is_not_mixed(spinner: Spinner, tmp_path: Path) -> None:
    bag = write_telemetry_and_images(tmp_path / "bag", ["/cell_1/welder/telemetry", "/cell_2/welder/telemetry"], [])
    with pytest.raises(InputError, match="several cells: /cell_1, /cell_2"):
        player(spinner, bag, topics=[""])
    chosen = player(spinner, bag, topics=["/cell_2/welder/telemetry"], paused=True)
    assert list(chosen._topics) == ["/cell_2/welder/telemetry"]


def test_of_raw_and_compressed_images_the_one_that_the_reader_takes_is_played(spinner: Spinner, tmp_path: Path) -> None:
    raw, compressed = "/camera/image_raw", "/camera/image_raw/compressed"
    bag = write_telemetry_and_images(tmp_path / "bag", ["/welder/telemetry"], [raw, compressed])
    assert list(player(spinner, bag, topics=[""], paused=True)._topics) == [raw, "/welder/telemetry"]
    assert list(player(spinner, bag, topics=[compressed], paused=True)._topics) == [compressed]
