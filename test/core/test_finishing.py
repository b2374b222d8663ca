"""After training: calibration by what sensors are there, thresholds from clean ticks, a filter not tuned to noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_examples import CONFIG, recording

from msstan_core.calibration.action_scales import fit_across_groups
from msstan_core.calibration.anomaly_fitting import imperfection_figures, nominal_ticks
from msstan_core.calibration.filter_fitting import EMISSION_POWERS, USUAL_POWER, within_one_standard_error
from msstan_core.calibration.finishing import fit, fit_anomalies
from msstan_core.decision.anomaly import AnomalyConfig, AnomalyEvents
from msstan_core.decision.live_calibration import SubsetCalibration
from msstan_core.decision.probabilities import ActionScale, tempered
from msstan_core.decision.result import EventPhase
from msstan_core.inference.card_text import card_markdown
from msstan_core.inference.model_card import ModelCard, SmoothingCard, SubsetCard, subset_name
from msstan_core.inference.model_package import load_package
from msstan_core.model.ms_stan import MsStan
from msstan_core.recordings.annotations import FILE_NAME, Annotation, write_annotations
from msstan_core.recordings.nominal_times import MEMORY_S, OMEN_S
from msstan_core.training.network_runs import NetworkRun, present, reduced_to, spread_over_groups
from msstan_core.training.recording_features import Recording
from msstan_core.training.trainer import TrainedModel
from msstan_core.vocabulary import ACTIONS, ISO_CODES, Modality

ALL = np.ones(len(ACTIONS), bool)


def card(**fields: object) -> ModelCard:
    return ModelCard(
        name="test",
        version="0",
        config=CONFIG.model_config_of_size(),
        trained_actions=tuple(a.name for a in ACTIONS),
        trained_imperfections=(602,),
        trained_modalities=("camera", "acoustic"),
        action_prior=(1 / 9,) * 9,
        smoothing=SmoothingCard(mean_duration_s={}),
        **fields,  # type: ignore[arg-type]
    )


def test_each_set_of_modalities_is_read_with_its_own_calibration() -> None:
    lonely = SubsetCard(temperature=2.0, published_temperature=1.5, novelty_threshold=7.0)
    chosen = SubsetCalibration(
        card(temperature=0.8, novelty_threshold=3.0, imperfection_thresholds={602: 0.9}, subsets={"acoustic": lonely}),
        0.5,
    )
    both, alone = np.array([True, False, True, False]), np.array([False, False, True, False])
    assert (chosen.of(both).action_scale.temperature, chosen.of(both).novelty_threshold) == (0.8, 3.0)
    assert (chosen.of(alone).action_scale.temperature, chosen.of(alone).published_temperature) == (2.0, 1.5)
    assert chosen.of(alone).novelty_threshold == 7.0
    thresholds = chosen.of(alone).imperfection_thresholds
    assert thresholds[ISO_CODES.index(602)] == pytest.approx(0.9), "the card's, where the subset names none"
    assert thresholds[ISO_CODES.index(510)] == 0.5


def test_subsets_are_named_in_the_vocabulary_s_order() -> None:
    assert subset_name([Modality.ACOUSTIC, Modality.CAMERA]) == "camera+acoustic"


@pytest.mark.parametrize(("filtered", "said"), [(True, "emission power 0.07"), (False, "left out"), (None, "left out")])
def test_the_card_says_in_words_where_the_filter_is_used(filtered: bool | None, said: str) -> None:
    alone = SubsetCard(temperature=1.0, emission_power=0.07, filtered=filtered)
    smoothing = SmoothingCard(mean_duration_s={}, filtered=False)
    text = card_markdown(card(subsets={"acoustic": alone}).model_copy(update={"smoothing": smoothing}))
    (row,) = [line for line in text.splitlines() if line.startswith("| acoustic |")]
    assert said in row


def test_card_names_the_groups_held_out() -> None:
    two = card(held_out_groups=("cell_3", "weld_7"))
    assert "- 2 groups held out: `cell_3`, `weld_7`\n" in card_markdown(two)
    many = card(held_out_groups=tuple(f"weld_{i:02}" for i in range(90)))
    (line,) = [line for line in card_markdown(many).splitlines() if "groups held out" in line]
    assert line.startswith("- 90 groups") and line.endswith("`weld_11`, ... (all in card.json)")
    assert two.scores_sha256() == many.scores_sha256(), "scores that are kept for a model stay valid"


def test_card_that_does_not_name_its_groups_still_loads() -> None:
    content = card(held_out_groups=("cell_3",)).model_dump(mode="json")
    del content["held_out_groups"]
    old = ModelCard.model_validate(content)
    assert old.held_out_groups is None and "groups held out" not in card_markdown(old)


def test_card_without_subsets_still_loads_and_reads_as_before() -> None:
    shipped = load_package(Path(__file__).parents[2] / "models" / "default").card
    old = shipped.model_copy(update={"subsets": {}, "suspicion_statements": [], "published_temperature": 1.0})
    found = SubsetCalibration(old, 0.5).of(np.ones(4, bool))
    assert (found.action_scale, found.published_temperature) == (shipped.action_scale, 1.0)
    assert "## With some modalities only" not in card_markdown(old)


def test_threshold_of_the_moment_decides_whether_an_imperfection_counts() -> None:
    events = AnomalyEvents(AnomalyConfig(onset_s=0.0))
    probabilities = np.full(len(ISO_CODES), np.nan, np.float32)
    probabilities[0] = 0.6
    strict, usual = np.full(len(ISO_CODES), 0.7, np.float32), np.full(len(ISO_CODES), 0.5, np.float32)
    assert events.update(0, probabilities, np.nan, np.nan, thresholds=strict) == ()
    (event,) = events.update(1, probabilities, np.nan, np.nan, thresholds=usual)
    assert event.phase is EventPhase.ONSET and event.threshold == 0.5


@given(st.lists(st.floats(0.001, 1.0), min_size=9, max_size=9), st.floats(0.25, 8.0))
@settings(max_examples=50, deadline=None)
def test_tempering_keeps_the_order_and_a_distribution(values: list[float], temperature: float) -> None:
    p = np.array(values, np.float32) / np.sum(values)
    out = tempered(p.astype(np.float32), temperature)
    assert out.sum() == pytest.approx(1.0, abs=1e-5)
    assert (np.diff(out[np.argsort(p)]) >= -1e-6).all()
    if temperature > 1:
        assert out.max() <= p.max() + 1e-6, "a temperature above one makes less sure"


def test_overconfident_logits_are_cooled_and_the_error_falls_on_other_groups() -> None:
    rng = np.random.default_rng(0)
    truth = [rng.normal(size=(400, 9)) for _ in range(6)]
    labels = [np.array([rng.choice(9, p=np.exp(x) / np.exp(x).sum()) for x in part]) for part in truth]
    found = fit_across_groups([(4 * x).astype(np.float32) for x in truth], labels, list("aabbcc"), ALL)
    assert found.scale.temperature == pytest.approx(4.0, rel=0.2)
    assert found.ece_after < 0.5 * found.ece_before


def test_a_temperature_that_does_not_carry_over_to_other_groups_is_not_used() -> None:
    """One group is surer than right, the other less sure: each one's temperature harms the other."""
    rng = np.random.default_rng(1)
    truth = [rng.normal(size=(400, 9)) for _ in range(2)]
    labels = [np.array([rng.choice(9, p=np.exp(x) / np.exp(x).sum()) for x in part]) for part in truth]
    logits = [(3 * truth[0]).astype(np.float32), (truth[1] / 3).astype(np.float32)]
    found = fit_across_groups(logits, labels, ["a", "b"], ALL)
    assert found.scale == ActionScale() and found.ece_after == found.ece_before


def test_emission_power_leaves_the_usual_one_only_for_clear_evidence() -> None:
    usual, other = EMISSION_POWERS.index(USUAL_POWER), EMISSION_POWERS.index(0.3)
    noisy = np.full((len(EMISSION_POWERS), 6), 0.8)
    noisy[other] += [0.1, -0.08] * 3  # better on the whole, but not in most groups
    assert within_one_standard_error(noisy) == usual
    clear = np.full((len(EMISSION_POWERS), 6), 0.8)
    clear[other] += [0.1, 0.08] * 3
    assert within_one_standard_error(clear) == other
    assert within_one_standard_error(clear[:, :1]) == usual, "one group says nothing of the spread"


def test_nominal_ticks_leave_out_an_imperfection_what_leads_to_it_and_what_is_remembered_of_it() -> None:
    weld = recording("a", ticks=300)
    weld.features.imperfection[150:160, 0] = 1
    nominal = nominal_ticks(weld)
    before = weld.features.time_s < weld.features.time_s[150] - OMEN_S
    np.testing.assert_array_equal(nominal[:150], before[:150])
    assert nominal[:50].all() and not nominal[150:160].any()
    after = weld.features.time_s > weld.features.time_s[159] + MEMORY_S
    np.testing.assert_array_equal(nominal[160:], after[160:])
    assert nominal[-1]
    bad = Recording(weld.path, {**weld.attributes, "verdict": "burn_through"}, weld.features)
    assert not nominal_ticks(bad).any(), "nobody said where in this weld it went wrong"


def test_withheld_modalities_are_gone_and_the_recording_itself_unchanged() -> None:
    weld = recording("a")
    alone = reduced_to(weld, frozenset({Modality.ACOUSTIC}))
    assert present(weld) == {Modality.ACOUSTIC, Modality.TELEMETRY}
    assert present(alone) == {Modality.ACOUSTIC}


def test_few_recordings_are_chosen_from_many_groups_real_and_simulated() -> None:
    data = [recording(f"s{i % 3}", ticks=6) for i in range(9)]
    data += [recording(f"r{i % 2}", ticks=6, simulated=False) for i in range(8)]
    chosen = spread_over_groups(data, 5, seed=0)
    assert len({r.group for r in chosen}) >= 4, "no group twice before each was taken once"
    assert sum(r.simulated for r in chosen) in (2, 3)
    assert len(spread_over_groups(data, 100, seed=0)) == len(data)


def test_the_same_recordings_are_chosen_in_whatever_order_they_are_given() -> None:
    data = [recording(f"g{i % 4}", ticks=6, simulated=i % 2 > 0, path=Path(f"bags/weld{i}")) for i in range(12)]
    chosen = [r.path for r in spread_over_groups(data, 5, seed=1)]
    assert [r.path for r in spread_over_groups(data[::-1], 5, seed=1)] == chosen
    assert [r.path for r in spread_over_groups([*data[7:], *data[:7]], 5, seed=1)] == chosen


def test_spans_are_found_only_where_the_probability_lasts(tmp_path: Path) -> None:
    write_annotations(tmp_path / FILE_NAME, [Annotation(1.0, 2.0, "imperfection", "602", 0.5)])
    weld = recording("a", path=tmp_path)
    weld.features.imperfection[25:50, ISO_CODES.index(602)] = 1

    def figures(ticks_above: int) -> dict[str, float]:
        logits = np.full((200, len(ISO_CODES)), -4, np.float32)
        logits[30 : 30 + ticks_above] = 4
        run = NetworkRun(weld, np.zeros((200, 9), np.float32), logits, np.zeros((200, 2), np.float32))
        return imperfection_figures([run], [602], {602: 0.9})["602"]

    assert figures(12)["found"] == 1.0
    assert figures(3)["found"] == 0.0, "an onset needs 0.3 s"


def test_finishing_calibrates_every_set_of_modalities_and_says_what_it_rests_on() -> None:
    model = MsStan(CONFIG.model_config_of_size()).eval()
    trained = TrainedModel(model, np.full(9, 1 / 9, np.float32), 0.0)
    training = [recording(f"t{i}", i) for i in range(4)]
    held_out = [recording(f"h{i}", 10 + i, ticks=1200) for i in range(4)]
    fitted = fit(trained, training, held_out)
    anomalies = fit_anomalies(CONFIG, trained, fitted, training, held_out)
    assert set(anomalies.subsets) == {"acoustic+telemetry", "acoustic", "telemetry"}
    assert anomalies.subsets["acoustic+telemetry"].imperfection_thresholds == {}, "those from all held-out welds hold"
    for name in ("acoustic", "telemetry"):
        lonely = anomalies.subsets[name].imperfection_thresholds
        assert lonely[602] >= anomalies.imperfection_thresholds[602]
    for subset in anomalies.subsets.values():
        # Offsets are judged by the log-loss of other groups, a temperature by their calibration error.
        assert subset.action_offsets or subset.figures["ece_after"] <= subset.figures["ece_before"]
        if anomalies.novelty is not None and subset.novelty_threshold is not None:
            assert subset.novelty_threshold >= anomalies.novelty.alarm.threshold
    assert any("602" in statement for statement in anomalies.statements)
