"""What could be known of a job: answers that online adaptation is held against. None of them can be had while welding.

Each weld is answered by what was learnt from the other half of the welds (:func:`~.adaptation_domains.halves`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.adapted_head import DriftBound, Head
from msstan_core.adaptation.guard import LabelledTicks
from msstan_core.adaptation.labelled_memory import LabelledMemory
from msstan_core.adaptation.learning import Objective, learn
from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.studies.adaptation_domains import Domain, MetWeld

Answers = list[NDArray[np.int64]]


def no_shift(domain: Domain, welds: Sequence[MetWeld]) -> Answers:
    """The whole network trained on both sides: what it answers better than the frozen one is what the shift costs."""
    return [weld.both_sides for weld in welds]


def every_label(domain: Domain, welds: Sequence[MetWeld]) -> Answers:
    """The same learning, within the same bound, from every label of the job's other half, by itself. The shipped head
    where that half has no label.
    """
    heads = [_fitted(domain, [w for w in welds if w.half != half]) for half in (0, 1)]
    trained = domain.shares > 0
    return [np.where(trained, heads[w.half].logits(w.embeddings), -np.inf).argmax(axis=1) for w in welds]


REFERENCES: dict[str, Callable[[Domain, Sequence[MetWeld]], Answers]] = {
    "no shift": no_shift,
    "every label": every_label,
}


def _fitted(domain: Domain, welds: Sequence[MetWeld]) -> Head:
    """The head that adaptation would learn if these welds' labels were all that it knew."""
    shipped, settings = domain.guard.shipped, AdaptationSettings(enabled=True)
    labels = np.concatenate([np.zeros(0, np.int64), *(w.labels for w in welds)])
    known = labels != UNLABELLED
    if not known.any():
        return shipped
    ticks = LabelledTicks(np.concatenate([w.embeddings for w in welds])[known], labels[known])
    nothing = LabelledMemory(settings.per_action, settings.per_span, shipped.weight.shape[1]).lessons()
    objective = Objective(shipped, nothing, ticks, domain.shares, settings)
    return learn(objective, DriftBound(shipped, settings.largest_drift))
