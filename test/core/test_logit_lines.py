"""Imperfection probabilities that mean what they say: lines through the logits, fitted on held-out recordings."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from recording_examples import recording
from scipy.special import expit

from msstan_core.calibration.logit_lines import after, along, fit_line, fit_logit_lines
from msstan_core.decision.live_calibration import SubsetCalibration
from msstan_core.decision.probabilities import LogitLines, imperfection_probabilities
from msstan_core.inference.card_text import card_markdown
from msstan_core.inference.model_card import NEVER, SubsetCard
from msstan_core.training.network_runs import NetworkRun
from msstan_core.vocabulary import ISO_CODES

CODE, COLUMN = 402, ISO_CODES.index(402)


def ticks(
    slope: float, offset: float, groups: int = 20, each: int = 600
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.str_]]:
    """(logits, truth, groups): true at the share that the logit on this line says."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-2.0, 1.5, groups * each)
    there = rng.random(len(logits)) < expit(slope * logits + offset)
    return logits, there, np.repeat([f"g{i}" for i in range(groups)], each)


def run(logits: NDArray[np.float32], there: NDArray[np.bool_], group: str) -> NetworkRun:
    weld = recording(group, ticks=len(logits))
    weld.features.imperfection[:, COLUMN] = there
    all_logits = np.full((len(logits), len(ISO_CODES)), -5.0, np.float32)
    all_logits[:, COLUMN] = logits
    return NetworkRun(weld, np.zeros((len(logits), 9), np.float32), all_logits, np.zeros((len(logits), 2), np.float32))


def runs(slope: float, offset: float) -> list[NetworkRun]:
    logits, there, groups = ticks(slope, offset)
    return [run(logits[groups == g].astype(np.float32), there[groups == g], g) for g in np.unique(groups)]


@pytest.mark.parametrize(("slope", "offset"), [(1.8, 1.2), (0.6, -0.5), (1.0, 0.0)])
def test_the_line_that_makes_the_probability_the_share_of_ticks_is_found(slope: float, offset: float) -> None:
    found = fit_line(*ticks(slope, offset))
    assert found.slope == pytest.approx(slope, abs=0.15) and found.offset == pytest.approx(offset, abs=0.25)
    assert found.ece_after < 0.02
    if slope != 1.0:
        assert found.loss_after < found.loss_before and found.ece_after < found.ece_before


def test_few_ticks_move_nothing_far() -> None:
    logits, there = np.array([-3.0, -2.0, 1.0, 2.0]), np.array([False, False, True, True])
    found = fit_line(logits, there, np.array(list("abcd")))
    assert 0.8 < found.slope < 1.4 and abs(found.offset) < 0.6, "they are told apart, which proves no steep line"


def test_lines_are_fitted_only_where_enough_recordings_show_the_imperfection() -> None:
    data = runs(1.8, 1.2)
    found = fit_logit_lines(data, [CODE, 510])
    assert set(found) == {CODE}, "no recording shows 510"
    assert fit_logit_lines(data[:3], [CODE]) == {}
    assert fit_logit_lines([], [CODE]) == {}


def test_probabilities_that_are_right_already_stay_where_they_are() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0.0, 2.0, (20, 400)).astype(np.float32)
    right = [run(row, rng.random(400) < expit(row), f"g{i}") for i, row in enumerate(logits)]
    found = fit_logit_lines(right, [CODE])
    slope, offset = found[CODE].pair if found else (1.0, 0.0)
    assert slope == pytest.approx(1.0, abs=0.1) and offset == pytest.approx(0.0, abs=0.1)


def test_a_line_that_does_not_help_other_groups_is_left_out() -> None:
    """A few recordings that contradict each other: what some teach harms the others."""
    rng = np.random.default_rng(2)
    shifts = (3.0, -3.0, 3.0, -3.0, 3.0)
    logits = rng.normal(0.0, 0.3, (5, 400)).astype(np.float32)
    torn = [run(x, rng.random(400) < expit(s), f"g{i}") for i, (x, s) in enumerate(zip(logits, shifts, strict=True))]
    assert fit_logit_lines(torn, [CODE]) == {}


def test_the_monitor_reads_the_line_of_what_sensors_are_there() -> None:
    from test_finishing import card

    lonely = SubsetCard(temperature=1.0, imperfection_lines={602: (0.5, -1.0)})
    said = SubsetCalibration(
        card(imperfection_lines={602: (2.0, 1.0), 510: (1.5, 0.0)}, subsets={"acoustic": lonely}), 0.5
    )
    logits, trained = np.zeros(len(ISO_CODES), np.float32), np.ones(len(ISO_CODES), bool)
    both, alone = (said.of(np.array(v)).imperfection_lines(logits) for v in ((1, 0, 1, 0), (0, 0, 1, 0)))
    assert imperfection_probabilities(both, trained)[ISO_CODES.index(602)] == pytest.approx(expit(1.0))
    assert imperfection_probabilities(alone, trained)[ISO_CODES.index(602)] == pytest.approx(expit(-1.0))
    assert said.of(np.array((0, 0, 1, 0))).imperfection_lines.slope[ISO_CODES.index(510)] == 1.5, "the card's"


def test_runs_on_a_line_are_what_the_monitor_has_and_lines_follow_each_other() -> None:
    one = runs(1.0, 0.0)[0]
    first, second = (1.5, 0.5), (2.0, -1.0)
    by_two = along({CODE: second}, along({CODE: first}, one)).imperfection_logits
    np.testing.assert_allclose(along({CODE: after(first, second)}, one).imperfection_logits, by_two, rtol=1e-5)
    assert LogitLines.of({})(one.imperfection_logits) == pytest.approx(one.imperfection_logits)


def test_what_is_never_suspected_in_a_subset_is_known_by_its_threshold() -> None:
    from test_finishing import card

    whole = card(
        imperfection_thresholds={602: 0.4},
        subsets={"acoustic": SubsetCard(temperature=1.0, imperfection_thresholds={602: NEVER})},
    )
    assert whole.suspected_with("camera+acoustic") == (602,) and whole.suspected_with("acoustic") == ()


def test_the_card_shows_lines_and_what_is_never_suspected() -> None:
    from test_finishing import card

    figures = {
        "602": {"threshold": 0.4, "spans": 9.0, "found": 0.5, "auc": 0.9, "ece_before": 0.02, "ece_after": 0.005},
        "601": {"threshold": NEVER, "spans": 5.0, "found": 0.0, "auc": 0.8},
    }
    alone = SubsetCard(temperature=1.0, imperfection_thresholds={602: NEVER})
    shown = card(
        imperfection_lines={602: (0.85, 1.05)}, subsets={"acoustic": alone}, metrics={"imperfections": figures}
    )
    text = card_markdown(shown)
    assert "| 602 | 0.4 | 9 | 0.500 | 0.900 | 0.85, +1.05 | 0.0200 | 0.0050 |\n" in text
    assert "| 601 | never | 5 | 0.000 | 0.800 | - | - | - |\n" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| acoustic |")]
    assert row.endswith("| none |")
