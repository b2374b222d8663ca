"""The adapter of a model folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from msstan_core.adaptation.adapter import Adapter
from msstan_core.adaptation.guard import GuardSet
from msstan_core.adaptation.revisions import RevisionCounter, RevisionStore
from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.errors import InputError
from msstan_core.inference.model_card import ModelCard
from msstan_core.inference.model_package import GUARD_FILE
from msstan_core.vocabulary import ACTIONS


def open_adapter(
    model_dir: Path,
    card: ModelCard,
    weights_sha256: str,
    settings: AdaptationSettings,
    store: RevisionStore | None = None,
    counter: RevisionCounter | None = None,
) -> Adapter:
    """See :class:`~msstan_core.adaptation.adapter.Adapter`.

    Raises:
        InputError: when the model brings no guard set, or a damaged one.
    """
    if GUARD_FILE not in card.files:
        raise InputError(model_dir, "has no guard set, so that it must not adapt", "train it again on more recordings")
    trained = np.array([action in card.actions for action in ACTIONS])
    prior = np.array(card.action_prior, np.float32)
    shares, presumed = (np.where(trained, np.maximum(p, 1e-6), 0.0) for p in (prior, card.action_scale.prior_of(prior)))
    guard = GuardSet.load(model_dir / GUARD_FILE)
    return Adapter(
        guard,
        shares / shares.sum(),
        weights_sha256,
        settings,
        store,
        counter,
        presumed=presumed / presumed.sum(),
    )
