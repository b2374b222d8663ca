"""Single ticks, drawn at random from many welds, that teach which measured departure makes which imperfection.

The ticks of a clip resemble each other: a step on clips shows a handful of welds, a step on as many single ticks nearly
as many welds as it has ticks. What needs no past and no image is learnt from them in a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msstan_core.training.augmentation import other_programme
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.drawing import Drawing
from msstan_core.training.recording_features import Recording, RecordingFeatures
from msstan_core.vocabulary import Modality


class MeasuredTicks(NamedTuple):
    """N ticks for ``MsStan.imperfections_measured``, with their labels."""

    telemetry: Tensor  #: [N, telemetry_count]
    context: Tensor  #: [N, 4]
    valid: Tensor  #: [N, 4]
    imperfection: Tensor  #: [N, 13], NaN where unknown


class TickSampler(Drawing):
    """Draws random ticks that hold telemetry and whose imperfections are known.

    Holds their measured values in memory, about 500 bytes a tick: half a gigabyte for 2000 welds.

    Args:
        config: of the training: how many ticks, and what may be hidden of them. recordings: to draw from.
    """

    def __init__(self, config: TrainingConfig, recordings: Sequence[Recording]) -> None:
        taught = config.model_config_of_size().measured_imperfections and config.trained_part != "head"
        self._ticks, self._augmentation = config.measured_ticks if taught else 0, config.augmentation
        self._programme_columns = config.programme_columns
        super().__init__([config.seed, 0x71C5])
        self._arrays: tuple[NDArray[Any], ...] = ()
        if self._ticks:
            useful = [_useful(r.features) for r in recordings]
            self._arrays = tuple(np.concatenate(part) for part in zip(*useful, strict=True))

    @property
    def found(self) -> bool:
        """Whether ticks are asked for and there are some."""
        return bool(self._arrays) and len(self._arrays[0]) > 0

    def draw(self) -> MeasuredTicks | None:
        """``measured_ticks`` of them, each as likely as any other; None where none is asked for or found."""
        if not self.found:
            return None
        rows = self._rng.integers(0, len(self._arrays[0]), self._ticks)
        telemetry, context, valid, imperfection = (array[rows] for array in self._arrays)
        if self._programme_columns.start < self._programme_columns.stop:
            telemetry = other_programme(
                telemetry, self._programme_columns, self._augmentation, self._rng, jobs=self._ticks
            )
        return MeasuredTicks(*map(torch.from_numpy, (telemetry, context, valid, imperfection)))


def _useful(features: RecordingFeatures) -> tuple[NDArray[Any], ...]:
    """The arrays of MeasuredTicks, of the ticks with telemetry and some imperfection known."""
    told = features.valid[:, Modality.TELEMETRY] > 0
    rows = np.flatnonzero(told & np.isfinite(features.imperfection).any(axis=1))
    return features.telemetry[rows], features.context[rows], features.valid[rows], features.imperfection[rows]
