"""Bags: what is written is read, in order and with what is known of it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from bag_examples import SECOND, same, weld_samples, write
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.messages import TopicKind
from msstan_core.observation import AudioChunk, TelemetrySample, WeldContext
from msstan_core.recordings.annotations import action_span
from msstan_core.recordings.bag import BagReader, BagWriter
from msstan_core.vocabulary import Action, Modality


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


def test_written_streams_are_counted(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for sample in weld_samples(11):
            writer.write(sample)
    camera = writer.streams[TopicKind.CAMERA]
    assert camera.count == 11
    assert camera.rate_hz == pytest.approx(25.0)
    assert camera.bytes > 11 * 12 * 16 * 3


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
