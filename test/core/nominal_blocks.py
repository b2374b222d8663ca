"""Made-up scores of nominal welds, a block or two each, for tests of alarm limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from msstan_core.calibration.joint import NominalScores
from msstan_core.vocabulary import ISO_CODES

BLOCK_S = 10.0
CODES = (2011, 401, 602)
SHIPPED = Path(__file__).parents[2] / "models" / "default"
ALL_SENSORS = "camera+thermal+acoustic+telemetry"


def welds(
    count: int, rng: np.random.Generator, *, heavy: int | None = None, novelty: bool = True
) -> list[NominalScores]:
    """``count`` blocks of independent ticks, two blocks a weld; the logit of one kind may have large bursts."""
    ticks = int(2 * BLOCK_S) + 1
    out = []
    for _ in range(count // 2):
        logits = rng.normal(-5.0, 1.0, (ticks, len(ISO_CODES)))
        if heavy is not None:
            logits[:, ISO_CODES.index(heavy)] += rng.pareto(2.5, ticks)
        distance = rng.gamma(20.0, 0.05, ticks) if novelty else np.full(ticks, np.nan)
        probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
        out.append(NominalScores(np.arange(ticks) * 1.0, probabilities, distance.astype(np.float32)))
    return out
