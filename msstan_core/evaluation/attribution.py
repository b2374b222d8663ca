"""Where the attention goes: shares on key frames and on the background (table 7), beside what even attention gives.

The paper reports "keyframe focus" and "background noise" without defining them. Here a key frame is a tick within
KEY_S of a labelled change of action or onset of an imperfection, and the background is what does not show the weld
(:mod:`~msstan_core.evaluation.weld_region`). Both depend on how long windows are and how large the weld is in the
picture; hence the share that attention without preference would have stands beside each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.vocabulary import ACTIONS, ARC_ON

if TYPE_CHECKING:
    from msstan_core.evaluation.replayed import ReplayedBag
    from msstan_core.inference.engine import Engine
    from msstan_core.inference.model_package import ModelPackage
    from msstan_core.model.temporal import MultiScaleMean, MultiScaleTemporalAttention

#: A key frame is no farther from an onset, s.
KEY_S = 0.5
_ARC = [ACTIONS.index(a) for a in ARC_ON]

Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Attribution:
    """Shares of attention at N ticks of one bag; NaN where there is nothing to say."""

    key_frames: Shares  #: [N] of temporal attention (15) on key frames; NaN where no key frame is in reach
    key_frames_even: Shares  #: [N] what even attention over the same windows would have there
    background: Shares  #: [N] of spatial attention (13) outside the weld region; NaN without arc, camera or region
    background_even: Shares  #: [N] what even attention over the picture would have there


class TemporalReader:
    """Reads from an engine's state what the last tick attended to in time.

    Args:
        aggregation: the model's, None where 3D convolutions alone aggregate.
    """

    def __init__(self, aggregation: MultiScaleTemporalAttention | MultiScaleMean | None) -> None:
        self._aggregation = aggregation

    @classmethod
    def of(cls, package: ModelPackage) -> TemporalReader:
        """For a model folder; one that reads nothing where torch is not installed."""
        from msstan_core.errors import InputError
        from msstan_core.inference.network import load_network

        try:
            return cls(load_network(package).temporal)
        except InputError:
            return cls(None)

    def weights(self, engine: Engine) -> NDArray[np.float64] | None:
        """[2 (attention, even), R] by age in ticks, 0 the tick itself; mean over windows and heads.

        None where nothing attends.
        """
        import torch

        from msstan_core.model.temporal import MultiScaleTemporalAttention

        if self._aggregation is None:
            return None
        state = {name: torch.from_numpy(part) for name, part in engine.state().items()}
        filled = state["filled"][0].numpy()[::-1].astype(np.float64)  # newest first
        even = even_weights(self._aggregation.windows, filled)
        if not isinstance(self._aggregation, MultiScaleTemporalAttention):
            return np.stack([even, even])
        with torch.inference_mode():
            found = self._aggregation.weights(state["ring"], state["filled"], state.get("visible"))
        attention = found[0].mean(dim=(0, 1)).numpy()[::-1].astype(np.float64)
        return np.stack([attention, even])


def even_weights(windows: Sequence[int], filled: NDArray[np.float64]) -> NDArray[np.float64]:
    """[R] by age: the same for all ticks of a window, mean over windows.

    Args:
        windows: in ticks. filled: [R] by age, 1 where there is a tick.
    """
    age = np.arange(len(filled))
    inside = np.stack([filled * (age < window) for window in windows])
    return np.asarray((inside / np.maximum(inside.sum(axis=1, keepdims=True), 1.0)).mean(axis=0))


def key_ticks(time_s: NDArray[np.float64], labels: NDArray[np.int64], onsets_s: Sequence[float]) -> NDArray[np.bool_]:
    """[N] ticks within KEY_S of a change between two labelled actions, or of one of ``onsets_s``.

    Args:
        time_s: [N]. labels: [N] index into ACTIONS or UNLABELLED. onsets_s: of imperfections.
    """
    changed = (labels[1:] != labels[:-1]) & (labels[1:] != UNLABELLED) & (labels[:-1] != UNLABELLED)
    moments = np.concatenate([time_s[1:][changed], np.asarray(onsets_s, np.float64)])
    if len(moments) == 0:
        return np.zeros(len(time_s), bool)
    return np.asarray(np.abs(time_s[:, None] - moments[None, :]).min(axis=1) <= KEY_S)


def share_on_key_ticks(weights: Sequence[NDArray[np.float64] | None], key: NDArray[np.bool_]) -> tuple[Shares, Shares]:
    """(share of attention, share of even attention) on key ticks, [N] each.

    Args:
        weights: N of [2, R], see :meth:`TemporalReader.weights`. key: [N].
    """
    out = np.full((2, len(key)), np.nan)
    for tick, own in enumerate(weights):
        if own is None:
            continue
        reach = min(tick + 1, own.shape[1])
        on_key = own[:, :reach] @ key[tick - reach + 1 : tick + 1][::-1].astype(np.float64)
        if on_key[1] > 0:
            out[:, tick] = on_key
    return out[0], out[1]


def share_on_background(
    attention: Sequence[NDArray[np.float32] | None], region: NDArray[np.float64] | None, labels: NDArray[np.int64]
) -> tuple[Shares, Shares]:
    """(share of attention, share of even attention) outside the weld, [N] each, while the arc burns by the labels.

    Args:
        attention: N of [h, w], None without a camera frame. region: [h, w] share of each cell that shows the weld.
        labels: [N].
    """
    out = np.full((2, len(attention)), np.nan)
    if region is not None:
        for tick in np.flatnonzero(np.isin(labels, _ARC)).tolist():
            own = attention[tick]
            if own is not None and own.sum() > 0:
                out[:, tick] = 1.0 - float((own * region).sum() / own.sum()), 1.0 - float(region.mean())
    return out[0], out[1]


def attribution_figures(bags: Sequence[ReplayedBag]) -> dict[str, float]:
    """Mean shares over all ticks that have one; NaN where none has."""

    def mean(name: str) -> float:
        values = np.concatenate([getattr(bag.attribution, name) for bag in bags])
        values = values[np.isfinite(values)]
        return float(values.mean()) if len(values) else float("nan")

    return {
        "attention_on_key_frames": mean("key_frames"),
        "even_on_key_frames": mean("key_frames_even"),
        "attention_on_background": mean("background"),
        "even_on_background": mean("background_even"),
    }
