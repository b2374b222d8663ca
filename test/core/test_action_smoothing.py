"""The action that is said: window, filter, hysteresis, and how a study measures their flicker and delay."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.cli import main
from msstan_core.decision.action_smoothing import METHODS, Hysteresis, SmoothingConfig, smoother
from msstan_core.inference.model_card import SmoothingCard
from msstan_core.studies import fold_streams
from msstan_core.studies.fold_streams import Stream, said
from msstan_core.studies.smoothing_study import (
    UNFILTERED_FAMILY,
    candidates,
    compare,
    crossing,
    figures,
    judge,
    judge_all,
)
from msstan_core.training.metrics import switches
from msstan_core.vocabulary import ACTIONS, Action

IDLE, START, BEAD, COOL = (
    ACTIONS.index(a) for a in (Action.IDLE, Action.ARC_INITIATION, Action.MATERIAL_DEPOSITION, Action.COOLING)
)
ALL = np.ones(len(ACTIONS), bool)
PRIOR = np.full(len(ACTIONS), 1 / len(ACTIONS), np.float32)
CARD = SmoothingCard(mean_duration_s={"MATERIAL_DEPOSITION": 5.0}, duration_stages={"MATERIAL_DEPOSITION": 3})
PERIOD_NS = 40_000_000


def sure(action: int, share: float = 0.9) -> np.ndarray:
    p = np.full(len(ACTIONS), (1 - share) / (len(ACTIONS) - 1), np.float32)
    p[action] = share
    return p


def stream(seed: int = 0, group: str = "g", wrong: float = 0.15, simulated: bool = True) -> Stream:
    """Ten seconds idle, ignition, deposition, cooling; some ticks say something else."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([IDLE, START, BEAD, COOL], [50, 15, 125, 60])
    shown = np.where(rng.random(len(labels)) < wrong, rng.integers(0, len(ACTIONS), len(labels)), labels)
    p = np.stack([sure(a, 0.6) for a in shown])
    return Stream("s", group, simulated, 0, "acoustic", np.arange(len(labels)) * 0.04, labels, p, PRIOR, ALL, CARD)


def test_action_said_before_stays_until_another_leads_for_long_enough() -> None:
    steady = Hysteresis(lead=0.2, hold_s=0.08)
    assert steady.update(0, sure(IDLE)) == IDLE
    slightly = sure(IDLE, 0.4)
    slightly[BEAD] = 0.45
    for tick in range(1, 20):
        assert steady.update(tick * PERIOD_NS, slightly) == IDLE, "a small lead is none"
    assert [steady.update(t * PERIOD_NS, sure(BEAD)) for t in (20, 21, 22)] == [IDLE, IDLE, BEAD]
    assert steady.update(23 * PERIOD_NS, np.full(9, np.nan, np.float32)) == -1, "nothing seen, nothing said"
    assert steady.update(24 * PERIOD_NS, slightly) == BEAD


@given(st.lists(st.integers(0, 8), min_size=1, max_size=60), st.floats(0, 0.5), st.floats(0, 0.3))
@settings(max_examples=60, deadline=None)
def test_hysteresis_never_adds_a_switch(actions: list[int], lead: float, hold_s: float) -> None:
    steady = Hysteresis(lead, hold_s)
    out = np.array([steady.update(i * PERIOD_NS, sure(a)) for i, a in enumerate(actions)])
    assert switches(out) <= switches(np.array(actions))
    plain = Hysteresis(0.0, 0.0)
    assert [plain.update(i * PERIOD_NS, sure(a)) for i, a in enumerate(actions)] == actions


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_distribution_and_follows_clear_evidence(method: str) -> None:
    smooth = smoother(SmoothingConfig(method=method), CARD, PRIOR, ALL)  # type: ignore[arg-type]
    for tick in range(100):
        out = smooth.update(tick * 0.04, sure(IDLE if tick < 50 else START))
        assert out.sum() == pytest.approx(1.0, abs=1e-4)
    assert int(out.argmax()) == START
    smooth.reset()
    assert int(smooth.update(0.0, sure(BEAD)).argmax()) == BEAD


def test_only_the_card_s_choice_may_leave_the_filter_out() -> None:
    card = CARD.model_copy(update={"filtered": False})
    answers = {}
    for method in ("card", "duration", "markov"):
        smooth = smoother(SmoothingConfig(method=method), card, PRIOR, ALL)  # type: ignore[arg-type]
        for tick in range(40):
            answers[method] = smooth.update(tick * 0.04, sure(START if tick < 39 else BEAD))
    assert np.array_equal(answers["card"], sure(BEAD))
    assert answers["duration"].argmax() == answers["markov"].argmax() == START


def test_filters_differ_only_in_how_long_actions_last() -> None:
    def after_a_blip(method: str) -> float:
        smooth = smoother(SmoothingConfig(method=method), CARD, PRIOR, ALL)  # type: ignore[arg-type]
        for tick in range(40):
            out = smooth.update(tick * 0.04, sure(START if tick < 35 else BEAD))
        return float(out[BEAD])

    assert after_a_blip("markov") != after_a_blip("duration")


def test_crossing_is_the_change_that_leaves_the_fewest_ticks_wrong() -> None:
    time_s = np.arange(20) * 0.1
    flickering = np.where(np.isin(np.arange(20), [3, 6, *range(10, 20)]), BEAD, IDLE)
    assert crossing(time_s, flickering, (0.0, 2.0), IDLE, BEAD) == pytest.approx(1.0)
    assert crossing(time_s, np.full(20, IDLE), (0.0, 2.0), IDLE, BEAD) is None


def test_a_late_answer_has_its_delay_and_a_flickering_one_its_switches() -> None:
    s = stream(wrong=0.0)
    raw = s.labels.copy()
    late = np.concatenate([np.full(5, IDLE), s.labels[:-5]])
    judged = judge(s, late, raw)
    assert judged.added_delays_s == pytest.approx((0.2, 0.2, 0.2)) and judged.delays_s == pytest.approx((0.2,) * 3)
    assert (judged.switches, judged.true_switches, judged.missed) == (3, 3, 0)
    flicker = s.labels.copy()
    flicker[100:110:2] = COOL
    assert judge(s, flicker, raw).switches == 3 + 10
    never = np.where(s.labels == START, IDLE, s.labels)
    assert judge(s, never, raw).missed == 1


def test_every_family_beats_raw_flicker_on_unseen_streams() -> None:
    streams = [stream(seed, group=f"g{seed}") for seed in range(3)]
    found = {f: figures(c) for f, c in compare(streams, [judge_all(s) for s in streams]).items()}
    assert set(found) == {c.family for c in candidates()}
    raw = found["raw"]["switches_per_true"]["mean"]
    for family, figure in found.items():
        if family == UNFILTERED_FAMILY:  # wrong ticks are sure here; a lead alone settles close ones only
            assert figure["switches_per_true"]["mean"] <= raw
        elif family != "raw":
            assert figure["switches_per_true"]["mean"] < 0.5 * raw
    assert found["raw"]["added_delay_ms"] == {"p50": 0.0, "p95": 0.0}


def test_nothing_seen_is_nothing_said() -> None:
    s = stream()
    s.probabilities[50:60] = np.nan
    assert (said(s, candidates()[0].config)[50:60] == -1).all()


def test_streams_survive_being_kept(tmp_path: Path) -> None:
    s = stream()
    s.probabilities[3] = np.nan
    text = json.dumps(fold_streams._packed(s))
    back = fold_streams._unpacked(json.loads(text))
    np.testing.assert_allclose(back.probabilities, s.probabilities, rtol=1e-6)
    np.testing.assert_array_equal(back.labels, s.labels)
    assert back.smoothing == s.smoothing and back.trained.dtype == bool


def test_a_stream_is_said_as_its_card_has_it_unless_asked_otherwise() -> None:
    unfiltered = replace(stream(), smoothing=CARD.model_copy(update={"filtered": False}))
    lead = SmoothingConfig().lead
    np.testing.assert_array_equal(said(unfiltered), said(unfiltered, SmoothingConfig(method="none", lead=lead)))
    filtered = stream()
    np.testing.assert_array_equal(said(filtered), said(filtered, SmoothingConfig(method="duration", lead=lead)))
    powered = said(filtered, emission_power=0.5)
    own = replace(filtered, smoothing=CARD.model_copy(update={"emission_power": 0.5}))
    np.testing.assert_array_equal(powered, said(own))


@pytest.mark.parametrize(
    ("given", "said"), [([], "--folds, --simulated are both missing"), (["--folds", "bags"], "config is missing")]
)
def test_a_study_without_what_it_needs_says_so(
    given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "smoothing", *given, "--json", str(tmp_path / "x.json")]) != 0
    assert said in " ".join(capsys.readouterr().err.replace(":", " ").split())
