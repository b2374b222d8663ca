"""Bags that are cut or damaged are clear about it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from bag_examples import SECOND, weld_samples, write
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import StoragePlugin, Writer

from msstan_core.errors import InputError
from msstan_core.observation import Sample, TelemetrySample
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.serialization import message_from_sample, message_types, serialize


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


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: None, "no such bag"),
        (lambda p: p.mkdir(), "metadata.yaml is missing"),
        (lambda p: p.write_text("process: gmaw"), "bag: not a bag; give a bag folder"),
        (lambda p: (p.mkdir(), (p / "metadata.yaml").write_text("a: [")), r"metadata\.yaml: cannot be read \(while"),
        (lambda p: (p.mkdir(), (p / "metadata.yaml").write_text("a: 1")), r"metadata\.yaml: describes no rosbag2 bag"),
        (lambda p: (p.mkdir(), (p / "metadata.yaml").write_text("- a")), r"metadata\.yaml: describes no rosbag2 bag"),
        (
            lambda p: (p.mkdir(), (p / "metadata.yaml").write_bytes(b"\xff\xfe\x00")),
            r"metadata\.yaml: cannot be read \('utf-8'",
        ),
        (
            lambda p: (write(p, weld_samples(2)) / "bag.mcap").unlink(),
            r"bag\.mcap: is missing, but metadata\.yaml names",
        ),
        (lambda p: _edit(p, "version: 9", "version: 99"), r"metadata\.yaml: does not fit its bag \(.*version 99"),
        (lambda p: _edit(p, "storage_identifier: mcap", "storage_identifier: sqlite3"), "does not fit its bag"),
        (lambda p: _edit(p, "relative_file_paths:", "other_paths:"), "does not fit its bag"),
    ],
)
def test_what_is_no_bag_is_named_with_the_part_at_fault(tmp_path: Path, make: Any, says: str) -> None:
    make(tmp_path / "bag")
    with pytest.raises(InputError, match=says) as raised, BagReader(tmp_path / "bag"):
        pass
    assert str(tmp_path / "bag") in str(raised.value)
    assert "\n" not in str(raised.value) and "mcap recover" not in str(raised.value)


def _edit(bag: Path, old: str, new: str) -> None:
    metadata = write(bag, weld_samples(2)) / "metadata.yaml"
    text = metadata.read_text()
    assert old in text
    metadata.write_text(text.replace(old, new))


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
