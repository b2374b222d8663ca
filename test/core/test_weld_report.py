"""The report of a weld: what the monitor said is on it, with ISO numbers, place and advice."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from msstan_core.cli import main
from msstan_core.decision.result import AnomalyEvent, Decision, EventPhase
from msstan_core.explain.weld_report import MOST_PICTURES, Course, advice_for, report_page, timeline_png
from msstan_core.vocabulary import ISO_CODES, Action

SECOND = 1_000_000_000
GREY = np.full((40, 60, 3), 128, np.uint8)


def decision(tick: int, action: Action, *events: AnomalyEvent) -> Decision:
    nine, thirteen = np.full(9, 1 / 9, np.float32), np.full(13, np.nan, np.float32)
    valid = np.array([True, False, True, False])
    weights = np.array([0.4, 0, 0.6, 0], np.float32)
    return Decision(
        tick * SECOND, "camera", action, 0.8, nine, nine, thirteen, 1.0, 2.0, weights, valid,
        np.zeros(4, np.float32), None, events,
    )  # fmt: skip


def event(phase: EventPhase, tick: int, place: float, **changes: Any) -> AnomalyEvent:
    first = AnomalyEvent(7, phase, 2011, "gas pore", 0.7, 0.5, math.nan, 2 * SECOND, tick * SECOND, place)
    return replace(first, **changes)


def course() -> Course:
    found = Course()
    found.add(decision(1, Action.ARC_INITIATION), 1.0)
    found.add(decision(2, Action.MATERIAL_DEPOSITION), 2.0)
    found.add(decision(3, Action.MATERIAL_DEPOSITION, event(EventPhase.ONSET, 3, 0.020)), 3.0)
    found.add(decision(4, Action.MATERIAL_DEPOSITION, event(EventPhase.CLEARED, 4, 0.035, score=0.9)), 4.0)
    found.add(decision(5, Action.COOLING), 5.0)
    return found


def test_stretches_of_one_action_are_joined() -> None:
    assert course().spans() == [
        (1.0, 2.0, Action.ARC_INITIATION),
        (2.0, 5.0, Action.MATERIAL_DEPOSITION),
        (5.0, 5.0, Action.COOLING),
    ]


def test_no_stretch_goes_back_where_the_clock_was_set_back() -> None:
    found = Course()
    for tick, event_here in ((3, event(EventPhase.ONSET, 3, 0.020)), (4, event(EventPhase.ONGOING, 4, 0.040))):
        found.add(decision(tick, Action.MATERIAL_DEPOSITION, event_here), float(tick))
    found.add(decision(1, Action.MATERIAL_DEPOSITION, event(EventPhase.CLEARED, 1, 0.0)), 1.0)
    found.add(decision(2, Action.MATERIAL_DEPOSITION), 2.0)
    assert found.spans() == [(3.0, 4.0, Action.MATERIAL_DEPOSITION), (1.0, 2.0, Action.MATERIAL_DEPOSITION)]
    page = report_page(found, "weld", "nano 1")
    assert "4 decisions over 2.0 s" in page
    assert "the clock was set back by 3.0 s" in page
    assert "<td>2.00</td><td>4.00</td>" in page  # the event ended with the last decision before


def test_an_event_has_its_code_time_place_and_advice_on_the_page() -> None:
    page = report_page(course(), "weld <1>", "nano 1")
    for text in (
        "<td>2011</td>",
        "<td>2.00</td><td>4.00</td>",
        "20 to 35 mm",
        "0.90 (limit 0.50)</td><td>unknown</td>",
        "shielding gas",
    ):
        assert text in page, text
    assert "weld &lt;1&gt;" in page and "weld <1>" not in page
    assert "still open" not in page
    graded = Course()
    graded.add(decision(3, Action.MATERIAL_DEPOSITION, event(EventPhase.ONSET, 3, 0.020, severity=0.42)), 3.0)
    assert "<td>0.42</td>" in report_page(graded, "weld", "nano 1")


def test_the_page_shows_the_moment_of_the_highest_score() -> None:
    found, shades = Course(), []
    for tick, score in ((3, 0.7), (4, 0.9), (5, 0.8)):
        phase = EventPhase.ONSET if tick == 3 else EventPhase.ONGOING
        risen = found.add(
            decision(tick, Action.MATERIAL_DEPOSITION, event(phase, tick, 0.02, score=score)), float(tick)
        )
        shades.append(bool(risen))
        found.keep_picture(risen, np.full((40, 60, 3), 50 * tick, np.uint8))
    assert shades == [True, True, False] and found.add(decision(6, Action.COOLING), 6.0) == []
    (picture,) = found.pictures.values()
    shown = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shown is not None and abs(float(shown.mean()) - 200) < 3
    page = report_page(found, "weld", "nano 1")
    assert page.count("data:image/jpeg") == 1 and "<figcaption>2011 gas pore, from 2.00 s" in page
    assert "data:image/jpeg" not in report_page(course(), "weld", "nano 1")


def test_of_many_events_the_alarms_have_a_picture_first() -> None:
    found = Course()
    for number in range(MOST_PICTURES + 3):
        told = event(EventPhase.ONSET, 3, 0.02, event_id=number, score=0.5 + 0.01 * number, name=f"kind {number}")
        found.keep_picture(found.add(decision(3, Action.COOLING, replace(told, alarm=number == 0)), 3.0), GREY)
    page = report_page(found, "weld", "nano 1")
    shown = [n for n in range(MOST_PICTURES + 3) if f"<figcaption>2011 kind {n}," in page]
    assert shown == [0, *range(4, MOST_PICTURES + 3)] and "3 more have none" in page


def test_what_is_open_or_unknown_is_said() -> None:
    found = course()
    found.add(decision(6, Action.COOLING, event(EventPhase.ONSET, 6, math.nan, event_id=8, iso_code=0)), 6.0)
    page = report_page(found, "weld", "nano 1")
    assert "still open" in page and "needs travel speed" in page
    assert "None reported" in report_page(Course([1.0], [Action.UNKNOWN], [math.nan], [np.full(4, np.nan)]), "a", "b")


def test_an_alarm_has_its_time_and_what_is_promised_of_alarms_is_said() -> None:
    found = course()
    found.add(decision(6, Action.COOLING, event(EventPhase.ONSET, 6, math.nan, event_id=8)), 6.0)
    found.add(decision(7, Action.COOLING, event(EventPhase.ONGOING, 7, math.nan, event_id=8, alarm=True)), 7.0)
    found.add(decision(8, Action.COOLING, event(EventPhase.CLEARED, 8, math.nan, event_id=8, alarm=True)), 8.0)
    page = report_page(found, "weld", "nano 1", "Alarms: few <false>.")
    assert "<td>2.00</td><td>4.00</td><td>-</td>" in page and "<td>2.00</td><td>8.00</td><td>7.00</td>" in page
    assert "Alarms: few &lt;false&gt;." in page
    assert timeline_png(found) != timeline_png(course())


def test_every_imperfection_has_an_answer() -> None:
    assert all(advice_for(code) for code in (0, *ISO_CODES))
    assert "crater fill" in advice_for(104)[0] and "names no cause" in advice_for(0)[0]
    assert timeline_png(course()).startswith(b"\x89PNG")


def test_a_bag_that_is_not_there_is_named(tmp_path: Path, capsys: Any) -> None:
    assert main(["report", str(tmp_path / "no_bag"), "--out", str(tmp_path / "a.html")]) == 1
    assert "no_bag" in capsys.readouterr().err


def test_a_hole_of_the_recording_is_no_welding_time() -> None:
    found = Course()
    for tick in (1, 2, 602, 603):
        found.add(decision(tick, Action.MATERIAL_DEPOSITION), float(tick))
    deposition = Action.MATERIAL_DEPOSITION
    assert found.spans() == [(1.0, 2.0, deposition), (602.0, 603.0, deposition)]
    page = report_page(found, "weld", "model")
    assert "4 decisions over 2.0 s" in page and "no decision from 2.00 s to 602.00 s" in page
