"""False alarms an hour and delays, counted from what was true and what was said."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.special import expit

from msstan_core.decision.anomaly import AnomalyConfig
from msstan_core.errors import InputError
from msstan_core.inference.model_card import AlarmLimits
from msstan_core.inference.model_package import load_package
from msstan_core.simulation.material_pairs import parse_pairs
from msstan_core.studies import watched_welds
from msstan_core.studies.alarm_picture import draw_delays
from msstan_core.studies.false_alarms import delays, rates
from msstan_core.studies.own_limits import judged_by_other_half
from msstan_core.studies.watched_welds import Event, Parts, Scores, WatchedWeld, _unpacked, events_of, welds
from msstan_core.vocabulary import ISO_CODES

SHIPPED = Path(__file__).parents[2] / "models" / "default"


def alarm(iso_code: int, said_s: float, alarm_s: float, end_s: float) -> Event:
    return Event(iso_code, said_s, end_s, alarm_s)


def weld(
    events: tuple[Event, ...] = (),
    spans: tuple[tuple[int, float, float], ...] = (),
    *,
    faulty: bool = False,
    seconds: float = 1800.0,
) -> WatchedWeld:
    return WatchedWeld("w", "aluminium + magnesium", faulty, seconds, seconds / 2, spans, events)


def test_every_alarm_in_a_clean_weld_is_a_false_one_and_every_event_a_false_suspicion() -> None:
    found = rates([weld((Event(0, 3.0, 4.0), alarm(602, 5.0, 5.5, 6.0), Event(602, 7.0, 8.0))), weld()])
    assert found["hours"] == pytest.approx(1.0) and found["welds"] == 2
    assert found["false_alarms_per_hour"]["mean"] == pytest.approx(1.0)
    assert found["false_alarms_per_arc_hour"]["mean"] == pytest.approx(2.0)
    assert found["false_suspicions_per_hour"]["mean"] == pytest.approx(3.0)
    by_kind = {kind: (f["alarms"]["mean"], f["suspicions"]["mean"]) for kind, f in found["by_kind"].items()}
    assert by_kind == {"novelty": (0.0, 1.0), "602": (1.0, 2.0)}


def test_no_alarm_at_all_still_has_a_bound() -> None:
    figure = rates([weld(seconds=3600.0)])["false_alarms_per_hour"]
    assert figure["mean"] == 0.0 and figure["lower95"] == 0.0
    assert figure["upper95"] == pytest.approx(3.689, abs=0.001)


def test_welds_with_imperfections_do_not_count_as_clean() -> None:
    wrong = (alarm(0, 1.0, 1.5, 2.0),)
    found = rates([weld(), weld(wrong, ((2011, 1.0, 3.0),)), weld(wrong, faulty=True)])
    assert found["false_alarms_per_hour"]["mean"] == found["false_suspicions_per_hour"]["mean"] == 0.0
    assert (found["welds"], found["left_out"]) == (1, 1)


def test_delay_is_from_onset_to_the_first_event_that_overlaps() -> None:
    spans = ((2011, 10.0, 14.0),)
    other, own = Event(0, 10.5, 12.0), Event(2011, 11.5, 15.0)
    found = delays([weld((other, own), spans, faulty=True)], "suspicion")
    assert found["all"] == found["2011"] and set(found) == {"all", "2011"}
    assert found["2011"]["named"] == found["2011"]["said"] == 1.0
    assert found["2011"]["named_delay_p50_s"] == pytest.approx(1.5)
    assert found["2011"]["said_delay_p50_s"] == pytest.approx(0.5)
    late, before = Event(2011, 14.6, 15.0), Event(2011, 2.0, 9.9)
    missed = delays([weld((late, before), spans, faulty=True)], "suspicion")["2011"]
    assert missed["named"] == 0.0 and "named_delay_p50_s" not in missed
    already = delays([weld((Event(2011, 9.0, 11.0),), spans, faulty=True)], "suspicion")["2011"]
    assert already["named_delay_p50_s"] == 0.0


def test_a_suspicion_is_no_alarm_and_an_alarm_is_said_when_it_became_one() -> None:
    spans = ((2011, 10.0, 14.0),)
    welds = [weld((Event(2011, 10.5, 13.0), alarm(602, 11.0, 12.5, 15.0)), spans, faulty=True)]
    suspected, alarmed = delays(welds, "suspicion")["2011"], delays(welds, "alarm")["2011"]
    assert (suspected["named"], alarmed["named"], alarmed["said"]) == (1.0, 0.0, 1.0)
    assert suspected["said_delay_p50_s"] == pytest.approx(0.5) and alarmed["said_delay_p50_s"] == pytest.approx(2.5)
    too_late = [weld((alarm(2011, 10.5, 14.6, 16.0),), spans, faulty=True)]
    assert delays(too_late, "alarm")["2011"]["said"] == 0.0


def test_picture_shows_every_imperfection_and_differs_with_what_was_said(tmp_path: Path) -> None:
    spans = ((2011, 10.0, 14.0), (602, 2.0, 4.0), (104, 1.0, 2.0), (510, 3.0, 4.0), (401, 5.0, 6.0))
    for name, events in (("said", (alarm(2011, 10.5, 11.5, 13.0),)), ("missed", ())):
        draw_delays([weld(events, spans, faulty=True)], tmp_path / f"{name}.png")
    pictures = [cv2.imread(str(tmp_path / f"{name}.png")) for name in ("said", "missed")]
    assert pictures[0].shape == pictures[1].shape and (pictures[0] != pictures[1]).any()
    draw_delays([], tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 0


def test_welds_survive_being_kept() -> None:
    watched = weld((alarm(602, 3.0, 3.5, 4.0),), ((2011, 1.0, 3.0),), faulty=True)
    assert _unpacked(json.dumps(asdict(watched))) == watched


def test_welds_are_counted_in_order_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Parts(tuple(parse_pairs("aluminium+carbon_steel,magnesium")), ("telemetry",), seed=71)
    said: list[str] = []
    both = list(welds(SHIPPED, parts, 0.005, 1, tmp_path, 2, lambda what, share: said.append(what)))
    found = [weld for weld, _ in both]
    clean = [w for w in found if not (w.faulty or w.spans)]
    assert sum(w.seconds for w in clean[:-1]) < 18 <= sum(w.seconds for w in clean)
    assert [w.faulty for w in found].count(True) == 1 and found[-1].faulty
    assert set(said) == {"nominal welds", "faulty welds"}
    monkeypatch.setattr(watched_welds, "scores_of", None)
    again = list(welds(SHIPPED, parts, 0.005, 1, tmp_path))
    assert [weld for weld, _ in again] == found
    np.testing.assert_array_equal(again[0][1].probabilities, both[0][1].probabilities)


def made_up(seed: int, level: float, *, faulty: bool = False) -> tuple[WatchedWeld, Scores]:
    """Two blocks of ticks, quiet but for chance around ``level``; a faulty one is sure of spatter in its middle."""
    rng, ticks = np.random.default_rng(seed), 251
    time_s = np.arange(ticks) * 0.08
    probabilities = expit(rng.normal(level, 1.0, (ticks, len(ISO_CODES)))).astype(np.float32)
    if faulty:
        probabilities[100:150, ISO_CODES.index(602)] = 0.99
    spans = ((602, float(time_s[100]), float(time_s[149])),) if faulty else ()
    watched = WatchedWeld("w", "aluminium", faulty, float(time_s[-1]), 10.0, spans, ())
    return watched, Scores(time_s, probabilities, np.zeros(ticks, np.float32), np.ones((ticks, 4), np.bool_))


def test_limits_of_ones_own_welds_keep_their_rate_where_those_of_others_do_not() -> None:
    """These welds are harder than those that the card's limits came from: its alarms come all the time."""
    easy = AlarmLimits(
        false_alarms_per_hour=6.0,
        upper95_per_hour=12.0,
        imperfection_thresholds=dict.fromkeys(ISO_CODES, 0.05),
        statements=["", ""],
    )
    quiet = dict.fromkeys(ISO_CODES, 0.02)
    card = load_package(SHIPPED).card.model_copy(update={"alarm_limits": easy, "imperfection_thresholds": quiet})
    watched = [made_up(n, -2.0) for n in range(240)] + [made_up(n, -2.0, faulty=True) for n in range(1000, 1004)]
    foreign = [replace(weld, events=events_of(scores, card, AnomalyConfig())) for weld, scores in watched]
    own = judged_by_other_half(card, watched, 6.0)
    assert len(own.welds) == len(watched)
    assert rates(foreign)["false_alarms_per_hour"]["mean"] > 30
    assert rates(own.welds)["false_alarms_per_hour"]["mean"] <= own.upper95_per_hour
    assert 6.0 < own.upper95_per_hour < 20.0
    assert delays(own.welds, "alarm")["602"]["named"] == 1.0
    with pytest.raises(InputError, match="half of the welds is too little"):
        judged_by_other_half(card, watched, 0.5)
