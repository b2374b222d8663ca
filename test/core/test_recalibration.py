"""A finished model's alarm limits set anew for a rate of false alarms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from nominal_blocks import ALL_SENSORS, CODES, SHIPPED, welds
from small_model import write_model
from sound_welds import write_weld

from msstan_core.calibration.joint import (
    JointThresholds,
    NominalScores,
    calibrate_jointly,
)
from msstan_core.calibration.recalibration import recalibrated, save_recalibrated
from msstan_core.cli import main
from msstan_core.errors import InputError
from msstan_core.inference.model_card import AlarmLimits, SubsetCard
from msstan_core.inference.model_package import GATE_FILE, load_package, save_card
from msstan_core.vocabulary import Modality

EARLIER = AlarmLimits(
    false_alarms_per_hour=2.0, upper95_per_hour=4.0, imperfection_thresholds={602: 0.9}, statements=["from bags", "few"]
)


def test_recalibrated_card_says_what_its_alarms_promise_and_keeps_suspicions(tmp_path: Path) -> None:
    package = load_package(SHIPPED)
    card = package.card.model_copy(
        update={
            "trained_imperfections": CODES,
            "alarm_limits": None,
            "subsets": {
                **{name: SubsetCard(temperature=1.0) for name in (ALL_SENSORS, "camera", "acoustic")},
                "thermal": SubsetCard(temperature=1.0, alarm_limits=EARLIER),
            },
        }
    )
    rng = np.random.default_rng(0)
    seen = [{ALL_SENSORS: a, "acoustic": b} for a, b in zip(welds(200, rng), welds(200, rng), strict=True)]
    found, alone = (
        calibrate_jointly([weld[name] for weld in seen], CODES, rate_per_hour=6.0) for name in (ALL_SENSORS, "acoustic")
    )
    assert isinstance(found, JointThresholds) and isinstance(alone, JointThresholds)
    new = recalibrated(card, seen, 6.0, "0.56 h of test welds").card
    assert new.alarm_limits is not None and new.alarm_limits.imperfection_thresholds == found.imperfections
    assert new.alarm_limits.false_alarms_per_hour == 6.0 < new.alarm_limits.upper95_per_hour
    assert new.alarm_limits.novelty_threshold is None and new.imperfection_thresholds == card.imperfection_thresholds
    limits = new.subsets["acoustic"].alarm_limits
    assert limits is not None and limits.imperfection_thresholds == alone.imperfections, "measured for itself"
    assert new.subsets["thermal"].alarm_limits == EARLIER, "of another calibration"
    assert new.subsets["camera"].alarm_limits is None, "nothing is promised of what was not measured"
    source, promise, *_ = new.alarm_limits.statements
    assert source == "from 0.56 h of test welds" and "6 alarmed blocks an hour" in promise
    written = save_recalibrated(package, new, tmp_path / "after")
    text = (tmp_path / "after/CARD.md").read_text()
    assert load_package(tmp_path / "after").card == written and "6 alarmed" in text and "with acoustic only: " in text
    assert written.scores_sha256() == card.model_copy(update={"files": written.files}).scores_sha256()
    with pytest.raises(InputError, match="is the model itself"):
        save_recalibrated(package, new, package.directory)
    with pytest.raises(InputError, match="479 are needed"):
        recalibrated(card, seen, 1.0, "")
    heard = recalibrated(card, seen, 6.0, "", novelty=True).card.alarm_limits
    assert heard is not None and heard.novelty_threshold is not None


def test_limits_for_the_sensors_of_a_cell_leave_those_for_all_alone() -> None:
    card = load_package(SHIPPED).card.model_copy(update={"trained_imperfections": CODES, "alarm_limits": EARLIER})
    seen = [{"acoustic+telemetry": weld} for weld in welds(200, np.random.default_rng(0))]
    for known in (card, card.model_copy(update={"subsets": {}})):
        new, kept = recalibrated(known, seen, 6.0, "bags")
        assert not kept
        assert new.alarm_limits == EARLIER
        limits = new.limits_with(frozenset({Modality.ACOUSTIC, Modality.TELEMETRY}))
        assert limits is not None and limits.false_alarms_per_hour == 6.0
        assert new.subsets["acoustic+telemetry"].temperature > 0
    with pytest.raises(InputError, match="0 clean blocks"):
        recalibrated(card, [], 6.0, "")


def test_sensors_watched_too_little_keep_their_limits_and_are_named() -> None:
    had = {"acoustic": SubsetCard(temperature=1.0, alarm_limits=EARLIER)}
    card = load_package(SHIPPED).card.model_copy(update={"trained_imperfections": CODES, "subsets": had})
    rng = np.random.default_rng(0)
    seen = [{ALL_SENSORS: weld} for weld in welds(200, rng)]
    seen += [{"acoustic": weld, "camera": weld} for weld in welds(40, rng)]
    new, kept = recalibrated(card, seen, 6.0, "bags")
    assert new.alarm_limits is not None and new.alarm_limits.false_alarms_per_hour == 6.0
    assert new.subsets["acoustic"].alarm_limits == EARLIER and "camera" not in new.subsets
    assert list(kept) == ["acoustic", "camera"] and "40 clean blocks" in kept["acoustic"]


def test_command_refuses_too_little_and_names_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from msstan_core.calibration import nominal_scores

    rng = np.random.default_rng(0)

    def scores(*_: object) -> list[dict[str, NominalScores]]:
        alone = [{"acoustic": w} for w in welds(20, rng, novelty=False)]
        return [{ALL_SENSORS: w} for w in welds(60, rng, novelty=False)] + alone

    monkeypatch.setattr(nominal_scores, "simulated_scores", scores)
    with pytest.raises(SystemExit):
        main(["calibrate", str(SHIPPED), "--simulate-hours", "1", "--out", "x", "--modalities", "smell"])
    assert "smell" in capsys.readouterr().err
    given = ["calibrate", str(SHIPPED), "--simulate-hours", "2", "--out", str(tmp_path / "new")]
    assert main(given) == 1
    assert "60 clean blocks" in capsys.readouterr().err and not (tmp_path / "new").exists()
    assert main([*given, "--false-alarms-per-hour", "30"]) == 0
    said = capsys.readouterr()
    assert "at most 30 alarmed blocks an hour" in said.out and "with acoustic only, limits stay" in said.err
    card = json.loads((tmp_path / "new" / "card.json").read_text())
    suspected = load_package(SHIPPED).card.suspected_with(ALL_SENSORS)
    assert [*map(int, card["alarm_limits"]["imperfection_thresholds"])] == [*suspected]


def test_what_cannot_be_promised_or_written_is_refused_before_any_weld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from msstan_core.calibration import nominal_scores

    def scores(*_: object) -> None:
        raise AssertionError("welds are watched before the arguments are checked")

    monkeypatch.setattr(nominal_scores, "simulated_scores", scores)
    monkeypatch.setattr(nominal_scores, "scores_of_bag", scores)

    def refused(*options: str) -> str:
        assert main(["calibrate", str(SHIPPED), *options]) == 1
        said = capsys.readouterr()
        assert said.out == "" and len(said.err.splitlines()) == 1
        return said.err

    new = str(tmp_path / "new")
    assert "1 h of welds cannot promise 1 false alarms an hour, 1.33 h" in refused(
        "--simulate-hours", "1", "--out", new
    )
    foreign = tmp_path / "holiday"
    foreign.mkdir()
    (foreign / "photo.jpg").touch()
    assert "holiday: is not empty and no model folder" in refused("--simulate-hours", "2", "--out", str(foreign))
    assert "nowhere: no such folder" in refused("--nominal", "nowhere", "--out", new)
    write_weld(tmp_path / "bags" / "good", seed=0, group="cell")
    assert "--nominal: 0.00 h of welds cannot promise 1 false alarms an hour, 1.33 h are needed; record" in refused(
        "--nominal", str(tmp_path / "bags"), "--out", new
    )
    for option in (("--materials", "magnesium"), ("--jobs", "2"), ("--seed", "5"), ("--work", "w")):
        assert f"{option[0]}: has no part in --nominal" in refused("--nominal", ".", *option, "--out", new)
    learnt = write_model(tmp_path / "learnt")
    another = refused("--simulate-hours", "2", "--out", str(learnt.directory))
    assert "learnt: holds another model" in another
    save_card(learnt.directory, learnt.card.model_copy(update={"trained_groups": ("cell", "other")}))
    assert main(["calibrate", str(learnt.directory), "--nominal", str(tmp_path / "bags"), "--out", new]) == 1
    assert "1 groups are some that the model learnt from (cell)" in capsys.readouterr().err
    assert "--materials" in refused("--simulate-hours", "2", "--materials", "cheese", "--out", new)


def test_a_model_that_suspects_nothing_has_nothing_to_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from msstan_core.calibration import nominal_scores

    def scores(*_: object) -> None:
        raise AssertionError("welds are watched before the arguments are checked")

    monkeypatch.setattr(nominal_scores, "simulated_scores", scores)
    package = write_model(tmp_path / "model")
    save_card(package.directory, package.card.model_copy(update={"trained_imperfections": ()}))
    words = ["calibrate", str(tmp_path / "model"), "--simulate-hours", "2", "--out", str(tmp_path / "new")]
    assert main(words) == 1
    assert "suspects no imperfection with" in capsys.readouterr().err
    with pytest.raises(AssertionError, match="watched"):
        main([*words, "--novelty-alarms"])


def test_a_model_that_was_there_before_leaves_nothing_in_the_new_one(tmp_path: Path) -> None:
    package, out = write_model(tmp_path / "without_gate"), tmp_path / "out"
    save_recalibrated(package, package.card, out)
    (out / GATE_FILE).write_bytes(b"of another network")
    assert GATE_FILE not in package.card.files
    assert save_recalibrated(package, package.card, out).files == package.card.files
    assert not (out / GATE_FILE).exists()
