"""Severity by the telemetry: fitted on labelled welds, judged across groups, and given by the monitor."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from msstan_core.alignment import ticks_of
from msstan_core.calibration.severity_fitting import (
    LabelledSeverity,
    fit_severities,
    fit_severity,
    severities_in,
    severities_of_bag,
)
from msstan_core.cli import main
from msstan_core.closed_loop.welds import study_weld
from msstan_core.decision.pipeline import Monitor
from msstan_core.decision.severity import severity_of
from msstan_core.inference.card_text import CARD_TEXT_FILE
from msstan_core.inference.model_card import ModelCard, SeverityCard, SeverityTerm
from msstan_core.inference.model_package import load_package
from msstan_core.preprocessing.process_quantities import QUANTITY_NAMES
from msstan_core.preprocessing.programme_departure import departures_in
from msstan_core.recordings.annotations import Annotation
from msstan_core.recordings.bag import BagReader
from msstan_core.resources import default_model_dir
from msstan_core.simulation.recording import record
from msstan_core.simulation.watching import with_sensors
from msstan_core.vocabulary import Modality

COUNT = len(QUANTITY_NAMES)
TRAVEL = QUANTITY_NAMES.index("travel_speed_m_s")


def labelled(n: int, *, noise: float = 0.05, groups: int = 10) -> list[LabelledSeverity]:
    """Undercut as bad as the travel is too fast at the worst; everything else is chance."""
    rng = np.random.default_rng(3)
    spans = []
    for number in range(n):
        lowest, highest = np.sort(rng.normal(0.0, 0.3, (2, COUNT)), axis=0)
        severity = float(np.clip(highest[TRAVEL] + 0.3 + noise * rng.normal(), 0, 1))
        spans.append(LabelledSeverity(501, severity, lowest, highest, f"group {number % groups}"))
    return spans


def test_the_departure_that_tells_it_is_found_with_its_weight() -> None:
    (card,) = fit_severities(labelled(120)).values()
    first = card.terms[0]
    assert (first.quantity, first.extreme) == ("travel_speed_m_s", "highest")
    assert first.weight == pytest.approx(1.0, abs=0.1) and card.offset == pytest.approx(0.3, abs=0.05)
    assert card.correlation > 0.9 and card.spans == 120 and len(card.terms) == 1
    off = np.zeros(COUNT)
    off[TRAVEL] = 0.4
    assert severity_of(np.zeros(COUNT), off, card) == pytest.approx(0.7, abs=0.1)


def test_nothing_is_given_where_labels_say_that_nothing_tells_it() -> None:
    spans = labelled(120)
    shuffled = np.random.default_rng(0).permutation([span.severity for span in spans])
    chance = [
        LabelledSeverity(501, float(own), span.lowest, span.highest, span.group)
        for own, span in zip(shuffled, spans, strict=True)
    ]
    assert fit_severity(chance) is None
    given = 0
    for seed in range(20):
        few = [replace(s, severity=float(np.random.default_rng([seed, k]).random())) for k, s in enumerate(spans[:24])]
        given += fit_severity(few) is not None
    assert given <= 1, "chance among many terms is not taken for knowledge"
    assert fit_severity(spans[:15]) is None, "too few spans"
    assert fit_severity(labelled(120, groups=3)) is None, "too few groups"
    same = [LabelledSeverity(501, 0.5, span.lowest, span.highest, span.group) for span in spans]
    assert fit_severity(same) is None
    assert fit_severity([]) is None
    assert fit_severities([]) == {}


def unmeasured(spans: list[LabelledSeverity], share: float) -> list[LabelledSeverity]:
    """The same, where this share of the welds does not measure the travel speed."""
    for number, span in enumerate(spans):
        if number < share * len(spans):
            span.lowest[TRAVEL] = span.highest[TRAVEL] = math.nan
    return spans


def test_a_quantity_that_is_often_unmeasured_is_fitted_on_what_is_known() -> None:
    card = fit_severity(unmeasured(labelled(120), 0.4))
    assert card is not None and card.terms[0].quantity == "travel_speed_m_s" and card.spans <= 72
    assert fit_severity(unmeasured(labelled(120), 0.6)) is None, "too seldom known to count"


def test_a_span_is_what_was_farthest_off_in_it() -> None:
    times = np.arange(10) / 10
    departures = np.full((10, COUNT), math.nan)
    departures[2:7, TRAVEL] = [-9.0, 0.2, 0.4, math.nan, 9.0]
    labels = [
        Annotation(0.3, 0.6, "imperfection", "501", severity=0.5),
        Annotation(0.3, 0.6, "imperfection", "502"),
        Annotation(0.3, 0.5, "imperfection", "504", severity=0.5),  # too short to become an event
        Annotation(0.0, 0.9, "action", "MATERIAL_DEPOSITION"),
        Annotation(2.0, 3.0, "imperfection", "501", severity=0.5),
    ]
    (only,) = severities_in(labels, times, departures, "a")
    assert (only.iso_code, only.severity, only.group) == (501, 0.5, "a")
    assert (only.lowest[TRAVEL], only.highest[TRAVEL]) == (0.2, 0.4)
    assert np.isnan(np.delete(only.lowest, TRAVEL)).all()


def test_a_span_is_read_where_the_monitor_reads_it() -> None:
    times, departures = np.arange(10) / 10, np.tile(np.arange(10.0)[:, None], COUNT)
    steady = Annotation(0.0, 0.55, "action", "MATERIAL_DEPOSITION")
    crater = Annotation(0.55, 0.8, "action", "CRATER_FILL")
    labels = [Annotation(0.2, 0.8, "imperfection", "501", severity=0.5), steady, crater]
    (only,) = severities_in(labels, times, departures, "a")
    assert (only.lowest[TRAVEL], only.highest[TRAVEL]) == (2.0, 5.0)
    (unlabelled,) = severities_in(labels[:1], times, departures, "a")
    assert unlabelled.highest[TRAVEL] == 7.0


def test_a_departure_is_unknown_where_its_flag_says_so() -> None:
    columns = np.array([*[0.5] * COUNT, *[1.0] * (COUNT - 1), 0.0, 0, 0, 0, 0])
    assert departures_in(columns)[:-1].tolist() == [0.5] * (COUNT - 1) and math.isnan(departures_in(columns)[-1])


def test_a_card_names_quantities_that_there_are_and_forgets_what_earlier_versions_said() -> None:
    with pytest.raises(ValueError, match="travel_speed_m_s"):
        SeverityTerm(quantity="travel", extreme="highest")
    card = load_package(default_model_dir()).card
    before = {**card.model_dump(mode="json"), "severity": {"602": [[0.5, 0.1], [1.0, 0.9]]}}
    assert ModelCard.model_validate(before).severity == {}
    told = card.model_copy(update={"severity": {501: fit_severity(labelled(60))}})
    assert ModelCard.model_validate_json(told.model_dump_json()).severity == told.severity
    assert told.scores_sha256() == card.scores_sha256()


@pytest.fixture(scope="module")
def weld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weld that is much too fast for some seconds, told by its telemetry alone."""
    bag = tmp_path_factory.mktemp("severity") / "bags" / "weld"
    record(with_sensors(study_weld(501, 3), ("telemetry",)), bag)
    return bag


def test_a_bag_tells_how_far_its_process_was_off(weld: Path) -> None:
    spec = load_package(default_model_dir()).card.config.inputs
    (span, *_) = (s for s in severities_of_bag(weld, spec) if s.iso_code == 501)
    with BagReader(weld) as reader:
        truth = next(a for a in reader.annotations if a.iso_code == 501)
    assert span.severity == truth.severity and span.highest[TRAVEL] > math.log(1.3)


def test_the_monitor_says_how_bad_it_is(weld: Path) -> None:
    package = load_package(default_model_dir())
    told = SeverityCard(
        terms=(SeverityTerm(quantity="travel_speed_m_s", extreme="highest", weight=0.8),),
        offset=0.0,
        correlation=0.9,
        spans=30,
    )
    monitor = Monitor.load(default_model_dir(), modalities=frozenset({Modality.TELEMETRY}))
    info = monitor.info
    card = package.card.model_copy(update={"severity": {501: told}})
    monitor = Monitor(monitor.engine, replace(info, card=card))
    events = []
    with BagReader(weld) as reader:
        for tick in ticks_of(reader.samples((Modality.TELEMETRY,))):
            events += monitor.step(tick).events
    given = [event.severity for event in events if event.iso_code == 501]
    assert given and 0.2 < max(given) <= 1.0
    assert all(math.isnan(event.severity) for event in events if event.iso_code != 501)


def test_the_command_fits_labelled_bags_and_says_what_it_found(
    weld: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from msstan_core.calibration import severity_fitting

    read: list[Path] = []

    def many(bag: Path, *_: object) -> list[LabelledSeverity]:
        read.append(bag)
        return labelled(60)

    monkeypatch.setattr(severity_fitting, "severities_of_bag", many)
    model = ["calibrate", str(default_model_dir()), "--severities", str(weld.parent)]
    assert main([*model, "--out", str(tmp_path / "model"), "--model-version", "7.1"]) == 0
    assert read == [weld] and "2017, from 1 bags" in capsys.readouterr().out
    card = load_package(tmp_path / "model").card
    shipped = load_package(default_model_dir()).card.severity
    assert card.version == "7.1" and set(card.severity) == {501, *shipped}
    assert all(card.severity[code] == own for code, own in shipped.items() if code != 501), "no word on the others"
    assert card.severity[501].spans == 60
    assert card.alarm_limits == load_package(default_model_dir()).card.alarm_limits
    text = (tmp_path / "model" / CARD_TEXT_FILE).read_text(encoding="utf-8")
    assert "severity of 501: 0.3" in text and "highest travel_speed_m_s" in text
    constant = [replace(span, severity=0.5) for span in labelled(60)]
    monkeypatch.setattr(severity_fitting, "severities_of_bag", lambda *_: constant)
    assert main([*model, "--out", str(tmp_path / "without")]) == 0
    assert "model's own is taken away" in " ".join(capsys.readouterr().err.split())
    assert set(load_package(tmp_path / "without").card.severity) == set(shipped) - {501}
    monkeypatch.setattr(severity_fitting, "severities_of_bag", lambda *_: labelled(10))
    assert main([*model, "--out", str(tmp_path / "other")]) == 1
    assert "tells no severity" in capsys.readouterr().err and not (tmp_path / "other").exists()
    unknown = [
        replace(span, lowest=np.full(COUNT, math.nan), highest=np.full(COUNT, math.nan)) for span in labelled(60)
    ]
    monkeypatch.setattr(severity_fitting, "severities_of_bag", lambda *_: unknown)
    assert main([*model, "--out", str(tmp_path / "other")]) == 1, "they know nothing, and refute nothing"
    assert "tells no severity" in capsys.readouterr().err and not (tmp_path / "other").exists()
    for option in (["--subsets"], ["--jobs", "2"], ["--false-alarms-per-hour", "9"], ["--modalities", "camera"]):
        assert main([*model, "--out", str(tmp_path / "other"), *option]) == 1
        assert f"{option[0]}: has no part in --severities" in capsys.readouterr().err
    monkeypatch.setattr(severity_fitting, "severities_of_bag", lambda *_: [])
    assert main([*model, "--out", str(tmp_path / "other")]) == 1
    assert "no imperfection of these bags has a severity" in capsys.readouterr().err
