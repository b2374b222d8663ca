"""From suspicion to alarm: after the score has held at the limit, until the event has ended, as the card says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.alignment import TickAligner
from msstan_core.decision.anomaly import AnomalyConfig, AnomalyEvents
from msstan_core.decision.event_log import EventLog
from msstan_core.decision.live_calibration import SubsetCalibration
from msstan_core.decision.pipeline import Monitor
from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.inference.model_card import AlarmLimits, SubsetCard
from msstan_core.inference.model_package import load_package
from msstan_core.simulation import WeldCell
from msstan_core.simulation.randomisation import randomised
from msstan_core.simulation.watching import START_NS, with_sensors
from msstan_core.studies.watched_welds import events_of as kept_events_of
from msstan_core.studies.watched_welds import scores_of
from msstan_core.vocabulary import ISO_CODES

SHIPPED = Path(__file__).parents[2] / "models" / "default"
TICK_NS = 100_000_000
SPATTER = ISO_CODES.index(602)
CONFIG = AnomalyConfig(onset_s=0.3, alarm_onset_s=0.5, clear_s=0.5)
LIMITS = np.full(len(ISO_CODES) + 1, np.inf, np.float32)
LIMITS[SPATTER], LIMITS[-1] = 0.8, 5.0


def events_of(
    scores: list[float], novelty: list[float] | None = None, limits: np.ndarray = LIMITS
) -> list[tuple[AnomalyEvent, ...]]:
    """What 0.1 s ticks with these probabilities of spatter give."""
    events = AnomalyEvents(CONFIG, {602: 0.4})
    distances = novelty or [math.nan] * len(scores)
    out = []
    for index, (score, distance) in enumerate(zip(scores, distances, strict=True)):
        probabilities = np.zeros(len(ISO_CODES), np.float32)
        probabilities[SPATTER] = score
        out.append(events.update(index * TICK_NS, probabilities, distance, 2.0, alarm_thresholds=limits))
    return out


def spatter(scores: list[float], limits: np.ndarray = LIMITS) -> list[AnomalyEvent]:
    return [e for said in events_of(scores, limits=limits) for e in said if e.iso_code == 602]


def test_a_suspicion_becomes_an_alarm_after_its_score_has_held_at_the_limit() -> None:
    found = spatter([0.5] * 10 + [0.9] * 10)
    alarms = [e.stamp_ns // TICK_NS for e in found if e.alarm]
    assert alarms == list(range(15, 20)), "0.5 s after the tick that reached it"
    assert found[0].phase is EventPhase.ONSET and not found[0].alarm
    assert {e.event_id for e in found} == {1} and all(e.alarm_threshold == pytest.approx(0.8) for e in found)


def test_an_alarm_lasts_as_long_as_its_event_and_the_next_event_is_none() -> None:
    found = spatter([0.9] * 8 + [0.5] * 5 + [0.0] * 6 + [0.5] * 6)
    first = [e for e in found if e.event_id == 1]
    assert first[-1].phase is EventPhase.CLEARED and first[-1].alarm, "whoever waits for the end hears what it was"
    assert any(e.alarm and e.score < 0.6 for e in first)
    assert [e.alarm for e in found if e.event_id == 2] == [False] * len([e for e in found if e.event_id == 2]) != []


def test_a_score_that_does_not_hold_is_no_alarm() -> None:
    assert not any(e.alarm for e in spatter([0.9] * 4 + [0.5] + [0.9] * 4 + [math.nan] + [0.9] * 4))


def test_without_limits_nothing_is_an_alarm_and_a_limit_below_the_threshold_is_that_threshold() -> None:
    silent = spatter([1.0] * 20, limits=np.full_like(LIMITS, np.inf))
    assert silent and not any(e.alarm for e in silent) and all(math.isnan(e.alarm_threshold) for e in silent)
    low = LIMITS.copy()
    low[SPATTER] = 0.1
    assert not spatter([0.3] * 20, limits=low)
    found = spatter([0.45] * 20, limits=low)
    assert any(e.alarm for e in found) and all(e.alarm_threshold == pytest.approx(0.4) for e in found)


def test_novelty_has_a_limit_of_its_own() -> None:
    found = [e for said in events_of([0.0] * 20, [3.0] * 10 + [6.0] * 10) for e in said]
    assert {e.iso_code for e in found} == {0}
    assert [e.stamp_ns // TICK_NS for e in found if e.alarm] == list(range(15, 20))


def test_a_reset_ends_the_alarm() -> None:
    events = AnomalyEvents(CONFIG, {602: 0.4})
    probabilities = np.zeros(len(ISO_CODES), np.float32)
    probabilities[SPATTER] = 0.9
    for index in range(10):
        events.update(index * TICK_NS, probabilities, math.nan, 2.0, alarm_thresholds=LIMITS)
    (closed,) = events.clear_all(10 * TICK_NS)
    assert closed.alarm and closed.phase is EventPhase.CLEARED
    again = [
        events.update(index * TICK_NS, probabilities, math.nan, 2.0, alarm_thresholds=LIMITS) for index in (11, 14)
    ]
    assert [e.alarm for said in again for e in said] == [False], "time at the limit is counted anew"


@given(st.lists(st.one_of(st.floats(0, 1, width=32), st.just(math.nan)), max_size=80))
@settings(max_examples=80, deadline=None)
def test_any_alarm_has_held_and_is_within_a_suspicion(scores: list[float]) -> None:
    alarmed: set[int] = set()
    for said in events_of(scores):
        for e in (e for e in said if e.iso_code == 602):
            if e.alarm and e.event_id not in alarmed:
                now = e.stamp_ns // TICK_NS
                assert all(score >= LIMITS[SPATTER] for score in scores[now - 5 : now + 1])
                alarmed.add(e.event_id)
            assert e.alarm or e.event_id not in alarmed, "never taken back while the event lasts"


def test_event_log_keeps_when_it_became_an_alarm() -> None:
    log = EventLog()
    for said in events_of([0.5] * 10 + [0.9] * 10):
        log.add(said)
    (entry,) = log.entries
    assert (entry.said_ns // TICK_NS, entry.alarm_ns) == (3, 15 * TICK_NS)


def test_limits_are_those_of_the_sensors_that_are_there() -> None:
    card = load_package(SHIPPED).card
    all_limits = AlarmLimits(
        false_alarms_per_hour=0.5, upper95_per_hour=0.9, imperfection_thresholds={602: 0.7}, novelty_threshold=6.0
    )
    few_limits = all_limits.model_copy(update={"false_alarms_per_hour": 2.0, "imperfection_thresholds": {602: 0.9}})
    subsets = {
        "camera+thermal+acoustic+telemetry": SubsetCard(temperature=1.0),
        "acoustic+telemetry": SubsetCard(temperature=1.0, alarm_limits=few_limits),
        "camera": SubsetCard(temperature=1.0),
    }
    known = SubsetCalibration(card.model_copy(update={"alarm_limits": all_limits, "subsets": subsets}), 0.5)
    complete = known.of(np.ones(4, bool))
    assert (complete.alarm_thresholds[SPATTER], complete.alarm_thresholds[-1]) == (np.float32(0.7), 6.0)
    assert np.isinf(np.delete(complete.alarm_thresholds, [SPATTER, -1])).all() and complete.false_alarms_per_hour == 0.5
    heard = known.of(np.array([False, False, True, True]))
    assert heard.alarm_thresholds[SPATTER] == np.float32(0.9) and heard.false_alarms_per_hour == 2.0
    for valid in ([True, False, False, False], [False, True, False, False], [False] * 4):
        unknown = known.of(np.array(valid))
        assert np.isinf(unknown.alarm_thresholds).all() and math.isnan(unknown.false_alarms_per_hour)


def test_thresholds_change_no_scores_but_anything_else_may() -> None:
    card = load_package(SHIPPED).card
    limits = AlarmLimits(false_alarms_per_hour=9.0, upper95_per_hour=9.9, imperfection_thresholds={602: 0.7})
    other = card.model_copy(update={"alarm_limits": limits, "novelty_threshold": 1.0, "version": "9", "metrics": {}})
    assert other.scores_sha256() == card.scores_sha256()
    for change in ({"temperature": 2.0}, {"files": {}}, {"subsets": {}}):
        assert card.model_copy(update=change).scores_sha256() != card.scores_sha256()


def test_events_made_of_kept_scores_are_the_monitors_own() -> None:
    scenario, sensors = randomised(5), ("microphone", "telemetry")
    assert scenario.disturbances
    monitor = Monitor.load(SHIPPED)
    weld, scores = scores_of(monitor, scenario, sensors, True)
    found = kept_events_of(scores, monitor.info.card, AnomalyConfig())
    monitor.reset()
    cell, aligner, log = WeldCell(with_sensors(scenario, sensors), START_NS), TickAligner(), EventLog()
    while not cell.finished:
        for sample in cell.advance(cell.time_s + 0.5):
            aligner.push(sample)
            for tick in aligner.drain():
                log.add(monitor.step(tick).events)
    own = [(e.iso_code, e.said_ns - START_NS, e.end_ns - START_NS) for e in log.entries]
    assert own and weld.spans
    for (code, said, end), event in zip(own, found, strict=True):
        assert code == event.iso_code
        assert event.said_s == pytest.approx(said / 1e9, abs=1e-6) and event.end_s == pytest.approx(end / 1e9, abs=1e-6)
