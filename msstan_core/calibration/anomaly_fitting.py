"""After training: which ticks were nominal, and what novelty, imperfections and severity make of held-out ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.calibration.conformal import sustained
from msstan_core.calibration.imperfections import ImperfectionThreshold, calibrate_imperfections
from msstan_core.calibration.joint import NominalScores
from msstan_core.calibration.novelty import WeldTicks
from msstan_core.calibration.severity_fitting import fit_severities, severities_in
from msstan_core.decision.anomaly import AnomalyConfig
from msstan_core.decision.novelty import NoveltyDetector
from msstan_core.decision.probabilities import imperfection_probabilities
from msstan_core.decision.ranking import separation
from msstan_core.inference.model_card import SeverityCard
from msstan_core.model.ms_stan import MsStan
from msstan_core.preprocessing.programme_departure import departures_in
from msstan_core.recordings.annotations import FILE_NAME, Annotation, imperfection_track, read_annotations
from msstan_core.recordings.nominal_times import nominal_times
from msstan_core.training.network_runs import NetworkRun, run_on, spread_over_groups
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import ACTIONS, ARC_ON, ISO_CODES, Modality

#: Recordings whose nominal ticks a detector is fitted on at most: more cost network time and add little.
MOST_NOMINAL_RECORDINGS = 30
#: An onset that comes up to this long after a labelled span still belongs to it, s.
LATEST_S = 1.0
_ARC = [ACTIONS.index(a) for a in ARC_ON]


@dataclass(frozen=True, slots=True)
class HeldOutRun:
    """A recording that training has not seen, and what the monitor made of it."""

    run: NetworkRun
    actions: NDArray[np.int64]  #: [N] after the filter, index into ACTIONS


def nominal_ticks(recording: Recording) -> NDArray[np.bool_]:
    """[N] no labelled imperfection now, just before or soon; none at all in a recording whose verdict is not good."""
    return nominal_times(recording.features.time_s, _defective(recording), recording.attributes)


def training_welds(model: MsStan, training: Sequence[Recording], seed: int) -> list[WeldTicks]:
    """Embeddings of nominal ticks with arc, of recordings that the network was trained on."""
    good = [r for r in training if (nominal_ticks(r) & np.isin(r.features.action, _ARC)).any()]
    welds = []
    for recording in spread_over_groups(good, MOST_NOMINAL_RECORDINGS, seed):
        run = run_on(model, recording)
        keep = nominal_ticks(recording) & np.isin(recording.features.action, _ARC) & run.seen
        welds.append(WeldTicks(recording.group, run.time_s[keep], run.embedding[keep]))
    return welds


def nominal_welds(held: Sequence[HeldOutRun]) -> list[WeldTicks]:
    """Nominal ticks during which the monitor itself believes that the arc burns: when it judges novelty."""
    return [_ticks(h, nominal_ticks(h.run.recording)) for h in held]


def defective_welds(held: Sequence[HeldOutRun]) -> list[WeldTicks]:
    """Ticks with a labelled imperfection during which the monitor believes that the arc burns."""
    return [_ticks(h, _defective(h.run.recording)) for h in held]


def held_out_scores(
    held: Sequence[HeldOutRun], detector: NoveltyDetector | None, codes: Sequence[int], sensors: NDArray[np.bool_]
) -> list[NominalScores]:
    """What the monitor would say of the imperfections with these codes and of novelty at nominal ticks.

    ``sensors`` [4]: of the cell. Ticks with other ones are NaN: limits of these say nothing of a tick with fewer.
    """
    trained = np.isin(ISO_CODES, codes)
    out = []
    for h in held:
        whole = ((h.run.recording.features.valid > 0) == sensors).all(axis=1)
        keep = nominal_ticks(h.run.recording) & whole
        probabilities = imperfection_probabilities(h.run.imperfection_logits, trained)
        novelty = np.full(len(keep), np.nan, np.float32)
        judged = keep & np.isin(h.actions, _ARC)
        if detector is not None and judged.any():
            novelty[judged] = detector.distance(h.run.embedding[judged])
        out.append(NominalScores(h.run.time_s, np.where(keep[:, None], probabilities, np.nan), novelty))
    return out


def _defective(recording: Recording) -> NDArray[np.bool_]:
    """[N] ticks with a labelled imperfection; also where the labels do not claim that there are no others."""
    features = recording.features
    labelled = imperfection_track(_labels(recording), features.time_s)
    return np.asarray(((np.nan_to_num(features.imperfection) > 0) | (labelled > 0)).any(axis=1), bool)


def _ticks(held: HeldOutRun, wanted: NDArray[np.bool_]) -> WeldTicks:
    keep = wanted & np.isin(held.actions, _ARC) & held.run.seen
    return WeldTicks(held.run.recording.group, held.run.time_s[keep], held.run.embedding[keep])


def imperfection_thresholds(
    runs: Sequence[NetworkRun], codes: Sequence[int], rate_per_hour: float
) -> dict[int, ImperfectionThreshold]:
    """Thresholds of the trained imperfections from held-out runs."""
    nominal, labelled = [], []
    for run in runs:
        seen = np.where(run.seen[:, None], run.imperfection_logits, np.nan).astype(np.float32)
        labelled.append((seen, run.recording.features.imperfection))
        keep = nominal_ticks(run.recording) & run.seen
        nominal.append((run.time_s, np.where(keep[:, None], run.imperfection_logits, np.nan).astype(np.float32)))
    return calibrate_imperfections(nominal, codes, labelled=labelled, rate_per_hour=rate_per_hour) if codes else {}


@dataclass(frozen=True, slots=True)
class _Span:
    """A labelled imperfection and what the network said of it."""

    sustained: float  #: highest probability that lasted as long as an onset needs


def severities(recordings: Sequence[Recording], columns: slice, codes: Sequence[int]) -> dict[int, SeverityCard]:
    """How bad each of these imperfections is by the telemetry, where labelled severities say that it tells.

    Args:
        recordings: those trained on, too: no network has a part in it, and it is judged across groups.
        columns: of the telemetry, how far it is from the programme (``InputSpec.programme_columns``).
        codes: ISO codes.
    """
    if columns.start == columns.stop:
        return {}
    spans = []
    for recording in recordings:
        features = recording.features
        measured = np.where(features.valid[:, [Modality.TELEMETRY]] > 0, features.telemetry[:, columns], 0.0)
        spans += severities_in(_labels(recording), features.time_s, departures_in(measured), recording.group)
    return fit_severities([span for span in spans if span.iso_code in codes])


def imperfection_figures(
    runs: Sequence[NetworkRun], codes: Sequence[int], thresholds: dict[int, float]
) -> dict[str, dict[str, float]]:
    """By ISO code: labelled spans, share of them found at the threshold, AUC over ticks; where there are any."""
    usual = AnomalyConfig().imperfection_threshold
    out = {}
    for code in codes:
        column = ISO_CODES.index(code)
        threshold = thresholds.get(code, usual)
        spans = _spans(runs, code)
        scores = np.concatenate([r.imperfection_logits[r.seen, column] for r in runs])
        labels = np.concatenate([r.recording.features.imperfection[r.seen, column] for r in runs])
        both = (labels == 0).any() and (labels > 0).any()
        figures = {"threshold": round(threshold, 4), "spans": float(len(spans))}
        if spans:
            figures["found"] = round(float(np.mean([s.sustained >= threshold for s in spans])), 4)
        if both:
            figures["auc"] = round(separation(scores[labels == 0], scores[labels > 0]), 4)
        out[str(code)] = figures
    return out


def _spans(runs: Sequence[NetworkRun], code: int) -> list[_Span]:
    column = ISO_CODES.index(code)
    hold_s = AnomalyConfig().onset_s
    spans = []
    for run in runs:
        labelled = [a for a in _labels(run.recording) if a.iso_code == code]
        if not labelled:
            continue
        logits = np.where(run.seen[:, None], run.imperfection_logits, np.nan)
        probability = imperfection_probabilities(logits, np.ones(len(ISO_CODES), bool))[:, column]
        lasting = sustained(run.time_s, probability, hold_s)
        for a in labelled:
            inside = (run.time_s >= a.start_s) & (run.time_s < a.end_s + LATEST_S)
            if np.isfinite(probability[inside]).any():
                held = lasting[inside & np.isfinite(lasting)]
                spans.append(_Span(float(held.max()) if len(held) else 0.0))
    return spans


def _labels(recording: Recording) -> list[Annotation]:
    return read_annotations(recording.path / FILE_NAME)
