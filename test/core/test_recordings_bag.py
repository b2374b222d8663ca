"""Bags: whole or absent, readable under any namespace, clear about damage."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from msstan_core.errors import InputError
from msstan_core.messages import TopicKind, sample_from_message
from msstan_core.observation import (
    AudioChunk,
    CameraFrame,
    Sample,
    TelemetrySample,
    ThermalFrame,
    WeldContext,
)
from msstan_core.recordings.annotations import action_span
from msstan_core.recordings.bag import BagReader, BagWriter
from msstan_core.recordings.serialization import message_from_sample, message_types, serialize
from msstan_core.vocabulary import Action, Modality, Process

SECOND = 1_000_000_000


def weld_samples(count: int = 20, start_ns: int = SECOND) -> list[Sample]:
    rng = np.random.default_rng(7)
    out: list[Sample] = [WeldContext(stamp_ns=start_ns, process=Process.GMAW)]
    for k in range(count):
        stamp = start_ns + k * 40_000_000
        out.append(CameraFrame(stamp, image=rng.integers(0, 255, (12, 16, 3), dtype=np.uint8), frame_id="camera"))
        out.append(ThermalFrame(stamp, rng.normal(800, 100, (5, 7)).astype(np.float32), "thermal"))
        out.append(AudioChunk(stamp, 16_000, rng.normal(0, 0.1, 640).astype(np.float32), "microphone"))
        out.append(TelemetrySample(stamp, current_a=float(k)))
    return out


def write(path: Path, samples: Sequence[Sample], attributes: dict[str, str] | None = None) -> Path:
    with BagWriter(path, attributes) as writer:
        for sample in samples:
            writer.write(sample)
    return path


def write_foreign(path: Path, samples: Sequence[tuple[str, Sample, int]]) -> Path:
    """A bag as some other recorder leaves it: any topic names, any recorded times, no custom data."""
    with Writer(path, version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP) as bag:
        connections: dict[str, Any] = {}
        for name, sample, recorded_ns in samples:
            topic, message = message_from_sample(sample)
            if name not in connections:
                connections[name] = bag.add_connection(name, topic.type_name, typestore=message_types())
            bag.write(connections[name], recorded_ns, serialize(topic, message))
    return path


def same(a: Sample, b: Sample) -> None:
    assert type(a) is type(b)
    for name in a.__dataclass_fields__:
        np.testing.assert_equal(getattr(a, name), getattr(b, name))


def test_what_is_written_is_read_in_the_order_it_could_be_known(tmp_path: Path) -> None:
    samples = weld_samples()
    write(tmp_path / "bag", samples)
    with BagReader(tmp_path / "bag") as bag:
        back = list(bag.samples())
        assert not bag.rejected
    known_ns = [s.end_stamp_ns if isinstance(s, AudioChunk) else s.stamp_ns for s in back]
    assert known_ns == sorted(known_ns)
    key = lambda s: (type(s).__name__, s.stamp_ns)  # noqa: E731
    for a, b in zip(sorted(samples, key=key), sorted(back, key=key), strict=True):
        same(a, b)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60))
def test_telemetry_at_any_times_comes_back_sorted(tmp_path_factory: pytest.TempPathFactory, stamps: list[int]) -> None:
    path = tmp_path_factory.mktemp("bags") / "bag"
    write(path, [TelemetrySample(stamp, current_a=float(k)) for k, stamp in enumerate(stamps)])
    with BagReader(path) as bag:
        back = list(bag.samples())
        if min(stamps) or max(stamps) < 86_400 * SECOND:  # zero among late stamps means unset
            assert bag.start_ns == min(stamps)
    assert [s.stamp_ns for s in back] == sorted(stamps)


def test_attributes_annotations_and_clock(tmp_path: Path) -> None:
    labels = [action_span(0, 0.5, Action.IDLE, "test"), action_span(0.5, 1, Action.COOLING, "test")]
    with BagWriter(tmp_path / "bag", {"group": "g1", "note": "true"}) as writer:
        for sample in weld_samples(start_ns=5 * SECOND):
            writer.write(sample)
        writer.annotate(labels)
        writer.attributes["run_id"] = "7"
    with BagReader(tmp_path / "bag") as bag:
        assert bag.attributes == {"group": "g1", "note": "true", "run_id": "7"}
        assert bag.annotations == labels
        assert bag.start_ns == 5 * SECOND
        assert bag.duration_s == pytest.approx(0.8)
        assert bag.seconds(6 * SECOND) == 1.0


def test_same_samples_give_the_same_file(tmp_path: Path) -> None:
    files = [write(tmp_path / k / "bag", weld_samples()) / "bag.mcap" for k in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_only_asked_for_modalities_are_read_and_the_context_always(tmp_path: Path) -> None:
    write(tmp_path / "bag", weld_samples())
    with BagReader(tmp_path / "bag") as bag:
        kinds = {type(s) for s in bag.samples([Modality.ACOUSTIC])}
    assert kinds == {AudioChunk, WeldContext}


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


def test_existing_destination_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    with pytest.raises(InputError, match="exists already"):
        BagWriter(tmp_path / "bag")
    assert list((tmp_path / "bag").iterdir()) == []


def test_failing_source_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), BagWriter(tmp_path / "bag") as writer:
        writer.write(TelemetrySample(SECOND))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_empty_recording_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to record"), BagWriter(tmp_path / "bag"):
        pass
    assert list(tmp_path.iterdir()) == []


WRITE_FOREVER = """
import sys
import numpy as np
from msstan_core.observation import ThermalFrame
from msstan_core.recordings.bag import BagWriter
noise = np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32)
with BagWriter(sys.argv[1], compress=False) as writer:
    for k in range(10**9):
        writer.write(ThermalFrame(k + 1, noise))
        if k == 20:
            print("running", flush=True)
"""


def start_writer(path: Path, **options: Any) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
        **options,
    )


def test_killed_writer_leaves_no_half_bag(tmp_path: Path) -> None:
    with start_writer(tmp_path / "bag") as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "running\n"
        writer.send_signal(signal.SIGKILL)
    assert not (tmp_path / "bag").exists()


def test_full_disk_is_one_clear_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    def no_space() -> None:  # a file may grow to 5 MB, then writing fails as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))

    with start_writer(tmp_path / "bag", preexec_fn=no_space) as writer:
        _, errors = writer.communicate()
    assert writer.returncode == 1
    assert "InputError" in errors.splitlines()[-1]
    assert "no space left on the disk" in errors.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


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
    with BagReader(tmp_path / "bag", namespace="cell_3") as bag, pytest.raises(InputError, match="none of the monitor"):
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


def test_bad_messages_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    late = 1_700_000_000 * SECOND
    path = tmp_path / "bag"
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        topic, message = message_from_sample(TelemetrySample(late, current_a=1.0))
        good = bytes(serialize(topic, message))
        unset = bytes(serialize(*message_from_sample(TelemetrySample(0, current_a=1.0))))
        connection = bag.add_connection("/welder/telemetry", topic.type_name, typestore=message_types())
        for k, cdr in enumerate((good, good[:9], good[:-3], unset, good)):
            bag.write(connection, late + k, cdr)
    with BagReader(path) as reader:
        assert len(list(reader.samples())) == 2
        assert reader.rejected == {"/welder/telemetry": 3}
        assert reader.reasons["/welder/telemetry"].startswith("/welder/telemetry: undecodable")
        assert reader.start_ns == late


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
    assert sample == TelemetrySample(3 * SECOND, 230.5, 24.0, 0.1, 0.01, 15.0)


def test_lone_mcap_file_reads_like_its_bag(tmp_path: Path) -> None:
    write(tmp_path / "bag", weld_samples())
    with BagReader(tmp_path / "bag") as whole, BagReader(tmp_path / "bag/bag.mcap") as lone:
        assert lone.start_ns == whole.start_ns
        assert len(list(lone.samples())) == len(list(whole.samples())) == 81


def test_raw_can_be_limited_to_topics_and_times(tmp_path: Path) -> None:
    write(tmp_path / "bag", weld_samples())
    with BagReader(tmp_path / "bag") as bag:
        some = list(bag.raw(["/welder/telemetry"], from_ns=SECOND + 40_000_000, to_ns=SECOND + 120_000_000))
        assert [m.time_ns for m in some] == [SECOND + 40_000_000, SECOND + 80_000_000]
        assert list(bag.raw([])) == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: None, "no such bag"),
        (lambda p: p.mkdir(), "metadata.yaml is missing"),
        (lambda p: (p.mkdir(), (p / "metadata.yaml").write_text("a: [")), "damaged or cut bag"),
        (lambda p: (p.mkdir(), (p / "metadata.yaml").write_text("a: 1")), "damaged or cut bag"),
        (lambda p: (p.mkdir(), (p / "metadata.yaml").write_bytes(b"\xff\xfe\x00")), "damaged or cut bag"),
    ],
)
def test_what_is_no_bag_is_named(tmp_path: Path, make: Any, says: str) -> None:
    make(tmp_path / "bag")
    with pytest.raises(InputError, match=says) as raised, BagReader(tmp_path / "bag"):
        pass
    assert str(tmp_path / "bag") in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_cut_bag_is_one_clear_error(tmp_path: Path, kept: float) -> None:
    write(tmp_path / "bag", weld_samples())
    file = tmp_path / "bag/bag.mcap"
    data = file.read_bytes()
    file.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError, match="damaged or cut bag"), BagReader(tmp_path / "bag") as bag:
        list(bag.samples())


@settings(deadline=None, max_examples=60)
@given(position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_one_flipped_byte_never_gives_anything_but_samples_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, position: float, value: int
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    write(folder / "bag", weld_samples(3))
    file = folder / "bag/bag.mcap"
    data = bytearray(file.read_bytes())
    data[int(position * len(data))] = value
    file.write_bytes(data)
    try:
        with BagReader(folder / "bag") as bag:
            _ = bag.start_ns
            for sample in bag.samples():
                assert isinstance(sample, Sample)  # type: ignore[misc, arg-type]
    except InputError as error:
        assert "\n" not in str(error)
    finally:
        shutil.rmtree(folder)


def test_bag_without_the_monitors_topics_says_what_it_has(tmp_path: Path) -> None:
    write_foreign(tmp_path / "bag", [("/other", TelemetrySample(SECOND), SECOND)])
    with BagReader(tmp_path / "bag") as bag, pytest.raises(InputError, match=r"it has: /other"):
        list(bag.samples())


def test_written_streams_are_counted(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for sample in weld_samples(11):
            writer.write(sample)
    camera = writer.streams[TopicKind.CAMERA]
    assert camera.count == 11
    assert camera.rate_hz == pytest.approx(25.0)
    assert camera.bytes > 11 * 12 * 16 * 3


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


def test_fresh_process_writes_and_reads_without_warnings(tmp_path: Path) -> None:
    script = """
        import sys
        from msstan_core.observation import TelemetrySample
        from msstan_core.recordings.bag import BagReader, BagWriter
        with BagWriter(sys.argv[1]) as writer:
            writer.write(TelemetrySample(10**9, current_a=5.0))
        with BagReader(sys.argv[1]) as bag:
            print([s.current_a for s in bag.samples()])
    """
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(tmp_path / "bag")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[5.0]\n"), done.stderr
