"""Novelty detectors, and their calibration on nominal welds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from msstan_core.calibration.conformal import block_maxima, sustained
from msstan_core.calibration.imperfections import LEAST_F1, calibrate_imperfections
from msstan_core.calibration.novelty import WeldTicks, calibrate_novelty
from msstan_core.decision.novelty import NearestNominal, NominalEmbeddings, NoveltyDetector, load_novelty
from msstan_core.decision.ranking import separation
from msstan_core.errors import InputError
from msstan_core.inference.model_card import NEVER
from msstan_core.vocabulary import ISO_CODES

WIDTH = 8


def set_ups(count: int, ticks: int, seed: int, strange: float = 0.0) -> list[WeldTicks]:
    """Welds on a ring of set-ups: the middle of the ring, where the mean lies, is no nominal weld."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(count):
        angle = rng.uniform(0, 2 * np.pi)
        centre = np.zeros(WIDTH)
        centre[:2] = 5 * (1 - strange) * np.array([np.cos(angle), np.sin(angle)])
        embeddings = (centre + 0.5 * rng.normal(size=(ticks, WIDTH))).astype(np.float32)
        out.append(WeldTicks(f"set-up {seed}-{i}", np.arange(ticks) * 0.04, embeddings))
    return out


def fitted(kind: str, welds: list[WeldTicks]) -> NoveltyDetector:
    embeddings = np.concatenate([w.embeddings for w in welds])
    if kind == "mahalanobis":
        return NominalEmbeddings.fit(embeddings)
    return NearestNominal.fit(embeddings, [w.group for w in welds for _ in w.time_s])


@pytest.mark.parametrize("kind", ["mahalanobis", "nearest"])
def test_distance_is_about_one_for_set_ups_not_seen(kind: str) -> None:
    detector = fitted(kind, set_ups(40, 60, seed=0))
    new = np.concatenate([detector.distance(w.embeddings) for w in set_ups(20, 60, seed=1)])
    assert 0.5 < np.median(new) < 1.5


def test_nearest_sees_what_lies_between_the_set_ups_and_mahalanobis_does_not() -> None:
    welds, new, between = set_ups(40, 60, 0), set_ups(20, 60, 1), set_ups(20, 60, 2, strange=1.0)
    auc = {}
    for kind in ("mahalanobis", "nearest"):
        detector = fitted(kind, welds)
        scores = [np.concatenate([detector.distance(w.embeddings) for w in side]) for side in (new, between)]
        auc[kind] = separation(*scores)
    assert auc["nearest"] > 0.95 > auc["mahalanobis"]


@pytest.mark.parametrize("kind", ["mahalanobis", "nearest"])
def test_saved_detector_gives_the_same_distances(kind: str, tmp_path: Path) -> None:
    detector = fitted(kind, set_ups(5, 50, 0))
    detector.save(tmp_path / "nominal.npz")
    loaded = load_novelty(tmp_path / "nominal.npz")
    probe = np.random.default_rng(0).normal(size=(3, 7, WIDTH)).astype(np.float32)
    assert loaded.kind == kind
    assert loaded.distance(probe).shape == (3, 7)
    np.testing.assert_array_equal(loaded.distance(probe), detector.distance(probe))
    np.testing.assert_allclose(loaded.distance(probe[1, 2]), loaded.distance(probe)[1, 2], rtol=1e-4)


def test_file_from_before_there_were_kinds_is_mahalanobis(tmp_path: Path) -> None:
    np.savez(tmp_path / "nominal.npz", mean=np.zeros(3, np.float32), whitening=np.eye(3, dtype=np.float32))
    assert isinstance(load_novelty(tmp_path / "nominal.npz"), NominalEmbeddings)


def test_damaged_and_unknown_files_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "nominal.npz"
    fitted("nearest", set_ups(5, 50, 0)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"nominal\.npz: cannot be read"):
        load_novelty(path)
    np.savez(path, kind="oracle")
    with pytest.raises(InputError, match="unknown detector 'oracle'"):
        load_novelty(path)


def test_every_group_gives_reference_points_however_short() -> None:
    welds = [*set_ups(1, 3000, 0), *set_ups(1, 40, 1)]
    embeddings = np.concatenate([w.embeddings for w in welds])
    groups = [w.group for w in welds for _ in w.time_s]
    detector = NearestNominal.fit(embeddings, groups, points=100)
    assert np.median(detector.distance(welds[1].embeddings)) < 0.5, "its own ticks are among the points"


def test_calibrated_rate_holds_on_set_ups_not_seen() -> None:
    """6 an hour with 10 s blocks: 59 clean blocks are needed, 60 welds of 20 s give 120."""
    found = calibrate_novelty(set_ups(40, 200, 0), set_ups(60, 500, 1), rate_per_hour=6.0)
    assert found is not None and found.alarm.guaranteed and found.judged_on_unseen
    new = [(w.time_s, sustained(w.time_s, found.detector.distance(w.embeddings), 0.3)) for w in set_ups(120, 500, 2)]
    hours = sum(t[-1] - t[0] for t, _ in new) / 3600
    assert (block_maxima(new, 10.0) >= found.alarm.threshold).sum() / hours < 3 * 6.0


def test_detector_is_chosen_by_labelled_imperfections_where_there_are_any() -> None:
    nominal, held_out = set_ups(30, 200, 0), set_ups(20, 500, 1)
    between = set_ups(5, 200, 2, strange=1.0)
    found = calibrate_novelty(nominal, held_out, defective=between, rate_per_hour=20.0)
    assert found is not None and found.detector.kind == "nearest"
    assert found.auc["nearest"] > found.auc["mahalanobis"]
    assert "AUC on labelled imperfections" in found.statement()


def test_threshold_from_training_welds_is_called_too_low() -> None:
    found = calibrate_novelty(set_ups(20, 500, 0), [], rate_per_hour=20.0)
    assert found is not None and not found.judged_on_unseen
    assert "too low" in found.statement()


def test_too_little_data_gives_no_detector() -> None:
    assert calibrate_novelty([], set_ups(5, 500, 1)) is None
    assert calibrate_novelty(set_ups(1, WIDTH, 0), set_ups(5, 500, 1)) is None
    assert calibrate_novelty(set_ups(20, 500, 0), set_ups(1, 100, 1)) is None, "one block says nothing about a tail"


def test_imperfection_thresholds_share_the_chosen_rate() -> None:
    rng = np.random.default_rng(0)
    welds = [(np.arange(5000) * 0.04, rng.normal(-4, 1, (5000, len(ISO_CODES))).astype(np.float32)) for _ in range(10)]
    found = calibrate_imperfections(welds, [602, 510], rate_per_hour=12.0)
    assert set(found) == {602, 510}
    assert all(t.alarm.rate_per_hour == 6.0 and t.alarm.guaranteed for t in found.values())
    assert all(0.05 <= t.probability < 0.5 for t in found.values()), "a silent head may alarm from less than one half"
    few = calibrate_imperfections(welds[:1], [602], rate_per_hour=1.0)
    assert few[602].probability >= 0.5 and not few[602].alarm.guaranteed
    assert calibrate_imperfections([], [602]) == {}


def test_threshold_is_the_one_of_best_f1_where_labelled_welds_show_the_imperfection() -> None:
    rng = np.random.default_rng(0)
    time_s, column = np.arange(1000) * 0.04, ISO_CODES.index(602)
    logits = [rng.normal(-4, 1, (1000, len(ISO_CODES))).astype(np.float32) for _ in range(4)]
    labels = [np.zeros((1000, len(ISO_CODES)), np.float32) for _ in range(4)]
    for weld, label in zip(logits[:2], labels[:2], strict=True):
        label[400:500, column] = 1.0
        weld[400:500, column] += 6.0
    labelled = list(zip(logits, labels, strict=True))
    nominal = [(time_s, np.where((label > 0).any(axis=1)[:, None], np.nan, x)) for x, label in labelled]
    found = calibrate_imperfections(nominal, [602], labelled=labelled, rate_per_hour=1.0)[602]
    assert not found.alarm.guaranteed and found.best_f1 is not None and found.best_f1 > 0.9
    assert 0.2 < found.probability < 0.6, "between what clean ticks (0.02) and defective ones (0.88) reach"
    assert found.alarmed_blocks <= 1 and "best F1" in found.statement()
    silent = [(x - np.float32(20.0), label) for x, label in labelled]
    hushed = [(time_s, x - np.float32(20.0)) for _, x in nominal]
    mute = calibrate_imperfections(hushed, [602], labelled=silent, rate_per_hour=1.0)[602]
    assert mute.best_f1 == 0.0 and mute.probability == NEVER, "no threshold below the lowest that is allowed finds it"
    unseen = calibrate_imperfections(nominal, [510], labelled=labelled, rate_per_hour=1.0)[510]
    assert unseen.best_f1 is None and "WITHOUT" in unseen.statement()


def test_an_imperfection_that_is_not_recognised_is_never_suspected() -> None:
    rng = np.random.default_rng(0)
    time_s, column = np.arange(1000) * 0.04, ISO_CODES.index(601)
    logits = [rng.normal(-2, 1, (1000, len(ISO_CODES))).astype(np.float32) for _ in range(4)]
    labels = [np.zeros((1000, len(ISO_CODES)), np.float32) for _ in range(4)]
    for label in labels[:2]:
        label[400:420, column] = 1.0  # of which the logits say nothing
    nominal = [(time_s, np.where((y > 0).any(axis=1)[:, None], np.nan, x)) for x, y in zip(logits, labels, strict=True)]
    labelled = list(zip(logits, labels, strict=True))
    found = calibrate_imperfections(nominal, [601], labelled=labelled, rate_per_hour=1.0)[601]
    assert found.probability == NEVER and found.best_f1 is not None and found.best_f1 < LEAST_F1
    assert found.statement().startswith("never: the best F1")
