"""What an event carries: place on the seam, evidence, severity; and that none stays open for ever."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from small_model import write_model

from msstan_core.decision.anomaly import AnomalyConfig, AnomalyEvents
from msstan_core.decision.evidence import PeakRegions, evidence_of, focus
from msstan_core.decision.pipeline import Monitor
from msstan_core.decision.result import EventPhase, Evidence, ImageRegion
from msstan_core.decision.seam import SeamPosition
from msstan_core.decision.severity import severity_of
from msstan_core.inference.model_card import SeverityCard, SeverityTerm
from msstan_core.observation import TelemetryWindow, Tick, WeldContext
from msstan_core.preprocessing.process_quantities import QUANTITY_NAMES
from msstan_core.vocabulary import IMPERFECTIONS, ISO_CODES

MS = 1_000_000
TICK_NS = 40 * MS
NAN = math.nan


def spatter(probability: float) -> np.ndarray:
    p = np.zeros(len(IMPERFECTIONS), np.float32)
    p[ISO_CODES.index(602)] = probability
    return p


def window(stamp_ms: int, current_a: float, speed_m_s: float) -> TelemetryWindow:
    values = np.full((1, 5), NAN, np.float32)
    values[0, 0], values[0, 3] = current_a, speed_m_s
    return TelemetryWindow(np.array([stamp_ms * MS]), values)


def travel(seam: SeamPosition, rows: list[tuple[int, float, float]]) -> list[float]:
    """(ms, A, m/s) rows, each with a tick of its own."""
    return [seam.update(ms * MS, window(ms, a, v)) for ms, a, v in rows]


def weld(begin_ms: int, end_ms: int, speed_m_s: float = 0.01) -> list[tuple[int, float, float]]:
    return [(ms, 150.0, speed_m_s) for ms in range(begin_ms, end_ms, 100)]


def dark(begin_ms: int, end_ms: int) -> list[tuple[int, float, float]]:
    return [(ms, 0.0, 0.0) for ms in range(begin_ms, end_ms, 100)]


def test_position_counts_from_where_the_arc_was_lit() -> None:
    places = travel(SeamPosition(), [*dark(0, 1000), *weld(1000, 6000)])
    assert np.isnan(places[:10]).all()
    assert places[10] == 0.0
    assert places[-1] == pytest.approx(0.01 * 4.9)


def test_ticks_between_two_rows_move_on() -> None:
    seam = SeamPosition()
    travel(seam, [*dark(0, 1000), *weld(1000, 2000)])
    assert seam.update(1950 * MS, None) == pytest.approx(0.0095)


def test_position_stands_where_the_arc_ended_and_begins_anew() -> None:
    places = travel(SeamPosition(), [*dark(0, 1000), *weld(1000, 2000), *dark(2000, 5000), *weld(5000, 6000)])
    assert places[25] == pytest.approx(places[19], abs=0.002)
    assert places[50] == 0.0


def test_a_short_break_of_the_arc_is_the_same_weld() -> None:
    """Burn-through breaks the arc; the torch moves on."""
    moving = [(ms, 0.0, 0.01) for ms in range(2000, 3000, 100)]
    places = travel(SeamPosition(), [*dark(0, 1000), *weld(1000, 2000), *moving, *weld(3000, 4000)])
    assert places[-1] == pytest.approx(0.01 * 2.9)


def test_joining_in_mid_weld_gives_no_position() -> None:
    places = travel(SeamPosition(), [*weld(0, 2000), *dark(2000, 5000), *weld(5000, 6000)])
    assert np.isnan(places[:50]).all()
    assert places[-1] == pytest.approx(0.009)


@pytest.mark.parametrize("hole", [[(1500, 150.0, NAN)], [(1500, NAN, 0.01)], []])
def test_a_hole_in_the_telemetry_makes_the_rest_of_the_weld_unknown(hole: list[tuple[int, float, float]]) -> None:
    places = travel(SeamPosition(), [*dark(0, 1000), *weld(1000, 1500), *hole, *weld(2600, 3000)])
    assert np.isnan(places[-1])


def test_stale_telemetry_gives_no_position_while_it_lasts() -> None:
    seam = SeamPosition()
    travel(seam, [*dark(0, 1000), *weld(1000, 2000)])
    assert np.isnan(seam.update(3000 * MS, None))


def test_unknown_speed_is_never_zero_metres() -> None:
    places = travel(SeamPosition(), [(ms, a, NAN) for ms, a, _ in [*dark(0, 1000), *weld(1000, 2000)]])
    assert places[10] == 0.0 and np.isnan(places[11:]).all()


def test_event_says_where_it_began_and_where_it_is() -> None:
    events = AnomalyEvents(AnomalyConfig(onset_s=0.2, clear_s=0.0))
    seen = []
    for i in range(20):
        p = spatter(0.9 if i < 15 else 0.0)
        seen += events.update(i * 100 * MS, p, NAN, 1.0, seam_position_m=0.001 * i)
    assert seen[0].phase is EventPhase.ONSET and seen[0].seam_position_m == 0.0
    assert seen[-1].phase is EventPhase.CLEARED and seen[-1].seam_position_m == pytest.approx(0.015)


def test_event_without_any_score_is_cleared_in_the_end() -> None:
    """The arc is out: novelty is not judged any more, and the event must not outlive the weld."""
    events = AnomalyEvents(AnomalyConfig(onset_s=0.0, unknown_s=2.0))
    nothing = spatter(0.0)
    events.update(0, nothing, 3.0, 1.0)
    phases = [e.phase for i in range(1, 40) for e in events.update(i * 100 * MS, nothing, NAN, 1.0)]
    assert phases.count(EventPhase.CLEARED) == 1
    assert len(phases) == 21, "ongoing for two seconds"
    assert not events.open


def test_own_threshold_of_an_imperfection_counts() -> None:
    events = AnomalyEvents(AnomalyConfig(onset_s=0.0), thresholds={602: 0.95})
    assert not events.update(0, spatter(0.9), NAN, 1.0)
    (event,) = events.update(100 * MS, spatter(0.96), NAN, 1.0)
    assert event.threshold == 0.95


def off(**logs: float) -> np.ndarray:
    """Departures from the programme; what is not named is unknown."""
    return np.array([logs.get(name, NAN) for name in QUANTITY_NAMES])


def card(quantity: str, extreme: str, weight: float, offset: float = 0.0) -> SeverityCard:
    term = SeverityTerm.model_validate({"quantity": quantity, "extreme": extreme, "weight": weight})
    return SeverityCard(terms=(term,), offset=offset, correlation=0.9, spans=50)


def test_severity_is_how_far_the_process_was_off_while_the_event_lasted() -> None:
    events = AnomalyEvents(
        AnomalyConfig(onset_s=0.1, clear_s=0.3), severity={602: card("voltage_v", "lowest", -2.0, 0.1)}
    )

    def severity(tick: int, probability: float, departures: np.ndarray | None) -> float:
        found = events.update(tick * 100 * MS, spatter(probability), NAN, 1.0, departures=departures)
        return found[0].severity if found else NAN

    assert math.isnan(severity(0, 0.0, off(voltage_v=-9.0))), "no event: nothing is gathered"
    assert math.isnan(severity(1, 0.9, off(voltage_v=-0.1))), "it forms"
    assert severity(2, 0.9, off(voltage_v=-0.3)) == pytest.approx(0.1 + 2 * 0.3)
    assert severity(3, 0.9, None) == severity(4, 0.9, off()) == pytest.approx(0.7), "unmeasured ticks change nothing"
    assert severity(5, 0.9, off(voltage_v=-0.1)) == pytest.approx(0.7), "as bad as it was at the worst"
    for tick in range(6, 10):
        severity(tick, 0.1, off(voltage_v=-9.0))  # its end tells nothing
    assert not events.open
    severity(10, 0.9, off(voltage_v=-0.2))
    assert severity(11, 0.9, off(voltage_v=-0.15)) == pytest.approx(0.5), "another event begins anew"


@pytest.mark.parametrize("hole", [True, False])
def test_severity_starts_over_with_what_was_forming(hole: bool) -> None:
    events = AnomalyEvents(AnomalyConfig(onset_s=0.2), severity={602: card("voltage_v", "lowest", -1.0)})
    events.update(0, spatter(0.9), NAN, 1.0, departures=off(voltage_v=-0.9))
    events.update(100 * MS, spatter(0.9), NAN, 1.0, departures=off(voltage_v=-0.9))
    start = 600 if hole else 2
    if not hole:
        events.update(200 * MS, spatter(NAN), NAN, 1.0)
        start = 3
    found = [e for k in range(4) for e in events.update((start + k) * 100 * MS, spatter(0.9), NAN, 1.0,
                                                         departures=off(voltage_v=0.0))]  # fmt: skip
    assert found and found[0].severity == 0.0


def test_severity_is_unknown_without_what_tells_it_and_never_beyond_its_range() -> None:
    told, nothing = card("travel_speed_m_s", "highest", 1.5), off()
    assert severity_of(nothing, off(travel_speed_m_s=0.4), told) == pytest.approx(0.6)
    assert severity_of(nothing, off(travel_speed_m_s=2.0), told) == 1.0
    assert severity_of(nothing, off(travel_speed_m_s=-0.1), told) == 0.0
    assert math.isnan(severity_of(off(travel_speed_m_s=0.4), off(current_a=0.3), told))
    plain = AnomalyEvents(AnomalyConfig(onset_s=0.0)).update(0, spatter(0.75), NAN, 1.0, departures=off(current_a=1.0))
    assert math.isnan(plain[0].severity)


def test_focus_is_the_patch_round_the_peak() -> None:
    attention = np.full((8, 16), 0.01, np.float32)
    attention[2:4, 4:8] = 1.0
    attention[7, 15] = 0.9  # bright, but not connected
    region = focus(attention)
    assert region is not None
    assert (region.left, region.top, region.right, region.bottom) == (0.25, 0.25, 0.5, 0.5)


def test_flat_attention_points_at_nothing() -> None:
    assert focus(np.full((8, 8), 1 / 64, np.float32)) is None
    assert focus(np.full((8, 8), NAN, np.float32)) is None


def test_evidence_without_camera_has_weights_only() -> None:
    evidence = evidence_of(np.array([0, 0, 0.75, 0.25], np.float32), None)
    assert evidence.modality_weights == (0.0, 0.0, 0.75, 0.25) and evidence.region is None


def test_event_points_where_the_network_looked_at_its_highest_score() -> None:
    events, regions = AnomalyEvents(AnomalyConfig(onset_s=0.0, clear_s=0.0)), PeakRegions()
    places = [ImageRegion(0.1 * i, 0.0, 0.1 * i + 0.1, 1.0) for i in range(5)]

    def said(step: int, probability: float, region: ImageRegion | None) -> ImageRegion | None:
        (event,) = regions.attach(
            events.update(step * 100 * MS, spatter(probability), NAN, 1.0), Evidence((1.0, 0.0, 0.0, 0.0), region)
        )
        assert event.evidence is not None and event.evidence.modality_weights[0] == 1.0
        return event.evidence.region

    assert said(0, 0.6, None) is None, "no fresh camera"
    assert said(1, 0.55, places[1]) == places[1]
    assert said(2, 0.9, places[2]) == places[2]
    assert said(3, 0.7, places[3]) == places[2], "the peak was before"
    assert said(4, 0.7, None) == places[2], "the camera is gone; what it showed stays"
    assert said(5, 0.0, places[4]) == places[2], "the clearance still says it"
    assert said(6, 0.6, places[4]) == places[4], "another event"


def phases(events: AnomalyEvents, steps: list[tuple[float, float]], alarm_at: float = 0.9) -> list[list[str]]:
    """(s, probability of spatter) -> what is said at each tick."""
    alarms = np.full(len(IMPERFECTIONS) + 1, alarm_at, np.float32)
    out = []
    for at_s, probability in steps:
        said = events.update(round(at_s * 1e9), spatter(probability), NAN, NAN, alarm_thresholds=alarms)
        out.append([f"{e.phase.name}{' alarm' if e.alarm else ''}" for e in said])
    return out


@pytest.mark.parametrize("hole_s", [0.7, 3.0, 3600.0])
def test_nothing_is_known_to_have_held_where_no_ticks_were_made(hole_s: float) -> None:
    before = [(0.04 * n, 0.0) for n in range(10)]
    lone = [*before, (0.4, 0.99), (0.4 + hole_s, 0.99), (0.44 + hole_s, 0.0)]
    assert not any(phases(AnomalyEvents(AnomalyConfig()), lone))
    after = [(0.4 + hole_s + 0.04 * n, 0.99) for n in range(40)]
    said = phases(AnomalyEvents(AnomalyConfig()), [*before, (0.4, 0.99), *after])[len(before) + 1 :]
    assert said.index(["ONSET"]) == 8 and ["ONGOING alarm"] in said
    assert said.index(["ONGOING alarm"]) == 20


def test_events_at_a_slow_rate_have_no_holes() -> None:
    said = phases(AnomalyEvents(AnomalyConfig()), [(1.0 * n, 0.99) for n in range(1, 8)])
    assert ["ONSET alarm"] in said or ["ONGOING alarm"] in said


def test_an_event_that_was_open_before_a_long_hole_is_not_the_one_after_it() -> None:
    events = AnomalyEvents(AnomalyConfig())
    phases(events, [(0.04 * n, 0.99) for n in range(30)])
    short = phases(events, [(3.0, 0.99), (3.04, 0.1), (3.08, 0.1)])
    assert short == [["ONGOING alarm"]] * 3, "cleared only by what is seen after the hole"
    assert phases(events, [(3600.0, 0.99), (3600.04, 0.99)]) == [["CLEARED alarm"], []]


def test_a_monitor_that_takes_over_clears_what_was_open_and_goes_on_numbering() -> None:
    old, new = AnomalyEvents(AnomalyConfig()), AnomalyEvents(AnomalyConfig())
    phases(old, [(0.04 * n, 0.99) for n in range(30)])
    left = old.leave(2_000_000_000)
    assert [(e.event_id, e.phase) for e in left.cleared] == [(1, EventPhase.CLEARED)] and left.next_id == 2
    new.go_on_from(left.next_id)
    again = [e for n in range(30) for e in new.update(round((2 + 0.04 * n) * 1e9), spatter(0.99), NAN, NAN)]
    assert {e.event_id for e in again} == {2}


def test_another_job_closes_what_belongs_to_the_one_before(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", width=16, backbone_blocks=4, inputs={"camera_px": 32, "thermal_px": 16})
    settings = AnomalyConfig(imperfection_threshold=0.05, onset_s=0.0, clear_s=10.0)
    monitor = Monitor.load(folder.directory, anomalies=settings)
    rows = np.array([[180.0, 20.0, 0.12, 0.01, 15.0]], np.float32)
    number = 0

    def events_of(context: WeldContext) -> list[tuple[int, str, int]]:
        nonlocal number
        number += 1
        now = number * TICK_NS
        decision = monitor.step(
            Tick(
                number,
                now,
                telemetry=TelemetryWindow(np.array([now]), rows),
                context=context,
                age_s=np.array([np.nan, np.nan, np.nan, 0.0], np.float32),
                valid=np.array([False, False, False, True]),
            )
        )
        return [(e.event_id, e.phase.name, e.onset_stamp_ns // TICK_NS) for e in decision.events]

    first, second = WeldContext(job_id="a"), WeldContext(job_id="b")
    assert events_of(WeldContext()) == [(1, "ONSET", 1)]
    assert events_of(first) == [(1, "ONGOING", 1)], "the job was only not known yet"
    assert events_of(WeldContext(stamp_ns=7, job_id="a")) == [(1, "ONGOING", 1)], "the same job, said again"
    assert events_of(WeldContext()) == [(1, "ONGOING", 1)]
    assert events_of(second) == [(1, "CLEARED", 1), (2, "ONSET", 5)]
    monitor.begin()
    assert events_of(first) == [(1, "ONSET", 6)], "a session of its own"
