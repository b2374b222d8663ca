"""How much a tick's evidence counts in the action filter: by the sensors of the moment, chosen by what labels name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recording_examples import PERIOD_S, recording

from msstan_core.calibration.filter_fitting import UNFILTERED, USUAL_POWER, choose_smoothing
from msstan_core.calibration.subsets import fit_actions
from msstan_core.decision.action_filter import ActionFilter
from msstan_core.decision.live_calibration import SubsetCalibration
from msstan_core.decision.pipeline import Monitor
from msstan_core.inference.model_card import ModelCard, SmoothingCard, SubsetCard
from msstan_core.observation import AudioWindow, Tick
from msstan_core.resources import default_model_dir
from msstan_core.training.metrics import macro_f1
from msstan_core.training.network_runs import NetworkRun
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import ACTIONS, MODALITIES, Action, Modality

ALL = np.ones(len(ACTIONS), bool)
UNIFORM = np.full(len(ACTIONS), 1 / len(ACTIONS), np.float32)
ADJUSTMENT = ACTIONS.index(Action.HEAT_INPUT_ADJUSTMENT)
ALONE = np.array([m is Modality.ACOUSTIC for m in MODALITIES])
NOTHING = np.empty((240, 0), np.float32)
SHIPPED = Monitor.load(default_model_dir())
DURATIONS = SmoothingCard(
    mean_duration_s={a.name: 1.0 for a in ACTIONS}, duration_stages={a.name: 4 for a in ACTIONS}, emission_power=0.3
)


def run_of(group: str, labels: np.ndarray, *, simulated: bool = True) -> NetworkRun:
    weld: Recording = recording(group, ticks=len(labels), simulated=simulated)
    weld.features.action[:] = labels
    nothing = np.empty((len(labels), 0), np.float32)
    return NetworkRun(weld, nothing, nothing, nothing)


def fairly_sure(labels: np.ndarray) -> np.ndarray:
    """Right at every tick, and not too sure: a filter that trusts little needs long to follow."""
    p = np.full((len(labels), len(ACTIONS)), 0.4 / (len(ACTIONS) - 1), np.float32)
    p[np.arange(len(labels)), labels] = 0.6
    return p


def weld(adjustments: int) -> np.ndarray:
    """[N] idle, deposition with some short adjustments in it, cooling."""
    index = [ACTIONS.index(a) for a in (Action.IDLE, Action.MATERIAL_DEPOSITION, Action.COOLING)]
    labels = np.repeat(index, 80)
    for start in range(90, 90 + 20 * adjustments, 20):
        labels[start : start + 8] = ADJUSTMENT
    return labels


def test_labels_with_short_actions_ask_for_a_filter_that_follows_them() -> None:
    runs = [run_of(name, weld(3)) for name in "abcd"]
    chosen, scores = choose_smoothing(runs, [fairly_sure(weld(3))] * 4, DURATIONS, UNIFORM, ALL)
    assert chosen.emission_power > USUAL_POWER
    assert scores[str(chosen.emission_power)] > scores[str(USUAL_POWER)]
    assert not chosen.filtered and scores[UNFILTERED] == 1.0, "these answers are right at every tick"


@pytest.mark.parametrize("groups", ["abcd", "a"])
def test_the_filter_stays_where_answers_flicker_or_a_single_group_speaks(groups: str) -> None:
    rng = np.random.default_rng(0)
    answers = fairly_sure(weld(0))
    if len(groups) > 1:
        wrong = rng.random(len(answers)) < 0.3
        answers[wrong] = answers[wrong][:, rng.permutation(len(ACTIONS))]
    runs = [run_of(name, weld(0)) for name in groups]
    chosen, _ = choose_smoothing(runs, [answers] * len(groups), DURATIONS, UNIFORM, ALL)
    assert chosen.filtered


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("wired", [True, False])
def test_without_telemetry_simulated_welds_do_not_say_how_an_answer_is_steadied(simulated: bool, wired: bool) -> None:
    runs = []
    for name in "abcd":
        run = run_of(name, weld(3), simulated=simulated)
        run.recording.features.valid[:, Modality.TELEMETRY] = wired
        runs.append(replace(run, action_logits=np.log(fairly_sure(weld(3))), imperfection_logits=NOTHING))
    fitted = fit_actions(runs, ALL, DURATIONS, UNIFORM)
    assert fitted.smoothing.filtered is (simulated and not wired)


@pytest.mark.parametrize(("adjustments", "forgiven"), [(0, True), (3, False)])
def test_only_labels_of_phases_may_be_off_by_their_clock(adjustments: int, forgiven: bool) -> None:
    """Phases come from another sensor's clock; a simulator that names every action has none but its own."""
    answers, late = weld(adjustments), np.roll(weld(adjustments), 5)
    scores = []
    for labels in (answers, late):
        runs = [run_of(name, labels) for name in "abcd"]
        scores.append(choose_smoothing(runs, [fairly_sure(answers)] * 4, DURATIONS, UNIFORM, ALL)[1]["0.5"])
    assert (scores[1] == pytest.approx(scores[0], abs=0.02)) == forgiven


def test_a_rare_action_that_is_never_said_costs_the_filter_s_score_half_of_its_macro_f1() -> None:
    labels = weld(3)
    never = np.where(labels == ADJUSTMENT, ACTIONS.index(Action.MATERIAL_DEPOSITION), labels)
    runs = [run_of(name, labels) for name in "abcd"]
    _, scores = choose_smoothing(runs, [fairly_sure(never)] * 4, DURATIONS, UNIFORM, ALL)
    macro, right = macro_f1(labels, never, len(ACTIONS)), (labels == never).mean()
    assert macro < 0.8 < right and scores[UNFILTERED] == pytest.approx((macro + right) / 2, abs=1e-6)


def card_with(own: float | None) -> ModelCard:
    """The shipped card, with a power for a microphone alone."""
    smoothing = SHIPPED.info.card.smoothing.model_copy(update={"emission_power": 0.3, "filtered": True})
    subsets = {"acoustic": SubsetCard(temperature=1.0, emission_power=own)}
    return SHIPPED.info.card.model_copy(update={"smoothing": smoothing, "subsets": subsets})


@pytest.mark.parametrize(("own", "expected"), [(None, 0.3), (0.05, 0.05)])
def test_a_set_of_sensors_has_its_own_power_or_the_cards(own: float | None, expected: float) -> None:
    calibration = SubsetCalibration(card_with(own), 0.5)
    assert calibration.of(ALONE).emission_power == expected
    assert calibration.of(np.ones(4, bool)).emission_power == 0.3


def test_a_filter_that_trusts_a_tick_less_follows_later() -> None:
    labels = weld(0)
    arrived = []
    for power in (0.5, 0.05):
        action_filter = ActionFilter.from_card(DURATIONS, UNIFORM, ALL)
        action_filter.emission_power = power
        beliefs = [action_filter.update(PERIOD_S * i, p) for i, p in enumerate(fairly_sure(labels))]
        arrived.append(next(i for i in range(80, len(labels)) if beliefs[i].argmax() == labels[i]))
    assert arrived[0] < arrived[1]


def test_a_filter_that_is_passed_by_hands_on_what_was_observed_and_remembers_for_when_nothing_is() -> None:
    passed, used = (ActionFilter.from_card(DURATIONS, UNIFORM, ALL) for _ in range(2))
    passed.filtered = False
    for i, p in enumerate(fairly_sure(weld(0))[:120]):
        assert np.array_equal(passed.update(PERIOD_S * i, p), p)
        used.update(PERIOD_S * i, p)
    nothing = np.full(len(ACTIONS), np.nan, np.float32)
    assert np.array_equal(passed.update(PERIOD_S * 120, nothing), used.update(PERIOD_S * 120, nothing))


def test_the_monitor_filters_by_the_sensors_of_the_moment() -> None:
    answers = []
    for own in (0.01, 1.0):
        monitor = Monitor(SHIPPED.engine, replace(SHIPPED.info, card=card_with(own)))
        monitor.reset()
        sound = AudioWindow(0, 16000, np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32))
        ticks = [Tick(i, 40_000_000 * i, audio=sound, valid=ALONE, age_s=np.zeros(4, np.float32)) for i in range(5)]
        answers.append([monitor.step(tick) for tick in ticks][-1])
    assert np.array_equal(answers[0].raw_action_probabilities, answers[1].raw_action_probabilities)
    spread = [np.abs(answer.action_probabilities - 1 / len(ACTIONS)).sum() for answer in answers]
    assert spread[0] < spread[1], "less trusted, the same ticks move the belief less"
