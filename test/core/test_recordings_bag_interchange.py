"""Bags are those of rosbag2: it reads what is written here, and what others recorded is read here."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import yaml
from bag_examples import SECOND, same, weld_samples, write, write_foreign
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from msstan_core.errors import InputError
from msstan_core.messages import TopicKind, sample_from_message
from msstan_core.observation import CameraFrame, Sample, TelemetrySample, WeldContext
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.raw_messages import decoded
from msstan_core.recordings.serialization import message_types


def test_qos_and_hashes_are_those_the_live_topics_have(tmp_path: Path) -> None:
    write(tmp_path / "bag", weld_samples())
    with Reader(tmp_path / "bag") as bag:
        connections = {c.topic: c for c in bag.connections}
    context = connections["/weld/context"].ext.offered_qos_profiles[0]  # type: ignore[union-attr]
    assert (context.reliability, context.durability) == (QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL)
    for name in ("/camera/image_raw", "/thermal/image_raw", "/acoustic/chunk", "/welder/telemetry"):
        qos = connections[name].ext.offered_qos_profiles[0]  # type: ignore[union-attr]
        assert (qos.reliability, qos.durability) == (QosReliability.BEST_EFFORT, QosDurability.VOLATILE)
        assert connections[name].digest == message_types().hash_rihs01(connections[name].msgtype)


def test_metadata_has_what_rosbag2_reads(tmp_path: Path) -> None:
    write(tmp_path / "bag", weld_samples(), {"group": "g"})
    info = yaml.safe_load((tmp_path / "bag/metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert info["version"] == 9
    assert info["storage_identifier"] == "mcap"
    assert info["relative_file_paths"] == ["bag.mcap"]
    assert (tmp_path / "bag/bag.mcap").is_file()
    assert info["message_count"] == 81
    assert info["custom_data"] == {"group": "g"}
    assert all(t["topic_metadata"]["serialization_format"] == "cdr" for t in info["topics_with_message_count"])


def test_recording_under_a_namespace_is_read_and_other_topics_are_listed(tmp_path: Path) -> None:
    late = 1_700_000_000 * SECOND
    write_foreign(
        tmp_path / "bag",
        [
            ("/cell_1/welder/telemetry", TelemetrySample(late, current_a=1.0), late + 5_000_000),
            ("/cell_1/joint/telemetry", TelemetrySample(late - 9 * SECOND, current_a=2.0), late - SECOND),
            ("/cell_1/thermal/image_raw", TelemetrySample(late, current_a=3.0), late),
        ],
    )
    with BagReader(tmp_path / "bag") as bag:
        assert [s.current_a for s in bag.samples()] == [1.0]  # type: ignore[union-attr]
        assert bag.start_ns == late
        reasons = {t.name: t.ignored for t in bag.topics}
        assert reasons["/cell_1/welder/telemetry"] == ""
        assert reasons["/cell_1/joint/telemetry"] == "not one of the monitor's topics"
        assert "its type is msstan_msgs/msg/WeldTelemetry" in reasons["/cell_1/thermal/image_raw"]
        assert {m.topic for m in bag.raw()} == set(reasons)


@pytest.mark.parametrize("clock_ns", [0, 40 * 365 * 86_400 * SECOND])
def test_a_context_told_before_the_recording_does_not_begin_it(tmp_path: Path, clock_ns: int) -> None:
    begin = 1_700_000_000 * SECOND
    weld = [
        ("/welder/telemetry", TelemetrySample(begin + k * SECOND // 50), begin + clock_ns + k * SECOND // 50)
        for k in range(50)
    ]
    latched = ("/weld/context", WeldContext(begin - 3600 * SECOND, wps_id="lap"), begin + clock_ns)
    write_foreign(tmp_path / "bag", [latched, *weld])
    write_foreign(tmp_path / "fresh", [(latched[0], WeldContext(begin - SECOND // 2), latched[2]), *weld])
    write_foreign(tmp_path / "alone", [latched])
    with BagReader(tmp_path / "bag") as bag:
        assert bag.start_ns == begin
        first = next(iter(bag.samples()))
        assert isinstance(first, WeldContext) and first.wps_id == "lap", "it is read nevertheless"
    with BagReader(tmp_path / "fresh") as bag:
        assert bag.start_ns == begin - SECOND // 2
    with BagReader(tmp_path / "alone") as bag:
        assert bag.start_ns == begin - 3600 * SECOND


def test_two_cells_in_one_bag_need_a_namespace(tmp_path: Path) -> None:
    write_foreign(
        tmp_path / "bag",
        [(f"/cell_{k}/welder/telemetry", TelemetrySample(SECOND + k, current_a=float(k)), SECOND) for k in (1, 2)],
    )
    with BagReader(tmp_path / "bag") as bag, pytest.raises(InputError, match="several cells: /cell_1, /cell_2"):
        list(bag.samples())
    with BagReader(tmp_path / "bag", namespace="/cell_2") as bag:
        assert [s.current_a for s in bag.samples()] == [2.0]  # type: ignore[union-attr]
        assert bag.start_ns == SECOND + 2
    with BagReader(tmp_path / "bag", namespace="cell_3") as bag, pytest.raises(InputError, match="namespace /cell_3"):
        list(bag.samples())


def test_raw_and_compressed_images_of_one_camera_are_not_read_twice(tmp_path: Path) -> None:
    jpeg = b"\xff\xd8\xff" + bytes(20) + b"\xff\xd9"
    frames: list[tuple[str, Sample, int]] = []
    for k in range(4):
        stamp = SECOND + k
        frames.append(("/camera/image_raw/compressed", CameraFrame(stamp, encoded=jpeg), stamp))
        if k:  # the raw topic lost one
            frames.append(("/camera/image_raw", CameraFrame(stamp, image=np.zeros((2, 2), np.uint8)), stamp))
    write_foreign(tmp_path / "bag", frames)
    with BagReader(tmp_path / "bag") as bag:
        assert [s.encoded is not None for s in bag.samples()] == [True] * 4  # type: ignore[union-attr]


def test_recording_made_with_another_version_of_the_messages_is_read_by_its_own_definition(tmp_path: Path) -> None:
    older = get_typestore(Stores.ROS2_JAZZY)
    name = "msstan_msgs/msg/WeldTelemetry"
    text = "std_msgs/Header header\n" + "\n".join(
        f"float64 {f}"
        for f in ("extra", "current_a", "voltage_v", "wire_feed_speed_m_s", "travel_speed_m_s", "gas_flow_l_min")
    )
    older.register(get_types_from_msg(text, name))
    header = older.types["std_msgs/msg/Header"](
        stamp=older.types["builtin_interfaces/msg/Time"](sec=3, nanosec=0), frame_id=""
    )
    message = older.types[name](header, 1.0, 230.5, 24.0, 0.1, 0.01, 15.0)
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        connection = bag.add_connection("/welder/telemetry", name, typestore=older)
        bag.write(connection, 3 * SECOND, older.serialize_cdr(message, name))
    with BagReader(tmp_path / "bag") as reader:
        (sample,) = reader.samples()
        (played,) = reader.playable()
    assert sample == TelemetrySample(3 * SECOND, 230.5, 24.0, 0.1, 0.01, 15.0)
    today = sample_from_message(TopicKind.TELEMETRY, decoded(played, message_types()))
    assert isinstance(today, TelemetrySample) and today.stamp_ns == sample.stamp_ns
    assert astuple(today)[1:] == pytest.approx(astuple(sample)[1:]), "what is played is in the layout of today's topics"


def test_bag_without_the_monitors_topics_says_what_it_has(tmp_path: Path) -> None:
    write_foreign(tmp_path / "bag", [("/other", TelemetrySample(SECOND), SECOND)])
    with BagReader(tmp_path / "bag") as bag, pytest.raises(InputError, match=r"it has: /other"):
        list(bag.samples())


@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")  # in the generated classes' own imports
def test_recorded_bytes_are_messages_of_the_compiled_packages(tmp_path: Path) -> None:
    """What a bag player publishes as it is must be what rclpy decodes, and what rclpy decodes must convert back."""
    deserialize = pytest.importorskip("rclpy.serialization", reason="needs rclpy").deserialize_message
    packages = {
        name: pytest.importorskip(f"{name}.msg", reason=f"needs {name} compiled")
        for name in ("msstan_msgs", "sensor_msgs")
    }
    samples = weld_samples(2)
    write(tmp_path / "bag", samples)
    with BagReader(tmp_path / "bag") as bag:
        kinds = {t.name: t.matches.kind for t in bag.topics if t.matches}
        expected = list(bag.samples())
        for raw, sample in zip(bag.raw(), expected, strict=True):
            package, _, name = raw.type_name.split("/")
            message = deserialize(raw.cdr, getattr(packages[package], name))
            same(sample_from_message(kinds[raw.topic], message), sample)
