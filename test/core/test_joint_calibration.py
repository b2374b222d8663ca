"""One rate of false alarms for all kinds together, and a model recalibrated for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit

from msstan_core.cli import main
from msstan_core.decision.anomaly import NOVELTY_CODE, AnomalyConfig
from msstan_core.decision.conformal import block_maxima
from msstan_core.decision.joint_calibration import (
    JointThresholds,
    NominalScores,
    TooFewBlocks,
    calibrate_jointly,
    fit_tail,
    joint_maxima,
    least_joint_blocks,
    probability_above,
)
from msstan_core.errors import InputError
from msstan_core.inference.model_package import AlarmLimits, SubsetCard, load_package
from msstan_core.observation import Tick
from msstan_core.training.nominal_scores import NominalWelds, monitors_of, scores_of, scores_of_bag, simulated_scores
from msstan_core.training.recalibration import recalibrated, save_recalibrated
from msstan_core.vocabulary import ISO_CODES, MODALITIES, Modality

BLOCK_S = 10.0
CODES = (2011, 401, 602)
#: Every tick may be an event: ticks here are a second apart.
AT_ONCE = AnomalyConfig(onset_s=0.0, alarm_onset_s=0.0)
SHIPPED = Path(__file__).parents[2] / "models" / "default"
SMALL_WELD = """
seed: 3
procedure: {idle_s: 0.5, placement_s: 0.0, cooling_s: 1.0, crater_fill_s: 0.0}
joint: {kind: bead, seam_length_m: 0.02}
process: {kind: gmaw, travel_speed_m_s: 0.01}
"""
ALL_SENSORS = "camera+thermal+acoustic+telemetry"
EARLIER = AlarmLimits(
    false_alarms_per_hour=2.0, upper95_per_hour=4.0, imperfection_thresholds={602: 0.9}, statements=["from bags", "few"]
)


def welds(
    count: int, rng: np.random.Generator, *, heavy: int | None = None, novelty: bool = True
) -> list[NominalScores]:
    """``count`` blocks of independent ticks, two blocks a weld; the logit of one kind may have large bursts."""
    ticks = int(2 * BLOCK_S) + 1
    out = []
    for _ in range(count // 2):
        logits = rng.normal(-5.0, 1.0, (ticks, len(ISO_CODES)))
        if heavy is not None:
            logits[:, ISO_CODES.index(heavy)] += rng.pareto(2.5, ticks)
        distance = rng.gamma(20.0, 0.05, ticks) if novelty else np.full(ticks, np.nan)
        probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
        out.append(NominalScores(np.arange(ticks) * 1.0, probabilities, distance.astype(np.float32)))
    return out


def joint(nominal: list[NominalScores], rate_per_hour: float) -> JointThresholds:
    found = calibrate_jointly(nominal, CODES, rate_per_hour=rate_per_hour, novelty=True, config=AT_ONCE)
    assert isinstance(found, JointThresholds)
    return found


def alarms_per_hour(found: JointThresholds, fresh: list[NominalScores]) -> float:
    """Share of blocks in which any kind reaches its threshold, an hour."""
    kinds, maxima = joint_maxima(fresh, CODES, BLOCK_S, AT_ONCE.onset_s)
    thresholds = {**found.imperfections, NOVELTY_CODE: found.novelty}
    over = np.zeros(len(maxima), bool)
    for kind, column in zip(kinds, maxima.T, strict=True):
        score = column if kind == NOVELTY_CODE else 1 / (1 + np.exp(-column))
        over |= score.astype(np.float32) >= thresholds[kind]
    return float(over.mean()) * 3600 / BLOCK_S


def test_rate_of_all_kinds_together_holds_on_fresh_welds() -> None:
    rng = np.random.default_rng(0)
    for heavy in (None, 401):
        realised = [
            alarms_per_hour(joint(welds(80, rng, heavy=heavy), 12.0), welds(200, rng, heavy=heavy)) for _ in range(15)
        ]
        # Expected: k / (n + 1) = 2 of 61 blocks, 11.8 an hour; 15 draws of standard deviation 10.
        assert abs(np.mean(realised) - 11.8) < 4 * 10 / np.sqrt(15)


def test_kind_with_a_heavy_tail_does_not_blow_the_others_up() -> None:
    calm, wild = (joint(welds(600, np.random.default_rng(3), heavy=heavy), 3.0) for heavy in (None, 401))
    assert calm.imperfections[401] < 0.5 < 0.9 < wild.imperfections[401]
    for code in (2011, 602):
        assert logit(wild.imperfections[code]) < logit(calm.imperfections[code]) + 1.0
    assert sum(wild.alarmed.values()) >= 1


def test_fewer_blocks_suffice_than_for_each_kind_alone_and_too_few_are_said() -> None:
    assert least_joint_blocks(1.0) == 479
    rng = np.random.default_rng(0)
    found = joint(welds(480, rng), 1.0)
    assert found.alarm.guaranteed and found.alarm.blocks == 360 and found.fitted_blocks == 120
    assert found.upper95_per_hour == pytest.approx(3.0, abs=0.05), "one of 360 blocks may be three by chance"
    assert "at most 1 alarmed blocks an hour" in found.statements()[0] and "95 % confidence" in found.statements()[0]
    few = calibrate_jointly(welds(100, rng), CODES, rate_per_hour=1.0, config=AT_ONCE)
    assert isinstance(few, TooFewBlocks) and (few.blocks, few.least_blocks) == (100, 479)
    assert "100 clean blocks" in few.statement() and "479 are needed" in few.statement()
    assert isinstance(calibrate_jointly([], CODES), TooFewBlocks)


def test_kind_that_is_seldom_judged_gives_no_joint_thresholds_and_is_named() -> None:
    nominal = welds(200, np.random.default_rng(0))
    silent = [NominalScores(w.time_s, w.probabilities, np.full_like(w.novelty, np.nan)) for w in nominal]
    found = calibrate_jointly([*nominal[:2], *silent[2:]], CODES, rate_per_hour=12.0, novelty=True, config=AT_ONCE)
    assert isinstance(found, TooFewBlocks) and "novelty" in found.statement()
    without = joint(silent, 12.0)
    assert without.novelty is None and set(without.imperfections) == set(CODES)
    unasked = calibrate_jointly(nominal, CODES, rate_per_hour=12.0, config=AT_ONCE)
    assert isinstance(unasked, JointThresholds) and unasked.novelty is None, "only where it is asked to"


def test_probability_beyond_single_precision_never_counts() -> None:
    assert probability_above(20.0) > 1.0
    assert probability_above(-20.0) == 0.05, "such a probability says nothing"


@given(st.lists(st.floats(-12, 12), min_size=12, max_size=60), st.floats(0.0, 12.0))
@settings(max_examples=60, deadline=None)
def test_tail_is_monotone_and_read_back_as_it_was_measured(values: list[float], measure: float) -> None:
    tail = fit_tail(np.array(values))
    assert tail is not None and tail.scale > 0 and 0 <= tail.shape < 1
    measured = tail.measure(np.sort(values))
    assert (np.diff(measured) >= 0).all() and measured.min() >= 0
    score = tail.score(measure)
    assert score >= tail.begin
    if measure > -np.log(tail.share):
        assert tail.measure(np.array(score)) == pytest.approx(measure, rel=1e-6, abs=1e-6)


def test_exponential_tail_gives_exponential_measures() -> None:
    values = np.random.default_rng(0).exponential(2.0, 4000)
    tail = fit_tail(values)
    assert tail is not None and tail.shape < 0.1
    assert tail.measure(np.array(2.0 * np.log(1000.0))) == pytest.approx(np.log(1000.0), rel=0.1)


def test_kinds_share_their_blocks_even_where_one_was_not_judged() -> None:
    time_s = np.arange(1, 41) * 1.0
    scores = np.full((40, 2), np.nan, np.float32)
    scores[:, 0] = np.arange(40)
    scores[:10, 1] = 7.0
    maxima = block_maxima([(time_s, scores)], 10.0)
    assert len(maxima) == 3 and maxima[0, 1] == 7.0 and np.isneginf(maxima[2, 1])
    assert maxima[-1, 0] == 39.0


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
    new = recalibrated(card, seen, 6.0, "0.56 h of test welds")
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
    heard = recalibrated(card, seen, 6.0, "", novelty=True).alarm_limits
    assert heard is not None and heard.novelty_threshold is not None


def test_limits_for_the_sensors_of_a_cell_leave_those_for_all_alone() -> None:
    card = load_package(SHIPPED).card.model_copy(update={"trained_imperfections": CODES, "alarm_limits": EARLIER})
    seen = [{"acoustic+telemetry": weld} for weld in welds(200, np.random.default_rng(0))]
    for known in (card, card.model_copy(update={"subsets": {}})):
        new = recalibrated(known, seen, 6.0, "bags")
        assert new.alarm_limits == EARLIER
        limits = new.limits_with(frozenset({Modality.ACOUSTIC, Modality.TELEMETRY}))
        assert limits is not None and limits.false_alarms_per_hour == 6.0
        assert new.subsets["acoustic+telemetry"].temperature > 0
    with pytest.raises(InputError, match="0 clean blocks"):
        recalibrated(card, [], 6.0, "")


@pytest.fixture(scope="module")
def small_weld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short weld with all sensors, as a bag."""
    scenario = tmp_path_factory.mktemp("weld") / "weld.yaml"
    scenario.write_text(SMALL_WELD, encoding="utf-8")
    assert main(["simulate", str(scenario), str(scenario.with_suffix(""))]) == 0
    return scenario.with_suffix("")


def test_bags_that_lack_a_sensor_are_no_calibration_of_all(tmp_path: Path, small_weld: Path) -> None:
    from msstan_core.decision.pipeline import Monitor
    from msstan_core.training import nominal_scores

    whole = monitors_of(Monitor.load(SHIPPED), False)
    found = scores_of_bag(whole, small_weld)[ALL_SENSORS]
    assert np.isfinite(found.probabilities).any()
    everything = nominal_scores.ticks_of_bag

    def deaf(reader: object, modalities: object) -> list[Tick]:
        ticks = everything(reader, frozenset(MODALITIES) - {Modality.ACOUSTIC})  # type: ignore[arg-type]
        return list(ticks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nominal_scores, "ticks_of_bag", deaf)
        with pytest.raises(InputError, match=r"most ticks have no acoustic.*--modalities camera,thermal,telemetry"):
            scores_of_bag(whole, small_weld)
        few = monitors_of(Monitor.load(SHIPPED, modalities=frozenset(MODALITIES) - {Modality.ACOUSTIC}), False)
        assert list(scores_of_bag(few, small_weld)) == ["camera+thermal+telemetry"]


def test_simulated_welds_are_kept_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from msstan_core.training import nominal_scores

    monkeypatch.setattr(nominal_scores, "SENSOR_SECTIONS", ("telemetry",))  # cheap: no images to draw
    chosen = NominalWelds(seed=7, subsets=False)
    first = list(simulated_scores(SHIPPED, chosen, 0.005, tmp_path / "work"))
    assert first and all(list(weld) == [ALL_SENSORS] for weld in first)
    assert first[0][ALL_SENSORS].probabilities.shape == (len(first[0][ALL_SENSORS].time_s), len(ISO_CODES))
    kept = len(list((tmp_path / "work").rglob("*.npz")))
    monkeypatch.setattr(nominal_scores, "scores_of", None)
    again = list(simulated_scores(SHIPPED, chosen, 0.005, tmp_path / "work"))
    np.testing.assert_array_equal(again[0][ALL_SENSORS].time_s, first[0][ALL_SENSORS].time_s)
    assert len(list((tmp_path / "work").rglob("*.npz"))) == kept


def test_siblings_answer_as_monitors_of_their_own_do() -> None:
    from msstan_core.alignment import TickAligner
    from msstan_core.decision.pipeline import Monitor
    from msstan_core.simulation import WeldCell
    from msstan_core.simulation.randomisation import randomised

    cell, aligner, ticks = WeldCell(randomised(5), 10**18), TickAligner(), []
    while not cell.finished and len(ticks) < 150:
        for sample in cell.advance(cell.time_s + 0.5):
            aligner.push(sample)
            ticks += list(aligner.drain())
    whole = Monitor.load(SHIPPED)
    with pytest.raises(ValueError, match="not answered a tick"):
        whole.sibling(frozenset(Modality)).step_after(whole, ticks[0])
    found = scores_of(monitors_of(whole, True), ticks, 10**18)
    assert len(found) == 15 and next(iter(found)) == ALL_SENSORS
    for name in (ALL_SENSORS, "camera+acoustic+telemetry", "thermal+telemetry", "acoustic"):
        alone = Monitor.load(SHIPPED, modalities=frozenset(m for m in Modality if m.label in name.split("+")))
        own = scores_of({name: alone}, ticks, 10**18)[name]
        np.testing.assert_allclose(found[name].probabilities, own.probabilities, atol=1e-5)
        np.testing.assert_allclose(found[name].novelty, own.novelty, atol=1e-4)


def test_command_refuses_too_little_and_names_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from msstan_core.training import nominal_scores

    rng = np.random.default_rng(0)

    def scores(*_: object) -> list[dict[str, NominalScores]]:
        return [{ALL_SENSORS: w} for w in welds(60, rng, novelty=False)]

    monkeypatch.setattr(nominal_scores, "simulated_scores", scores)
    with pytest.raises(SystemExit):
        main(["calibrate", str(SHIPPED), "--simulate-hours", "1", "--out", "x", "--modalities", "smell"])
    assert "smell" in capsys.readouterr().err
    given = ["calibrate", str(SHIPPED), "--simulate-hours", "0.1", "--out", str(tmp_path / "new")]
    assert main(given) == 1
    assert "60 clean blocks" in capsys.readouterr().err and not (tmp_path / "new").exists()
    assert main([*given, "--false-alarms-per-hour", "30"]) == 0
    assert "at most 30 alarmed blocks an hour" in capsys.readouterr().out
    card = json.loads((tmp_path / "new" / "card.json").read_text())
    assert len(card["alarm_limits"]["imperfection_thresholds"]) == len(card["trained_imperfections"])
