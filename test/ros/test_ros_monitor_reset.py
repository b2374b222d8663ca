"""A monitor that was reset answers as a new one, whatever it saw before."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest

from msstan_core.decision.anomaly import EventsLeft
from msstan_core.decision.pipeline import Monitor
from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.observation import Tick
from msstan_core.resources import default_model_dir
from msstan_core.simulation import WeldCell, load_scenario
from msstan_core.simulation.watching import START_NS, ticks_of_cell, with_sensors
from msstan_core.vocabulary import Modality
from msstan_ros.model_loading import TRIAL_TICKS, trial_tick

SECONDS_IN = 6  # the arc burns by then


@pytest.fixture(scope="module")
def ticks() -> list[Tick]:
    """From the middle of a weld, with microphone and telemetry."""
    cell = WeldCell(with_sensors(load_scenario("gmaw_steel_lap"), ("microphone", "telemetry")), START_NS)
    return [tick for tick in islice(ticks_of_cell(cell), 300) if tick.stamp_ns > START_NS + SECONDS_IN * 10**9]


def answers(monitor: Monitor, ticks: list[Tick]) -> np.ndarray:
    said = [monitor.step(tick) for tick in ticks]
    return np.array([np.append(d.raw_action_probabilities, d.imperfection_probabilities) for d in said])


@pytest.mark.parametrize("before", ["trial ticks", "the same weld until then"])
def test_a_monitor_that_was_reset_answers_as_a_new_one(ticks: list[Tick], before: str) -> None:
    assert len(ticks) > 100
    new, used = Monitor.load(default_model_dir()), Monitor.load(default_model_dir())
    for tick in [trial_tick(frozenset(Modality))] * TRIAL_TICKS if before == "trial ticks" else ticks[:-80]:
        used.step(tick)
    used.reset()
    np.testing.assert_allclose(answers(used, ticks[-80:]), answers(new, ticks[-80:]), atol=1e-6)


def test_what_another_monitor_left_open_is_cleared_even_if_a_reset_comes_first() -> None:
    monitor = Monitor.load(default_model_dir())
    open_event = AnomalyEvent(4, EventPhase.CLEARED, 602, "spatter", 0.9, 0.5, math.nan, 5, 5)
    monitor.succeed(EventsLeft((open_event,), 5))
    monitor.reset()
    said = monitor.step(Tick(0, 10**9, restarted=True)).events
    assert [(e.event_id, e.phase) for e in said] == [(4, EventPhase.CLEARED)]
    assert not monitor.step(Tick(1, 10**9 + 1)).events


def test_a_new_session_knows_nothing_of_the_events_before_it() -> None:
    monitor = Monitor.load(default_model_dir())
    open_event = AnomalyEvent(4, EventPhase.CLEARED, 602, "spatter", 0.9, 0.5, math.nan, 5, 5)
    monitor.succeed(EventsLeft((open_event,), 5))
    monitor.begin()
    assert not monitor.step(Tick(0, 10**9)).events
    assert monitor.leave() == EventsLeft((), 1)
    monitor.succeed(EventsLeft((open_event,), 5))
    assert monitor.leave() == EventsLeft((open_event,), 5)
    assert not monitor.step(Tick(1, 2 * 10**9)).events, "what was handed on is not said as well"
