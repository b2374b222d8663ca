"""Labels beside a bag: what is written is read, what is wrong is named with its line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from bag_examples import SECOND, weld_samples, write, write_foreign
from hypothesis import given
from hypothesis import strategies as st

from msstan_core.errors import InputError
from msstan_core.observation import AudioChunk, TelemetrySample
from msstan_core.recordings.annotations import (
    UNLABELLED,
    Annotation,
    action_span,
    action_track,
    imperfection_track,
    read_annotations,
    seconds_by_action,
    write_annotations,
)
from msstan_core.recordings.bag import BagReader
from msstan_core.vocabulary import ACTIONS, ISO_CODES, Action

HEADER = "start_s,end_s,kind,label,severity,source\n"

ticks = st.integers(0, 10_000_000).map(lambda n: n / 10_000)
spans = st.tuples(ticks, ticks).map(sorted)
severities = st.one_of(st.just(math.nan), st.integers(0, 1000).map(lambda n: n / 1000))
annotations = st.one_of(
    st.builds(
        lambda span, action, source: action_span(*span, action, source),
        spans,
        st.sampled_from(ACTIONS),
        st.sampled_from(["telemetry", "operator, night shift", 'said "so"']),
    ),
    st.builds(
        lambda span, code, severity: Annotation(*span, "imperfection", str(code), severity, "simulation"),
        spans,
        st.sampled_from(ISO_CODES),
        severities,
    ),
)


@given(st.lists(annotations, max_size=8))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, labels: list[Annotation]) -> None:
    path = tmp_path_factory.mktemp("labels") / "annotations.csv"
    write_annotations(path, labels)
    back = read_annotations(path)
    assert sorted(map(repr, back)) == sorted(map(repr, labels))
    assert [a.start_s for a in back] == sorted(a.start_s for a in back)


def test_no_file_means_no_labels(tmp_path: Path) -> None:
    assert read_annotations(tmp_path / "annotations.csv") == []


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("one,2,action,IDLE,,x", "start_s is 'one', not a number"),
        ("1,,action,IDLE,,x", "end_s is '', not a number"),
        ("2,1,action,IDLE,,x", "not a forward stretch"),
        ("nan,1,action,IDLE,,x", "not a forward stretch"),
        ("1,2,action,DANCING,,x", "unknown action 'DANCING'"),
        ("1,2,action,UNKNOWN,,x", "unknown action 'UNKNOWN'"),
        ("1,2,imperfection,999,,x", "unknown ISO 6520-1 code '999'"),
        ("1,2,verdict,IDLE,,x", "unknown kind 'verdict'"),
        ("1,2,imperfection,510,1.5,x", "severity 1.5 is outside 0..1"),
        ("1,2,imperfection,510,nan,x", "severity is no number"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: str, says: str) -> None:
    path = tmp_path / "annotations.csv"
    path.write_text(HEADER + "0,1,action,IDLE,,x\n" + row + "\n")
    with pytest.raises(InputError) as raised:
        read_annotations(path)
    assert f"{path}:3" in str(raised.value)
    assert says in str(raised.value)


def test_a_spreadsheets_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    path.write_text(HEADER + "0,1,action,IDLE,,x\n", encoding="utf-8-sig")
    assert [a.action for a in read_annotations(path)] == [Action.IDLE]


@pytest.mark.parametrize(
    "span", ["1704067200,1704067200.5", "-5,0.2", "0.2,100", "100,200"], ids=["stamps", "before", "to after", "after"]
)
def test_a_span_outside_the_bag_is_named_with_its_line(tmp_path: Path, span: str) -> None:
    bag = write(tmp_path / "bag", weld_samples(start_ns=1_704_067_200 * SECOND))
    (bag / "annotations.csv").write_text(HEADER + f"0,0.4,action,IDLE,,x\n{span},action,COOLING,,x\n")
    with pytest.raises(InputError) as raised, BagReader(bag) as reader:
        _ = reader.annotations
    said = str(raised.value)
    assert f"annotations.csv:3: span {span.replace(',', ' .. ')} s lies outside the bag" in said
    assert said.endswith("times count in seconds from the bag's first stamp (1704067200.000 s)")


def test_a_bag_recorded_at_another_pace_is_as_long_as_its_stamps_say(tmp_path: Path) -> None:
    """A replay at four times its pace, recorded: the labels are of the weld, not of the recording."""
    samples = [TelemetrySample(SECOND + k * SECOND // 10, current_a=1.0) for k in range(300)]
    bag = write_foreign(
        tmp_path / "bag", [("/welder/telemetry", s, SECOND + (s.stamp_ns - SECOND) // 4) for s in samples]
    )
    (bag / "annotations.csv").write_text(HEADER + "0,10,action,IDLE,,x\n10,29.9,action,COOLING,,x\n")
    with BagReader(bag) as reader:
        assert reader.duration_s < 10 and [a.end_s for a in reader.annotations] == [10.0, 29.9]
    (bag / "annotations.csv").write_text(HEADER + "0,40,action,IDLE,,x\n")
    with pytest.raises(InputError, match=r"outside the bag, which is 29\.9 s long"), BagReader(bag) as reader:
        _ = reader.annotations


def test_labels_may_end_a_little_after_the_last_sample(tmp_path: Path) -> None:
    """What was recorded lasts a sample longer than its last stamp, and a bag of one frame a second up to a second."""
    for name, samples in (
        ("all sensors", weld_samples()),
        ("slow", [TelemetrySample(k * SECOND, current_a=1.0) for k in range(1, 9)]),
        ("sound", [AudioChunk(SECOND, 16_000, np.zeros(16_000, np.float32), "microphone")]),
    ):
        bag = write(tmp_path / name, samples)
        with BagReader(bag) as reader:
            end_s = reader.duration_s + (1.0 if name == "slow" else 0.0) + 0.49
        write_annotations(bag / "annotations.csv", [action_span(0, end_s, Action.IDLE, "")])
        with BagReader(bag) as reader:
            assert len(reader.annotations) == 1, name


def test_labels_of_sensors_whose_clock_is_ahead_of_the_recorders_are_read(tmp_path: Path) -> None:
    samples = [TelemetrySample((3600 + k) * SECOND, current_a=1.0) for k in range(1, 9)]
    bag = write_foreign(
        tmp_path / "bag", [("/welder/telemetry", s, s.stamp_ns - 3600 * SECOND + SECOND // 10) for s in samples]
    )
    write_annotations(bag / "annotations.csv", [action_span(0, 7, Action.IDLE, "")])
    with BagReader(bag) as reader:
        assert len(reader.annotations) == 1


def test_a_file_that_cannot_be_written_is_named_with_the_cause(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"annotations\.csv: cannot be written \(No such file"):
        write_annotations(tmp_path / "gone" / "annotations.csv", [])


def test_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    path.write_text("start_s,end_s,label\n0,1,IDLE\n")
    with pytest.raises(InputError, match="column kind is missing"):
        read_annotations(path)


def test_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    path.write_bytes(b"\xff\xfe\x00" * 20)
    with pytest.raises(InputError, match="not a CSV text file"):
        read_annotations(path)


def test_track_is_unknown_where_nothing_is_labelled_and_ends_are_open() -> None:
    labels = [action_span(1, 2, Action.IDLE, ""), action_span(3, 4, Action.COOLING, "")]
    track = action_track(labels, [0.5, 1.0, 1.999, 2.0, 3.5, 4.0])
    idle, cooling = ACTIONS.index(Action.IDLE), ACTIONS.index(Action.COOLING)
    assert track.tolist() == [UNLABELLED, idle, idle, UNLABELLED, cooling, UNLABELLED]


def test_the_later_start_wins_where_spans_overlap() -> None:
    labels = [action_span(4, 5, Action.ARC_EXTINCTION, ""), action_span(0, 5, Action.MATERIAL_DEPOSITION, "")]
    said = [ACTIONS[index] for index in action_track(labels, [3.0, 4.5])]
    assert said == [Action.MATERIAL_DEPOSITION, Action.ARC_EXTINCTION]


def test_what_somebody_states_counts_before_the_rule_on_the_current() -> None:
    phases = [
        action_span(3.841, 9.5, Action.MATERIAL_DEPOSITION, "telemetry"),
        action_span(9.0, 9.5, Action.ARC_EXTINCTION, "telemetry"),
    ]
    by_hand = [
        action_span(3.84, 5.0, Action.HEAT_INPUT_ADJUSTMENT, "operator"),
        action_span(8.8, 9.5, Action.CRATER_FILL, "operator"),
    ]
    times = np.array([3.9, 4.9, 5.1, 8.9, 9.2])
    for labels in ([*phases, *by_hand], [*by_hand, *phases]):
        assert [ACTIONS[index] for index in action_track(labels, times)] == [
            Action.HEAT_INPUT_ADJUSTMENT, Action.HEAT_INPUT_ADJUSTMENT, Action.MATERIAL_DEPOSITION,
            Action.CRATER_FILL, Action.CRATER_FILL,
        ]  # fmt: skip


def test_of_spans_that_start_together_the_shorter_one_counts() -> None:
    labels = [action_span(0, 1, Action.ARC_INITIATION, ""), action_span(0, 5, Action.MATERIAL_DEPOSITION, "")]
    said = [ACTIONS[index] for index in action_track(labels, [0.5, 2.0])]
    assert said == [Action.ARC_INITIATION, Action.MATERIAL_DEPOSITION]


def test_imperfections_may_coincide() -> None:
    labels = [Annotation(0, 2, "imperfection", "2011"), Annotation(1, 3, "imperfection", "602")]
    track = imperfection_track(labels, np.array([0.5, 1.5, 2.5, 3.5]))
    assert track[:, ISO_CODES.index(2011)].tolist() == [1, 1, 0, 0]
    assert track[:, ISO_CODES.index(602)].tolist() == [0, 1, 1, 0]
    assert track.sum() == 4
    assert np.isnan(imperfection_track(labels, [0.5, 1.5], complete=False)).all(), "labels that claim nothing"


def test_seconds_are_summed_by_action() -> None:
    labels = [
        action_span(0, 1.5, Action.IDLE, ""),
        action_span(5, 6, Action.IDLE, ""),
        Annotation(0, 9, "imperfection", "602"),
    ]
    assert seconds_by_action(labels) == {Action.IDLE: 2.5}


def test_a_comma_for_the_point_is_no_further_cell(tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    path.write_text("start_s,end_s,kind,label,severity,source\n9.1,11.3,imperfection,2011,0,4,operator\n")
    with pytest.raises(
        InputError, match=r"annotations.csv:2: has more cells than the header; write numbers with a point"
    ):
        read_annotations(path)


def test_what_somebody_states_counts_before_the_rule_on_the_arc_state() -> None:
    rule = [action_span(2.0, 6.0, Action.MATERIAL_DEPOSITION, "arc_on")]
    stated = [action_span(1.0, 4.0, Action.HEAT_INPUT_ADJUSTMENT, "operator")]
    found = action_track([*rule, *stated], [3.0, 5.0])
    assert [ACTIONS[k] for k in found] == [Action.HEAT_INPUT_ADJUSTMENT, Action.MATERIAL_DEPOSITION]
