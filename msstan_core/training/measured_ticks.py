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
from msstan_core.training.recording_features import Recording, RecordingFeatures
from msstan_core.vocabulary import Modality

_MEASURING = [Modality.THERMAL, Modality.TELEMETRY]


class MeasuredTicks(NamedTuple):
    """N ticks for ``MsStan.imperfections_measured``, with their labels."""

    telemetry: Tensor  #: [N, telemetry_count]
    statistics: Tensor  #: [N, STATISTICS_COUNT]
    context: Tensor  #: [N, 4]
    valid: Tensor  #: [N, 4]; of camera and microphone 0
    imperfection: Tensor  #: [N, 13], NaN where unknown


class TickSampler:
    """Draws random ticks that hold telemetry or temperatures and whose imperfections are known.

    Holds their measured values in memory, about 600 bytes a tick: half a gigabyte for 2000 welds.

    Args:
        config: of the training: how many ticks, and what may be hidden of them. recordings: to draw from.
    """

    def __init__(self, config: TrainingConfig, recordings: Sequence[Recording]) -> None:
        taught = config.model_config_of_size().measured_imperfections
        self._ticks, self._augmentation = config.measured_ticks if taught else 0, config.augmentation
        self._programme_columns = config.programme_columns
        self._rng = np.random.default_rng([config.seed, 0x71C5])
        self._arrays: tuple[NDArray[Any], ...] = ()
        if self._ticks:
            useful = [_useful(r.features) for r in recordings]
            self._arrays = tuple(np.concatenate(part) for part in zip(*useful, strict=True))

    @property
    def random_state(self) -> dict[str, object]:
        """State of the generator, for resuming a run exactly where it stopped."""
        return dict(self._rng.bit_generator.state)

    @random_state.setter
    def random_state(self, state: dict[str, object]) -> None:
        self._rng.bit_generator.state = state

    def draw(self) -> MeasuredTicks | None:
        """``measured_ticks`` of them, each as likely as any other; None where there are none or none is asked for."""
        if not self._arrays or not len(self._arrays[0]):
            return None
        rows = self._rng.integers(0, len(self._arrays[0]), self._ticks)
        telemetry, statistics, context, valid, imperfection = (array[rows] for array in self._arrays)
        if self._programme_columns.start < self._programme_columns.stop:
            telemetry = other_programme(
                telemetry, self._programme_columns, self._augmentation, self._rng, jobs=self._ticks
            )
        self._hide_one(valid)
        return MeasuredTicks(*map(torch.from_numpy, (telemetry, statistics, context, valid, imperfection)))

    def _hide_one(self, valid: NDArray[np.float32]) -> None:
        """Hide telemetry or thermal image in place, as often as ``drop_modalities`` does in clips that hold the two."""
        single, dropped = self._augmentation.single_modality, self._augmentation.modality_dropout
        share = single + (1.0 - single) * (1.0 - (1.0 - dropped) ** 2)
        hidden = (valid[:, _MEASURING] > 0).all(axis=1) & (self._rng.random(len(valid)) < share)
        rows = np.flatnonzero(hidden)
        valid[rows, self._rng.choice(_MEASURING, len(rows))] = 0.0


def _useful(features: RecordingFeatures) -> tuple[NDArray[Any], ...]:
    """The arrays of MeasuredTicks, of the ticks where something is measured and some imperfection known."""
    measured = (features.valid[:, _MEASURING] > 0).any(axis=1)
    rows = np.flatnonzero(measured & np.isfinite(features.imperfection).any(axis=1))
    valid = np.zeros((len(rows), features.valid.shape[1]), np.float32)
    valid[:, _MEASURING] = features.valid[rows][:, _MEASURING]
    return (
        features.telemetry[rows], features.thermal_statistics[rows], features.context[rows], valid,
        features.imperfection[rows],
    )  # fmt: skip
