"""How often an action is right is brought back by offsets, where recordings not trained on clearly say so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from msstan_core.calibration.action_scales import OFFSET_PENALTY, fit_across_groups, fit_scale
from msstan_core.decision.action_filter import ActionFilter
from msstan_core.decision.live_calibration import SubsetCalibration
from msstan_core.decision.probabilities import ActionScale, action_probabilities
from msstan_core.inference.card_text import card_markdown
from msstan_core.inference.model_card import ModelCard, SmoothingCard, SubsetCard
from msstan_core.model.configuration import ModelConfig
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.vocabulary import ACTIONS

COUNT = len(ACTIONS)
ALL = np.ones(COUNT, bool)
UNIFORM = np.full(COUNT, 1 / COUNT, np.float32)
#: How often each action occurs, and how often a loss that weights rare ones up has it occur.
NATURAL = np.array([0.3, 0.02, 0.02, 0.04, 0.4, 0.02, 0.04, 0.04, 0.12])


def ticks(seed: int, shares: np.ndarray = NATURAL, count: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Logits [N, 9] of a network that was taught with all actions equally often, and labels [N] of these shares."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(COUNT, size=count, p=shares)
    evidence = rng.normal(size=(count, COUNT))
    evidence[np.arange(count), labels] += 1.5
    # Of unit normals with means 1.5 and 0, the logarithm of the likelihood ratio is 1.5 times the value.
    return (1.5 * evidence).astype(np.float32), labels


def card(**fields: object) -> ModelCard:
    return ModelCard(
        name="test",
        version="0",
        config=ModelConfig(),
        trained_actions=tuple(a.name for a in ACTIONS),
        trained_imperfections=(602,),
        trained_modalities=("camera", "acoustic"),
        action_prior=(1 / COUNT,) * COUNT,
        smoothing=SmoothingCard(mean_duration_s={}),
        **fields,  # type: ignore[arg-type]
    )


def test_offsets_bring_back_how_often_each_action_occurs() -> None:
    logits, labels = ticks(0, count=20000)
    scale = fit_scale(logits, labels, ALL, offsets=True)
    assert scale.temperature == pytest.approx(1.0, abs=0.05)
    expected = np.log(NATURAL) - np.log(NATURAL).mean()
    found = scale.added - scale.added.mean()
    np.testing.assert_allclose(found, expected, atol=0.35)  # drawn towards zero by the penalty
    before, after = (action_probabilities(logits, s, ALL).argmax(axis=1) == labels for s in (ActionScale(), scale))
    assert after.mean() > before.mean() + 0.05
    presumed = action_probabilities(logits, scale, ALL).mean(axis=0)
    np.testing.assert_allclose(presumed, np.bincount(labels, minlength=COUNT) / len(labels), atol=0.01)


def test_penalty_and_gradient_are_those_of_the_stated_loss() -> None:
    """The minimum found is one: no small step in any direction has a lower penalised log-loss."""
    logits, labels = ticks(3)
    best = fit_scale(logits, labels, ALL, offsets=True)

    def loss(temperature: float, offsets: np.ndarray) -> float:
        p = action_probabilities(logits, ActionScale.of(temperature, offsets), ALL).astype(float)
        return float(-np.log(p[np.arange(len(labels)), labels]).mean() + OFFSET_PENALTY * (offsets**2).mean())

    least = loss(best.temperature, best.added)
    for step in (-0.1, 0.1):
        assert loss(best.temperature * (1 + step), best.added) > least
        for action in range(COUNT):
            assert loss(best.temperature, best.added + step * np.eye(COUNT)[action]) > least


def test_untrained_actions_have_no_offset_and_no_ticks_no_scale() -> None:
    logits, labels = ticks(1)
    trained = ALL.copy()
    trained[1] = False
    known = labels != 1
    scale = fit_scale(logits[known], labels[known], trained, offsets=True)
    assert scale.offsets[1] == 0.0
    assert action_probabilities(logits, scale, trained)[:, 1].max() == 0.0
    assert fit_scale(logits[:0], labels[:0], ALL, offsets=True) == ActionScale()


def test_offsets_are_taken_where_other_groups_agree() -> None:
    parts = [ticks(seed, count=500) for seed in range(6)]
    found = fit_across_groups([x for x, _ in parts], [y for _, y in parts], list("abcdef"), ALL)
    assert found.scale.offsets
    none = fit_across_groups([x for x, _ in parts], [y for _, y in parts], list("abcdef"), ALL, offsets=False)
    assert none.scale.offsets == () and none.accuracy + 0.05 < found.accuracy


def test_offsets_are_left_out_where_groups_disagree_or_there_is_only_one() -> None:
    few = [ticks(seed, count=500) for seed in range(2)]
    one = fit_across_groups([x for x, _ in few], [y for _, y in few], ["a", "a"], ALL)
    assert one.scale.offsets == (), "one group says nothing of others"
    shares = [np.roll(NATURAL, shift) for shift in range(4)]
    apart = [ticks(seed, own, 500) for seed, own in enumerate(shares)]
    split = fit_across_groups([x for x, _ in apart], [y for _, y in apart], list("abcd"), ALL)
    assert split.scale.offsets == ()
    unlabelled = [np.full(500, UNLABELLED)] * 2
    nothing = fit_across_groups([x for x, _ in few], unlabelled, ["a", "b"], ALL)
    assert nothing.scale == ActionScale() and nothing.ticks == 0


@given(st.lists(st.floats(-3, 3), min_size=COUNT, max_size=COUNT), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_action_filter_is_the_same_with_offsets_and_the_prior_they_presume(offsets: list[float], seed: int) -> None:
    logits, _ = ticks(seed, count=40)
    plain, scaled = ActionScale(1.3), ActionScale.of(1.3, offsets)
    beliefs = []
    for scale in (plain, scaled):
        action_filter = ActionFilter({}, 0.1, scale.prior_of(UNIFORM), ALL)
        each = (action_probabilities(row, scale, ALL) for row in logits)
        beliefs.append(np.stack([action_filter.update(0.04 * i, p) for i, p in enumerate(each)]))
    np.testing.assert_allclose(beliefs[1], beliefs[0], atol=2e-3)


def test_each_set_of_sensors_has_its_own_offsets_and_the_cards_where_it_has_none() -> None:
    own, shared = tuple(float(i) for i in range(COUNT)), (0.5,) + (0.0,) * (COUNT - 1)
    subset = SubsetCard(temperature=2.0, action_offsets=own)
    read = SubsetCalibration(card(temperature=0.8, action_offsets=shared, subsets={"acoustic": subset}), 0.5)
    alone, both = (read.of(np.array(valid)) for valid in ([False, False, True, False], [True, False, True, False]))
    assert alone.action_scale == ActionScale(2.0, own) and both.action_scale == ActionScale(0.8, shared)
    assert alone.action_prior.sum() == pytest.approx(1.0, abs=1e-5)
    assert alone.action_prior[-1] == pytest.approx(np.exp(8) * alone.action_prior[0], rel=1e-4)


def test_card_names_the_offsets_in_words() -> None:
    offsets = (0.25, -1.5) + (0.0,) * (COUNT - 2)
    text = card_markdown(card(action_offsets=offsets, subsets={"acoustic": SubsetCard(temperature=1.0)}))
    assert "| offsets of the actions' logits | IDLE +0.25, ELECTRODE_MOVEMENT -1.50, " in text
    (row,) = [line for line in text.splitlines() if line.startswith("| acoustic |")]
    assert "offsets" not in row
    assert "| offsets of the actions' logits | none |" in card_markdown(card())


@pytest.mark.parametrize("offsets", [(1.0,), (float("nan"),) * COUNT, (float("inf"),) * COUNT])
def test_card_with_impossible_offsets_is_refused(offsets: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="9 finite numbers"):
        card(action_offsets=offsets)


def test_card_of_an_earlier_version_reads_without_offsets() -> None:
    content = card(temperature=0.7).model_dump(mode="json")
    del content["action_offsets"]
    assert ModelCard.model_validate(content).action_scale == ActionScale(0.7)


def test_ticks_of_an_action_that_was_not_learnt_have_no_part_in_the_scale() -> None:
    learnt = ALL.copy()
    learnt[6] = False
    logits, labels = ticks(3)
    clean = labels != 6
    expected = fit_scale(logits[clean], labels[clean], learnt, offsets=True)
    found = fit_scale(logits, labels, learnt, offsets=True)
    assert not clean.all() and found == expected
    assert fit_scale(logits[~clean], labels[~clean], learnt, offsets=False) == ActionScale()
