"""What the monitor and the adapter tell each other at every tick."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.observed_ticks import ObservedTick
from msstan_core.observation import Tick, WeldContext
from msstan_core.vocabulary import MODALITIES, Modality


def job_of(context: WeldContext) -> str:
    """What is being welded, as text: another text is another job. Everything counts but the time it was said."""
    return "|".join(str(getattr(context, field.name)) for field in fields(context) if field.name != "stamp_ns")


#: No weld context has been heard yet: that ends no job, and none is known by it.
UNTOLD = job_of(WeldContext())


def input_flaw(tick: Tick, valid: NDArray[np.bool_], used: frozenset[Modality], degraded: tuple[str, ...]) -> str:
    """Why nothing may be learnt from a tick's input; "": it may.

    A sensor that the cell does not have is no flaw; one that has fallen silent is.

    Args:
        valid: [4] what entered the network. used: sensors that the monitor listens to. degraded: of low quality.
    """
    if not valid.any():
        return "no sensor delivers"
    stale = [m.label for m in MODALITIES if m in used and not valid[m] and np.isfinite(tick.age_s[m])]
    if stale:
        return f"{stale[0]} is stale"
    return f"low quality: {degraded[0]}" if degraded else ""


def observed(
    tick: Tick, embedding: NDArray[np.float32], published: NDArray[np.float32], flaw: str, anomaly_open: bool
) -> ObservedTick:
    """What the adapter holds of a tick; arrays are copied, since engines use theirs again."""
    if not flaw and not np.isfinite(embedding).all():
        flaw = "the embedding is not finite"
    return ObservedTick(tick.stamp_ns, np.array(embedding, np.float32), published.copy(), flaw, anomaly_open)
