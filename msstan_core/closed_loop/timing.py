"""How well a weld over DDS kept time: whether its figures tell of the monitor, or of a machine that was too busy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from msstan_core.closed_loop.loop import LATENCY_S

#: A cell that reaches less than this share of the asked pace has not kept up.
KEPT_UP = 0.95


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one weld; times by the cell's clock, NaN: nothing was heard."""

    decisions: int
    age_p50_s: float  #: from a decision's stamp to its arrival, median
    age_p99_s: float
    late: float  #: share of the decisions that arrived after :data:`LATENCY_S`, which the loop in one process takes
    not_ok: float  #: share of the monitor's heartbeats that say DEGRADED, STALE or ERROR
    pace: float  #: the cell's time over real time; below the asked rate where the cell itself did not keep up

    def kept_up(self, rate: float) -> bool:
        """Whether the cell kept the pace that was asked for."""
        return self.pace >= KEPT_UP * rate

    @classmethod
    def of(cls, ages_s: Sequence[float], not_ok: Sequence[bool], pace: float) -> Self:
        """From each decision's age and each heartbeat's health."""
        ages = np.array(ages_s or [math.nan])
        return cls(
            decisions=len(ages_s),
            age_p50_s=float(np.percentile(ages, 50)),
            age_p99_s=float(np.percentile(ages, 99)),
            late=float(np.mean(ages > LATENCY_S)) if len(ages_s) else math.nan,
            not_ok=sum(not_ok) / len(not_ok) if not_ok else math.nan,
            pace=pace,
        )

    def as_dict(self) -> dict[str, Any]:
        """For a result file; NaN becomes None."""
        return {k: None if v != v else round(v, 4) for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Back from :meth:`as_dict`."""
        known: dict[str, Any] = {k: math.nan if v is None else v for k, v in content.items()}
        return cls(**known)
