"""The guard set of a model: what online adaptation is held to, from recordings that training has not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.adapted_head import Head
from msstan_core.adaptation.guard import (
    GUARD_TICKS,
    LEAST_ACTIONS,
    LEAST_TICKS,
    REFERENCE_TICKS,
    GuardSet,
    balanced,
)
from msstan_core.model.ms_stan import MsStan
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.network_runs import fully_sensed, run_network
from msstan_core.training.recording_features import Recording


def guard_set(
    model: MsStan, training: Sequence[Recording], held_out: Sequence[Recording], seed: int
) -> GuardSet | None:
    """Sealed ticks from ``held_out``, reference ticks from ``training``; None where too little is held out.

    Without a guard set the model works as before, but refuses to adapt.
    """
    rng = np.random.default_rng(seed)
    sealed = balanced(*_ticks(model, held_out), GUARD_TICKS, rng)
    if len(sealed) < LEAST_TICKS or len(np.unique(sealed.labels)) < LEAST_ACTIONS:
        return None
    linear = model.heads.action
    shipped = Head.shipped(linear.weight.detach().numpy(), linear.bias.detach().numpy())
    return GuardSet(shipped, sealed, balanced(*_ticks(model, fully_sensed(training)), REFERENCE_TICKS, rng))


def _ticks(model: MsStan, recordings: Sequence[Recording]) -> tuple[list[NDArray[np.float32]], list[NDArray[np.int64]]]:
    """Embeddings and labels of each recording; ticks without a valid modality count as unlabelled."""
    embeddings = [run_network(model, r).embedding.numpy() for r in recordings]
    labels = [np.where(r.features.valid.max(axis=1) > 0, r.features.action, UNLABELLED) for r in recordings]
    return embeddings, labels
