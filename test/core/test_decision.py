"""Calibration, the action filter, the weighted window, anomaly events and novelty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gamma

from msstan_core.calibration.action_scales import expected_calibration_error, fit_scale
from msstan_core.decision.action_filter import ActionFilter, Duration, ExponentialWindow
from msstan_core.decision.anomaly import AnomalyConfig, AnomalyEvents
from msstan_core.decision.novelty import NominalEmbeddings
from msstan_core.decision.probabilities import ActionScale, action_probabilities, imperfection_probabilities
from msstan_core.decision.result import EventPhase
from msstan_core.decision.weld_sequence import SUCCESSORS
from msstan_core.vocabulary import ACTIONS, ARC_ON, IMPERFECTIONS, ISO_CODES, Action

ALL = np.ones(len(ACTIONS), bool)
FIVE = np.array(
    [
        a
        in (
            Action.IDLE,
            Action.ARC_INITIATION,
            Action.MATERIAL_DEPOSITION,
            Action.ARC_EXTINCTION,
            Action.COOLING,
        )
        for a in ACTIONS
    ]
)
UNIFORM = np.full(len(ACTIONS), 1 / len(ACTIONS), np.float32)
MS = 1_000_000


def certain(action: Action, probability: float = 0.9) -> np.ndarray:
    p = np.full(len(ACTIONS), (1 - probability) / (len(ACTIONS) - 1), np.float32)
    p[ACTIONS.index(action)] = probability
    return p


def make_filter(trained: np.ndarray = ALL) -> ActionFilter:
    return ActionFilter({}, 0.3, UNIFORM, trained)


def run_filter(action_filter: ActionFilter, stream: list[np.ndarray], period_s: float = 0.04) -> list[Action]:
    return [ACTIONS[int(np.argmax(action_filter.update(i * period_s, p)))] for i, p in enumerate(stream)]


def test_untrained_actions_have_probability_zero() -> None:
    p = action_probabilities(np.array([5.0] * len(ACTIONS), np.float32), ActionScale(), FIVE)
    assert (p[~FIVE] == 0).all()
    assert p.sum() == pytest.approx(1.0)


def test_untrained_imperfections_are_nan_not_absent() -> None:
    trained = np.array([code == 602 for code in ISO_CODES])
    p = imperfection_probabilities(np.zeros(len(ISO_CODES), np.float32), trained)
    assert p[ISO_CODES.index(602)] == pytest.approx(0.5)
    assert np.isnan(p[~trained]).all()


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    true_logits = rng.normal(0, 1.5, (4000, len(ACTIONS)))
    probability = np.exp(true_logits) / np.exp(true_logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(len(ACTIONS), p=p) for p in probability])
    scale = fit_scale((3.0 * true_logits).astype(np.float32), labels, ALL, offsets=False)
    assert scale.temperature == pytest.approx(3.0, rel=0.1) and scale.offsets == ()
    before = action_probabilities((3 * true_logits).astype(np.float32), ActionScale(), ALL)
    after = action_probabilities((3 * true_logits).astype(np.float32), scale, ALL)

    def ece(p: np.ndarray) -> float:
        return expected_calibration_error(p.max(axis=1), p.argmax(axis=1) == labels)

    assert ece(after) < 0.03 < ece(before)


def test_filter_ignores_a_single_wrong_tick() -> None:
    stream = [certain(Action.MATERIAL_DEPOSITION)] * 30
    stream[20] = certain(Action.IDLE, 0.99)
    assert set(run_filter(make_filter(), stream)[10:]) == {Action.MATERIAL_DEPOSITION}


def test_filter_remembers_that_there_was_an_arc() -> None:
    """Silence looks the same before and after a weld; only the order of things tells."""
    silence = np.zeros(len(ACTIONS), np.float32)
    silence[ACTIONS.index(Action.IDLE)] = silence[ACTIONS.index(Action.COOLING)] = 0.5
    action_filter = make_filter(FIVE)
    before = run_filter(action_filter, [certain(Action.IDLE)] * 5 + [silence] * 50)
    assert before[-1] is Action.IDLE
    weld = [certain(Action.ARC_INITIATION)] * 15 + [certain(Action.MATERIAL_DEPOSITION)] * 100
    action_filter.reset()
    after = run_filter(action_filter, [certain(Action.IDLE)] * 20 + weld + [silence] * 100)
    assert after[-1] is Action.COOLING


def test_filter_recovers_when_it_starts_in_the_middle_of_a_weld() -> None:
    assert run_filter(make_filter(), [certain(Action.CRATER_FILL)] * 30)[-1] is Action.CRATER_FILL


def test_filter_with_stages_takes_a_short_noise_for_no_weld() -> None:
    """A bead of half a second is as likely as any other in one stage, and next to impossible in eight."""
    noise = [certain(Action.MATERIAL_DEPOSITION, 0.5)] * 12
    stream = [certain(Action.IDLE, 0.5)] * 60 + noise + [certain(Action.IDLE, 0.5)] * 60
    bead, ignition = Action.MATERIAL_DEPOSITION, Action.ARC_INITIATION
    heard = {}
    for stages in (1, 8):
        durations = {ignition: Duration(0.5, stages), bead: Duration(20.0, stages)}
        heard[stages] = set(run_filter(ActionFilter(durations, 0.3, UNIFORM, FIVE), stream)[60:])
    assert heard[1] & ARC_ON
    assert not heard[8] & ARC_ON


def test_stages_keep_the_mean_and_narrow_the_spread() -> None:
    """With nothing observed, the probability of an ignition that lasts 1 s on average falls as its Erlang law says."""
    for stages in (1, 4):
        durations = dict.fromkeys(ACTIONS, Duration(1e4)) | {Action.ARC_INITIATION: Duration(1.0, stages)}
        action_filter = ActionFilter(durations, 1.0, UNIFORM, FIVE)
        # Begin in the first stage, as after an entry from idle.
        action_filter._belief = np.eye(len(action_filter._belief))[1]  # FIVE: one stage of idle comes before
        nothing = np.full(len(ACTIONS), np.nan, np.float32)
        action_filter.update(0.0, nothing)
        index = ACTIONS.index(Action.ARC_INITIATION)
        alive = [float(action_filter.update(t, nothing)[index]) for t in (0.5, 1.0, 2.0)]
        assert alive == pytest.approx(gamma(stages, scale=1.0 / stages).sf([0.5, 1.0, 2.0]), abs=0.005)


def test_filter_passes_through_untrained_actions() -> None:
    """Deposition reaches extinction though crater fill was never trained, and never enters an untrained action."""
    stream = [certain(Action.MATERIAL_DEPOSITION)] * 30 + [certain(Action.ARC_EXTINCTION)] * 15
    seen = run_filter(make_filter(FIVE), stream)
    assert seen[-1] is Action.ARC_EXTINCTION
    assert all(FIVE[ACTIONS.index(a)] for a in seen)


def test_every_action_can_be_left() -> None:
    assert set(SUCCESSORS) == set(ACTIONS)
    assert all(SUCCESSORS[a] and a not in SUCCESSORS[a] for a in ACTIONS)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-1, 10), st.lists(st.floats(0, 1), min_size=9, max_size=9), st.booleans()), max_size=40
    )
)
def test_filter_always_gives_a_distribution(steps: list[tuple[float, list[float], bool]]) -> None:
    """Whatever the network says (zeros, NaN) and however time moves."""
    action_filter = make_filter(FIVE)
    stamp = 100.0
    for elapsed, values, missing in steps:
        stamp += elapsed
        p = np.array(values, np.float32)
        belief = action_filter.update(stamp, np.full_like(p, np.nan) if missing else p)
        assert belief.sum() == pytest.approx(1.0, abs=1e-4)
        assert (belief >= 0).all() and (belief[~FIVE] < 1e-9).all()


def test_weighted_window_is_equation_49() -> None:
    rng = np.random.default_rng(0)
    stream = rng.dirichlet(np.ones(len(ACTIONS)), 20).astype(np.float32)
    window = ExponentialWindow(time_constant_s=0.2)
    for i, p in enumerate(stream):
        out = window.update(0.04 * i, p)
    weights = np.exp(-(19 - np.arange(20)) * 0.04 / 0.2)
    np.testing.assert_allclose(out, (weights[:, None] * stream).sum(axis=0) / weights.sum(), rtol=1e-5)


def nothing() -> np.ndarray:
    return np.zeros(len(IMPERFECTIONS), np.float32)


def spatter(probability: float) -> np.ndarray:
    p = nothing()
    p[ISO_CODES.index(602)] = probability
    return p


def test_event_keeps_one_id_from_onset_to_clearance() -> None:
    events = AnomalyEvents(AnomalyConfig(onset_s=0.2, clear_s=0.4))
    scores = [0.1] * 5 + [0.9] * 20 + [0.1] * 20 + [0.9] * 10
    seen = [e for i, s in enumerate(scores) for e in events.update(i * 40 * MS, spatter(s), float("nan"), 1.0)]
    onsets = [e for e in seen if e.phase is EventPhase.ONSET]
    cleared = [e for e in seen if e.phase is EventPhase.CLEARED]
    assert [e.event_id for e in onsets] == [1, 2]
    assert [e.event_id for e in cleared] == [1]
    assert onsets[0].onset_stamp_ns == 5 * 40 * MS, "the onset is when the score first crossed, not when it was said"
    assert onsets[0].stamp_ns == 10 * 40 * MS
    assert {e.iso_code for e in seen} == {602}


def test_single_high_tick_is_no_event() -> None:
    events = AnomalyEvents(AnomalyConfig(onset_s=0.2))
    scores = [0.1, 0.99, 0.1, 0.99, 0.1] * 10
    assert not [e for i, s in enumerate(scores) for e in events.update(i * 40 * MS, spatter(s), float("nan"), 1.0)]


def test_lost_input_neither_opens_nor_clears_an_event() -> None:
    events = AnomalyEvents(AnomalyConfig(onset_s=0.0, clear_s=0.0))
    assert events.update(0, spatter(0.9), float("nan"), 1.0)[0].phase is EventPhase.ONSET
    unknown = np.full(len(IMPERFECTIONS), np.nan, np.float32)
    assert events.update(40 * MS, unknown, float("nan"), 1.0)[0].phase is EventPhase.ONGOING
    assert events.update(80 * MS, nothing(), float("nan"), 1.0)[0].phase is EventPhase.CLEARED


def test_reset_clears_open_events() -> None:
    events = AnomalyEvents(AnomalyConfig(onset_s=0.0))
    events.update(0, spatter(0.9), float("nan"), 1.0)
    assert [e.phase for e in events.clear_all(40 * MS)] == [EventPhase.CLEARED]
    assert not events.clear_all(80 * MS)


def test_novelty_event_has_code_zero() -> None:
    events = AnomalyEvents(AnomalyConfig(onset_s=0.0))
    (event,) = events.update(0, nothing(), 3.0, 2.0)
    assert (event.iso_code, event.name, event.score, event.threshold) == (0, "novelty", 3.0, 2.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=120))
def test_events_open_and_close_in_turn_for_any_scores(scores: list[float]) -> None:
    events = AnomalyEvents(AnomalyConfig(onset_s=0.08, clear_s=0.08))
    open_id = 0
    for i, score in enumerate(scores):
        for event in events.update(i * 40 * MS, spatter(score), float("nan"), 1.0):
            if event.phase is EventPhase.ONSET:
                assert open_id == 0
                open_id = event.event_id
            else:
                assert event.event_id == open_id
                if event.phase is EventPhase.CLEARED:
                    open_id = 0


def test_distance_is_about_one_for_nominal_and_large_for_strange_embeddings() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(16, 16))
    nominal = (rng.normal(size=(5000, 16)) @ mixing).astype(np.float32)
    model = NominalEmbeddings.fit(nominal, shrinkage=0.0)
    fresh = (rng.normal(size=(500, 16)) @ mixing).astype(np.float32)
    assert model.distance(fresh).mean() == pytest.approx(1.0, abs=0.1)
    strange = (6 * np.ones((1, 16)) @ mixing).astype(np.float32)
    assert model.distance(strange)[0] > 4.0
