"""``msstan label``: phases from the current, labels by hand and attributes, of bags that are there already."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from msstan_core.cli import main
from msstan_core.observation import CameraFrame, TelemetrySample
from msstan_core.recordings.annotations import Annotation, action_span, action_track, labelled_s
from msstan_core.recordings.bag import BagReader, BagWriter
from msstan_core.recordings.labelling import merged
from msstan_core.recordings.phases import SETTLED_FOR_S, UNSETTLED_INITIATION_S, find_phases
from msstan_core.vocabulary import ACTIONS, Action

START_NS = 1_700_000_000_000_000_000


def weld(bag: Path, current_a: float = 180.0, *, telemetry: bool = True, at: Path | None = None) -> Path:
    """Ten seconds: an arc from 3 s to 8 s, told ten times a second, and a camera at 5 Hz."""
    with BagWriter(bag, {"importer": "cell"}) as writer:
        for k in range(101):
            stamp = START_NS + k * 100_000_000
            if telemetry:
                writer.write(TelemetrySample(stamp, current_a if 30 <= k < 80 else 0.0, 20.0))
            if k % 2 == 0:
                writer.write(CameraFrame(stamp, image=np.zeros((8, 8), np.uint8)))
    return bag


def labels(bag: Path) -> list[Annotation]:
    with BagReader(bag) as reader:
        return reader.annotations


def attributes(bag: Path) -> dict[str, str]:
    with BagReader(bag) as reader:
        return reader.attributes


def test_phases_follow_the_current_and_replace_those_of_before(tmp_path: Path) -> None:
    bag = weld(tmp_path / "weld")
    by_hand = ["--action", "crater_fill", "7", "7.4", "--source", "welder"]
    for _ in range(2):
        assert main(["label", str(bag), *by_hand]) == 0
        assert main(["label", str(bag), "--phases-from-current"]) == 0
    assert sum(a.source == "telemetry" for a in labels(bag)) == 5
    said = [ACTIONS[k] for k in action_track(labels(bag), np.array([1.0, 3.2, 5.0, 7.2, 7.7, 9.0]))]
    assert said == [
        Action.IDLE, Action.ARC_INITIATION, Action.MATERIAL_DEPOSITION, Action.CRATER_FILL, Action.ARC_EXTINCTION,
        Action.COOLING,
    ]  # fmt: skip
    assert main(["label", str(bag), "--remove", "telemetry"]) == 0
    assert [(a.label, a.source) for a in labels(bag)] == [("CRATER_FILL", "welder")]


def rows(bag: Path) -> list[tuple[float, float, str]]:
    return [(round(a.start_s, 2), round(a.end_s, 2), a.label) for a in labels(bag)]


def told(bag: Path, current: dict[float, float]) -> Path:
    """A camera for ten seconds, and telemetry with this current at these times."""
    with BagWriter(bag) as writer:
        for k in range(101):
            stamp = START_NS + k * 100_000_000
            writer.write(CameraFrame(stamp, image=np.zeros((8, 8), np.uint8)))
            if k / 10 in current:
                writer.write(TelemetrySample(stamp, current[k / 10], 20.0))
    assert main(["label", str(bag), "--phases-from-current"]) == 0
    return bag


def test_what_the_telemetry_did_not_see_gets_no_label(tmp_path: Path) -> None:
    """The arc burns before its first row and after its last: it neither began nor ended there."""
    inside = told(tmp_path / "inside", {k / 10: 180.0 for k in range(50, 70)})
    assert [label for *_, label in rows(inside)] == ["MATERIAL_DEPOSITION"]
    late = told(tmp_path / "late", {k / 10: 180.0 if k < 80 else 0.0 for k in range(50, 91)})
    assert rows(late)[-2:] == [(7.4, 7.9, "ARC_EXTINCTION"), (7.9, 9.0, "COOLING")] and rows(late)[0][2] != "IDLE"
    early = told(tmp_path / "early", {k / 10: 180.0 if k >= 30 else 0.0 for k in range(10, 61)})
    assert rows(early)[:2] == [(1.0, 3.0, "IDLE"), (3.0, 3.5, "ARC_INITIATION")]
    assert rows(early)[-1][2] == "MATERIAL_DEPOSITION"


def test_each_weld_of_a_recording_begins_and_ends(tmp_path: Path) -> None:
    burning = {k / 10: 180.0 if 10 <= k < 40 or 65 <= k < 95 else 0.0 for k in range(101)}
    expected = ["IDLE", *["ARC_INITIATION", "MATERIAL_DEPOSITION", "ARC_EXTINCTION"] * 2, "COOLING"]
    assert [label for *_, label in rows(told(tmp_path / "two", burning))] == expected
    unheard = {k: own for k, own in burning.items() if not 4.0 <= k < 6.5}  # nobody saw the arc go out
    assert [label for *_, label in rows(told(tmp_path / "hole", unheard))] == [
        "IDLE", "ARC_INITIATION", "MATERIAL_DEPOSITION", "MATERIAL_DEPOSITION", "ARC_EXTINCTION", "COOLING",
    ]  # fmt: skip


def test_nothing_of_a_file_that_others_share_or_wrote_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = weld(tmp_path / "weld")
    inside = next(bag.glob("*.mcap"))
    assert main(["label", str(inside), "--phases-from-current"]) == 1
    assert "shares its folder" in capsys.readouterr().err and not labels(bag)
    lone = tmp_path / "lone" / "weld.mcap"
    lone.parent.mkdir()
    lone.write_bytes(inside.read_bytes())
    assert main(["label", str(lone), "--phases-from-current"]) == 0
    more = "start_s,end_s,kind,label,severity,source,inspector\n1,2,action,IDLE,,operator,Mayer\n"
    (bag / "annotations.csv").write_text(more, encoding="utf-8")
    assert main(["label", str(bag), "--phases-from-current"]) == 1
    assert "would be lost: inspector" in capsys.readouterr().err
    assert (bag / "annotations.csv").read_text(encoding="utf-8") == more


def test_the_telemetrys_offset_of_the_cell_moves_its_labels(tmp_path: Path) -> None:
    bag, params = weld(tmp_path / "weld"), tmp_path / "cell.yaml"
    params.write_text("weld_monitor: {ros__parameters: {alignment.offset_s.telemetry: 0.4}}\n", encoding="utf-8")
    assert main(["label", str(bag), "--phases-from-current", "--params", str(params)]) == 0
    assert labels(bag)[1].start_s == pytest.approx(3.4)


def test_imperfections_and_attributes_make_a_weld_that_teaches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = weld(tmp_path / "weld")
    for _ in range(2):
        assert main(["label", str(bag), "--imperfection", "2011", "4", "5.5", "--severity", "0.4"]) == 0
    assert "--set imperfections_complete=true" in capsys.readouterr().out
    (only,) = labels(bag)
    assert (only.iso_code, only.start_s, only.end_s, only.severity, only.source) == (2011, 4, 5.5, 0.4, "operator")
    assert main(["label", str(bag), "--set", "group=job 17", "--set", "imperfections_complete=true"]) == 0
    assert attributes(bag) == {"importer": "cell", "group": "job 17", "imperfections_complete": "true"}
    shown = capsys.readouterr().out
    assert "2011" in shown and "group=job 17" in shown and "--set imperfections_complete" not in shown
    assert main(["label", str(bag), "--set", "group="]) == 0 and "group" not in attributes(bag)


def test_what_ros_recorded_without_attributes_gets_some(tmp_path: Path) -> None:
    bag = weld(tmp_path / "weld")
    metadata = yaml.safe_load((bag / "metadata.yaml").read_text(encoding="utf-8"))
    for custom in (None, {}, "left out"):
        if custom == "left out":
            del metadata["rosbag2_bagfile_information"]["custom_data"]
        else:
            metadata["rosbag2_bagfile_information"]["custom_data"] = custom
        (bag / "metadata.yaml").write_text(yaml.safe_dump(metadata), encoding="utf-8")
        assert main(["label", str(bag), "--set", "verdict=good"]) == 0
        assert attributes(bag) == {"verdict": "good"}


def test_several_bags_are_labelled_and_what_cannot_be_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weld(tmp_path / "bags" / "a"), weld(tmp_path / "bags" / "b", 15.0), weld(tmp_path / "bags" / "c", telemetry=False)
    weld(tmp_path / "bags" / "d", math.nan)
    assert main(["label", str(tmp_path / "bags"), "--phases-from-current"]) == 1
    said = capsys.readouterr()
    assert "never has more than 20 A (at most 15.0 A)" in said.err and "has no welder telemetry" in said.err
    assert said.err.count("label it by hand") == 3 and "Traceback" not in said.err
    assert len(labels(tmp_path / "bags" / "a")) == 5 and not labels(tmp_path / "bags" / "b")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--action", "WELDING", "1", "2"], "known: IDLE"),
        (["--action", "IDLE", "2", "1"], "forward stretch"),
        (["--action", "IDLE", "soon", "1"], "soon"),
        (["--imperfection", "999", "1", "2"], "ISO 6520-1"),
        (["--imperfection", "2011", "1", "200"], "outside the bag, which is 10"),
        (["--imperfection", "2011", "1", "2", "--severity", "4"], "outside 0..1"),
        (["--severity", "0.4"], "belongs to no imperfection"),
        (["--set", "group"], "KEY=VALUE"),
        (["--set", "imperfections_complete=yes", "--action", "IDLE", "0", "1"], "true or false"),
        (["--imperfection", "2011", "1", "2", "--severity", "nan"], "outside 0..1"),
        (["--remove", "xray"], "has no labels of xray"),
    ],
)
def test_a_wrong_label_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    bag = weld(tmp_path / "weld")
    assert main(["label", str(bag), *options]) == 1
    assert said in capsys.readouterr().err
    assert not labels(bag) and attributes(bag) == {"importer": "cell"}


def test_spans_belong_to_one_bag_and_attributes_to_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = weld(tmp_path / "bags" / "a"), weld(tmp_path / "bags" / "b")
    assert main(["label", str(first), str(second), "--action", "IDLE", "0", "1"]) == 1
    assert "one bag at a time" in capsys.readouterr().err
    assert main(["label", str(next(first.glob("*.mcap"))), "--set", "group=a"]) == 1
    assert "not a lone file" in capsys.readouterr().err
    assert main(["label", str(tmp_path / "bags")]) == 0
    assert "length s" in capsys.readouterr().out and not (first / "annotations.csv").exists()


def test_a_label_is_there_once() -> None:
    one = Annotation(1, 2, "action", "IDLE", source="a")
    other = Annotation(1, 2, "action", "IDLE", source="b")
    assert merged([one], [one, other]) == [one, other]
    assert merged([one, other], [], ["b"]) == [one]
    graded = [Annotation(1, 2, "imperfection", "2011", severity, "a") for severity in (0.4, 0.7)]
    assert merged(graded[:1], graded[1:]) == graded[1:], "a corrected grade replaces the first one"


@given(st.lists(st.tuples(st.floats(0.01, 0.4), st.floats(0, 300)), min_size=2, max_size=60))
def test_the_settled_current_is_found_as_the_rule_is_written(trace: list[tuple[float, float]]) -> None:
    times, current = np.cumsum([step for step, _ in trace]), np.array([own for _, own in trace])
    found = find_phases(times, current)
    if not (current > 20).any():
        assert found is None
        return
    assert found is not None
    first = int(np.flatnonzero(current > 20)[0])
    median = np.median(current[current > 20])
    steady = np.abs(current - median) <= 0.25 * median
    settled = times[first] + UNSETTLED_INITIATION_S
    for k in range(first, len(times)):
        if steady[(times >= times[k]) & (times <= times[k] + SETTLED_FOR_S)].all():
            settled = times[k]
            break
    assert found.settled_s == pytest.approx(max(settled, times[first] + 0.5))


def test_attributes_that_look_like_numbers_stay_what_they_are(tmp_path: Path) -> None:
    bag = weld(tmp_path / "weld")
    path = bag / "metadata.yaml"
    path.write_text(path.read_text().replace("importer: cell", "batch: 12:30\n    ok: no\n    n: 0o17\n    e: '1e3'"))
    before = attributes(bag)
    assert before == {"batch": "12:30", "ok": "no", "n": before["n"], "e": "1e3"}
    assert main(["label", str(bag), "--set", "group=2e3"]) == 0
    assert attributes(bag) == {"batch": "12:30", "ok": "no", "n": "0o17", "e": "1e3", "group": "2e3"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("imperfection_complete=true", "did you mean imperfections_complete?"),
        ("Group=a", "did you mean group?"),
        ("material_a=steel", "write one of carbon_steel"),
    ],
)
def test_attributes_that_nothing_would_read_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str, said: str
) -> None:
    bag = weld(tmp_path / "weld")
    assert main(["label", str(bag), "--set", given, "--action", "IDLE", "0", "1"]) == 1
    assert said in capsys.readouterr().err and not labels(bag) and attributes(bag) == {"importer": "cell"}
    assert main(["label", str(bag), "--set", "batch=7", "--set", "material_a=carbon_steel"]) == 0


def test_time_that_two_sources_label_counts_once() -> None:
    spans = [action_span(0.0, 3.0, Action.IDLE, "a"), action_span(2.0, 5.0, Action.IDLE, "b")]
    assert labelled_s([*spans, Annotation(0, 9, "imperfection", "2011")]) == pytest.approx(5.0)
