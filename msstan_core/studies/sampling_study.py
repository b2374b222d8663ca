"""What skipping frames by importance saves, and what it costs: one weld watched by several thresholds at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.alignment import ticks_of
from msstan_core.decision.pipeline import Monitor
from msstan_core.inference.model_package import ModelPackage
from msstan_core.recordings.annotations import UNLABELLED, action_track
from msstan_core.recordings.bag import BagReader
from msstan_core.training.metrics import macro_f1, shifted_phase_macro_f1
from msstan_core.vocabulary import ACTIONS, MODALITIES, Modality

#: Thresholds tried beside the model's own: from looking at nearly every frame to nearly none.
THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
#: Loss of macro-F1 that a threshold may cost to be recommended.
TOLERATED_LOSS = 0.005


@dataclass(frozen=True, slots=True)
class WatchedWeld:
    """One recording under every threshold; index 0 of every array is no skipping."""

    bag: str
    simulated: bool
    ticks: int
    f1: NDArray[np.float64]  #: [1 + thresholds] simulated: over actions; real: over phases, at the best common shift
    ms: NDArray[np.float64]  #: [1 + thresholds] milliseconds of processor time, all ticks, samples to decision
    skipped: NDArray[np.float64]  #: [1 + thresholds] share of the frames that were not looked at

    @property
    def time_saved(self) -> NDArray[np.float64]:
        """[thresholds] fraction of the time without skipping."""
        return np.asarray(1.0 - self.ms[1:] / self.ms[0])

    @property
    def f1_loss(self) -> NDArray[np.float64]:
        """[thresholds] macro-F1 without skipping less that with."""
        return np.asarray(self.f1[0] - self.f1[1:])


def tried_thresholds(package: ModelPackage) -> tuple[float, ...]:
    """THRESHOLDS and the model's own, ascending."""
    return tuple(sorted({*THRESHOLDS, package.card.config.sampling.threshold}))


def watch(
    package: ModelPackage,
    bag: Path,
    thresholds: Sequence[float],
    progress: Callable[[float], None] = lambda share: None,
) -> WatchedWeld | None:
    """Replay a bag; at each tick every threshold's monitor answers in turn, so that they share the machine's moods.

    Returns:
        None for a bag without camera frames or labels.

    Raises:
        InputError: when the bag cannot be read, or the model has no importance gate.
    """
    monitors = [Monitor.load(package.directory, sampling_threshold=t) for t in (None, *thresholds)]
    actions: list[list[int]] = [[] for _ in monitors]
    spent, held = np.zeros(len(monitors)), np.zeros(len(monitors))
    stamps: list[float] = []
    frames = 0
    with BagReader(bag) as reader:
        annotations, simulated = reader.annotations, reader.attributes.get("simulated", "").lower() == "true"
        duration = max(reader.duration_s, 1e-9)
        for tick in ticks_of(reader.samples(frozenset(MODALITIES))):
            seen = tick.has(Modality.CAMERA)
            frames += seen
            for turn in range(len(monitors)):
                index = (turn + tick.index) % len(monitors)
                # Processor time: one thread does it all, and what else the machine does must not count.
                began = time.thread_time()
                decision = monitors[index].step(tick)
                spent[index] += 1e3 * (time.thread_time() - began)
                actions[index].append(int(decision.action) - 1)
                held[index] += seen and not decision.looked
            stamps.append(reader.seconds(tick.stamp_ns))
            progress(min(1.0, stamps[-1] / duration))
    time_s = np.array(stamps)
    labels = action_track(annotations, time_s).astype(np.int64) - 1
    if frames == 0 or not (labels != UNLABELLED).any():
        return None
    f1 = [_f1(time_s, labels, np.array(found), simulated) for found in actions]
    return WatchedWeld(bag.name, simulated, len(stamps), np.array(f1), spent, held / frames)


def _f1(time_s: NDArray[np.float64], labels: NDArray[np.int64], found: NDArray[np.int64], simulated: bool) -> float:
    if not simulated:  # labels of real welds come from another clock, see training.metrics
        return shifted_phase_macro_f1(time_s, labels, found)[0]
    known = labels != UNLABELLED
    return macro_f1(labels[known], found[known], len(ACTIONS))


def curves(welds: Sequence[WatchedWeld], thresholds: Sequence[float]) -> dict[str, dict[str, dict[str, Any]]]:
    """Kind ("real", "simulated") -> threshold -> figures, mean and spread over the welds."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for kind in ("real", "simulated"):
        chosen = [weld for weld in welds if weld.simulated == (kind == "simulated")]
        if chosen:
            out[kind] = {f"{t:g}": _row(chosen, index) for index, t in enumerate(thresholds)}
    return out


def _row(welds: Sequence[WatchedWeld], index: int) -> dict[str, Any]:
    return {
        "time_saved": _spread([weld.time_saved[index] for weld in welds]),
        "f1_loss": _spread([weld.f1_loss[index] for weld in welds]),
        "f1": _spread([weld.f1[1 + index] for weld in welds]),
        "skipped": _spread([weld.skipped[1 + index] for weld in welds]),
        "welds": len(welds),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": round(float(np.mean(values)), 4), "std": round(float(np.std(values)), 4)}


def overall(welds: Sequence[WatchedWeld], index: int) -> dict[str, Any]:
    """Figures of one threshold over all welds."""
    return _row(welds, index)


def recommended(curve: dict[str, dict[str, Any]]) -> str | None:
    """The threshold of a curve that saves most and loses at most TOLERATED_LOSS on average; None where none does."""
    fit = {t: row for t, row in curve.items() if row["f1_loss"]["mean"] <= TOLERATED_LOSS}
    return max(fit, key=lambda t: float(fit[t]["time_saved"]["mean"])) if fit else None
