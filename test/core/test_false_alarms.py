"""False alarms an hour and delays, counted from what was true and what was said."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from msstan_core.simulation.material_pairs import parse_pairs
from msstan_core.studies import false_alarms
from msstan_core.studies.false_alarms import Alarm, Parts, WatchedWeld, _unpacked, delays, rates, welds

SHIPPED = Path(__file__).parents[2] / "models" / "default"


def weld(
    alarms: tuple[Alarm, ...] = (),
    spans: tuple[tuple[int, float, float], ...] = (),
    *,
    faulty: bool = False,
    seconds: float = 1800.0,
) -> WatchedWeld:
    return WatchedWeld("w", "aluminium + magnesium", faulty, seconds, seconds / 2, spans, alarms)


def test_every_event_in_a_clean_weld_is_a_false_alarm() -> None:
    found = rates([weld((Alarm(0, 3.0, 4.0), Alarm(602, 5.0, 6.0))), weld()])
    assert found["hours"] == pytest.approx(1.0) and found["welds"] == 2
    assert found["false_alarms_per_hour"]["mean"] == pytest.approx(2.0)
    assert found["false_alarms_per_arc_hour"]["mean"] == pytest.approx(4.0)
    assert {kind: f["mean"] for kind, f in found["by_kind"].items()} == {"novelty": 1.0, "602": 1.0}


def test_no_alarm_at_all_still_has_a_bound() -> None:
    figure = rates([weld(seconds=3600.0)])["false_alarms_per_hour"]
    assert figure["mean"] == 0.0 and figure["lower95"] == 0.0
    assert figure["upper95"] == pytest.approx(3.689, abs=0.001)


def test_welds_with_imperfections_do_not_count_as_clean() -> None:
    found = rates([weld(), weld((Alarm(0, 1.0, 2.0),), ((2011, 1.0, 3.0),)), weld((Alarm(0, 1, 2),), faulty=True)])
    assert found["false_alarms_per_hour"]["mean"] == 0.0
    assert (found["welds"], found["left_out"]) == (1, 1)


def test_delay_is_from_onset_to_the_first_event_that_overlaps() -> None:
    spans = ((2011, 10.0, 14.0),)
    other, own = Alarm(0, 10.5, 12.0), Alarm(2011, 11.5, 15.0)
    (found,) = delays([weld((other, own), spans, faulty=True)]).values()
    assert found["named"] == found["said"] == 1.0
    assert found["named_delay_p50_s"] == pytest.approx(1.5) and found["said_delay_p50_s"] == pytest.approx(0.5)
    late, before = Alarm(2011, 14.6, 15.0), Alarm(2011, 2.0, 9.9)
    (missed,) = delays([weld((late, before), spans, faulty=True)]).values()
    assert missed["named"] == 0.0 and "named_delay_p50_s" not in missed
    (already,) = delays([weld((Alarm(2011, 9.0, 11.0),), spans, faulty=True)]).values()
    assert already["named_delay_p50_s"] == 0.0


def test_welds_survive_being_kept() -> None:
    watched = weld((Alarm(0, 3.0, 4.0),), ((2011, 1.0, 3.0),), faulty=True)
    assert _unpacked(json.dumps(asdict(watched))) == watched


def test_welds_are_counted_in_order_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Parts(tuple(parse_pairs("aluminium+carbon_steel,magnesium")), ("telemetry",), seed=71)
    said: list[str] = []
    found = list(welds(SHIPPED, parts, 0.005, 1, tmp_path, 2, lambda what, share: said.append(what)))
    clean = [w for w in found if not (w.faulty or w.spans)]
    assert sum(w.seconds for w in clean[:-1]) < 18 <= sum(w.seconds for w in clean)
    assert [w.faulty for w in found].count(True) == 1 and found[-1].faulty
    assert set(said) == {"nominal welds", "faulty welds"}
    monkeypatch.setattr(false_alarms, "scores_of", None)
    assert list(welds(SHIPPED, parts, 0.005, 1, tmp_path)) == found
