"""How well a bare network recognises recordings, tick by tick: no action filter, no threshold, nothing to tune."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from msstan_core.decision.ranking import separation
from msstan_core.model.ms_stan import MsStan
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.clips import whole_recording
from msstan_core.training.metrics import macro_f1
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import ACTIONS, ISO_CODES

#: An imperfection with fewer positive ticks than this in the test data is not judged.
LEAST_TICKS = 25


def recognition(model: MsStan, recordings: Sequence[Recording]) -> dict[str, float]:
    """Figures over the labelled ticks of all recordings together; NaN where there is nothing to judge.

    With an importance gate that was trained, frames are held as it decides: that is the network that would be shipped.

    Returns:
        action_accuracy, action_macro_f1 (over the actions that occur), imperfection_auc (mean over the imperfections
        that occur, arc-on ticks or not) and frames_looked_at (share of the camera frames that passed the gate).
    """
    labels, found, truth, scores = [], [], [], []
    frames = looked = 0.0
    model.eval()
    for recording in recordings:
        features = whole_recording(recording)
        with torch.inference_mode():
            if model.gate is None or not model.config.sampling.trained:
                output = model.unroll(features)
            else:
                output, gated = model.unroll_sampled(features)
                frames += float(features.valid[..., 0].sum())
                looked += float((gated.looked * features.valid[..., 0]).sum())
        labels.append(recording.features.action)
        found.append(output.action_logits[0].argmax(dim=1).numpy())
        truth.append(recording.features.imperfection)
        scores.append(output.imperfection_logits[0].numpy())
    action, predicted = np.concatenate(labels), np.concatenate(found)
    known = action != UNLABELLED
    all_truth, all_scores = np.concatenate(truth), np.concatenate(scores)
    areas = []
    for index in range(len(ISO_CODES)):
        judged = np.isfinite(all_truth[:, index])
        positive = all_truth[judged, index] > 0
        if positive.sum() >= LEAST_TICKS and not positive.all():
            score = all_scores[judged, index].astype(np.float64)
            areas.append(separation(score[~positive], score[positive]))
    return {
        "action_accuracy": float((predicted == action)[known].mean()) if known.any() else math.nan,
        "action_macro_f1": macro_f1(action[known], predicted[known], len(ACTIONS)),
        "imperfection_auc": float(np.mean(areas)) if areas else math.nan,
        "frames_looked_at": looked / frames if frames else 1.0,
    }


def over_seeds(runs: Sequence[dict[str, float]], name: str) -> dict[str, float]:
    """Mean and standard deviation of one figure over runs, without NaN."""
    values = np.array([run[name] for run in runs if run.get(name) is not None and not math.isnan(run[name])])
    if not len(values):
        return {"mean": math.nan, "std": math.nan}
    return {"mean": round(float(values.mean()), 4), "std": round(float(values.std()), 4)}
