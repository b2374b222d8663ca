"""What skipping frames by importance saves, and what it costs: one weld watched under several settings at once."""

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
from msstan_core.inference.frame_sampling import FIXED, FrameSampling
from msstan_core.inference.model_package import ModelPackage
from msstan_core.recordings.annotations import UNLABELLED, action_track
from msstan_core.recordings.bag import BagReader
from msstan_core.training.metrics import macro_f1, shifted_phase_macro_f1
from msstan_core.vocabulary import ACTIONS, MODALITIES, Modality

#: Fixed thresholds tried beside the model's own: from looking at nearly every frame to nearly none.
THRESHOLDS = (0.1, 0.3, 0.5)
#: Shares tried beside the default one.
SHARES = (0.12, 0.15, 0.2, 0.25, 0.3, 0.5)
#: Loss of macro-F1 that a setting may cost to be recommended.
TOLERATED_LOSS = 0.005


@dataclass(frozen=True, slots=True)
class SampledWeld:
    """One recording under every setting; index 0 of every array is no skipping."""

    bag: str
    simulated: bool
    ticks: int
    f1: NDArray[np.float64]  #: [1 + settings] simulated: over actions; real: over phases, at the best common shift
    ms: NDArray[np.float64]  #: [1 + settings] milliseconds of processor time, all ticks, samples to decision
    skipped: NDArray[np.float64]  #: [1 + settings] share of the frames that were not looked at
    changed: NDArray[np.int64]  #: [1 + settings] ticks whose action is another one than without skipping
    rarest: int  #: labelled ticks of the rarest action: one of them counts 1 / (actions * this) of macro-F1

    @property
    def time_saved(self) -> NDArray[np.float64]:
        """[settings] fraction of the time without skipping."""
        return np.asarray(1.0 - self.ms[1:] / self.ms[0])

    @property
    def f1_loss(self) -> NDArray[np.float64]:
        """[settings] macro-F1 without skipping less that with."""
        return np.asarray(self.f1[0] - self.f1[1:])


def tried_settings(package: ModelPackage) -> tuple[FrameSampling, ...]:
    """SHARES with the default one, then THRESHOLDS with the model's own, each ascending."""
    shares = sorted({*SHARES, FrameSampling().share})
    thresholds = sorted({*THRESHOLDS, package.card.config.sampling.threshold})
    return (*(FrameSampling(share=s) for s in shares), *(FrameSampling(t, FIXED) for t in thresholds))


def watch(
    package: ModelPackage,
    bag: Path,
    settings: Sequence[FrameSampling],
    progress: Callable[[float], None] = lambda share: None,
) -> SampledWeld | None:
    """Replay a bag; at each tick every setting's monitor answers in turn, so that they share the machine's moods.

    A sensor that the labels were computed from is left out: with it no frame would be worth anything.

    Returns:
        None for a bag without camera frames or labels.

    Raises:
        InputError: when the bag cannot be read, or the model has no importance gate.
    """
    monitors = [Monitor.load(package.directory, sampling=s) for s in (None, *settings)]
    actions: list[list[int]] = [[] for _ in monitors]
    spent, held = np.zeros(len(monitors)), np.zeros(len(monitors))
    stamps: list[float] = []
    frames = 0
    with BagReader(bag) as reader:
        annotations, simulated = reader.annotations, reader.attributes.get("simulated", "").lower() == "true"
        duration = max(reader.duration_s, 1e-9)
        sources = {annotation.source for annotation in annotations}
        for tick in ticks_of(reader.samples(frozenset(m for m in MODALITIES if m.label not in sources))):
            seen = tick.has(Modality.CAMERA)
            frames += seen
            for turn in range(len(monitors)):
                index = (turn + tick.index) % len(monitors)
                # Processor time, because what else the machine does must not count; of the whole process, because where
                # every frame is looked at the backbone has a thread of its own.
                began = time.process_time()
                decision = monitors[index].step(tick)
                spent[index] += 1e3 * (time.process_time() - began)
                actions[index].append(int(decision.action) - 1)
                held[index] += seen and not decision.looked
            stamps.append(reader.seconds(tick.stamp_ns))
            progress(min(1.0, stamps[-1] / duration))
    time_s = np.array(stamps)
    labels = action_track(annotations, time_s)
    if frames == 0 or not (labels != UNLABELLED).any():
        return None
    answers = np.array(actions)
    f1 = [_f1(time_s, labels, found, simulated) for found in answers]
    return SampledWeld(
        bag.name,
        simulated,
        len(stamps),
        np.array(f1),
        spent,
        held / frames,
        changed=(answers != answers[0]).sum(axis=1),
        rarest=int(min(np.unique(labels[labels != UNLABELLED], return_counts=True)[1])),
    )


def _f1(time_s: NDArray[np.float64], labels: NDArray[np.int64], found: NDArray[np.int64], simulated: bool) -> float:
    if not simulated:  # labels of real welds come from another clock, see training.metrics
        return shifted_phase_macro_f1(time_s, labels, found)[0]
    known = labels != UNLABELLED
    return macro_f1(labels[known], found[known], len(ACTIONS))


#: Kind of weld ("real", "simulated") -> value of the setting -> figures.
Curves = dict[str, dict[str, dict[str, Any]]]


def curves(welds: Sequence[SampledWeld], settings: Sequence[FrameSampling]) -> tuple[Curves, Curves]:
    """(over the shares, over the fixed thresholds): mean and spread over the welds of a kind."""
    by_share: Curves = {}
    by_threshold: Curves = {}
    for kind in ("real", "simulated"):
        chosen = [weld for weld in welds if weld.simulated == (kind == "simulated")]
        if not chosen:
            continue
        rows = [(setting, _row(chosen, index)) for index, setting in enumerate(settings)]
        by_share[kind] = {f"{s.share:g}": row for s, row in rows if s.share != FIXED}
        by_threshold[kind] = {f"{s.threshold:g}": row for s, row in rows if s.share == FIXED}
    return by_share, by_threshold


def _row(welds: Sequence[SampledWeld], index: int) -> dict[str, Any]:
    return {
        "time_saved": _spread([weld.time_saved[index] for weld in welds]),
        "f1_loss": _spread([weld.f1_loss[index] for weld in welds]),
        "f1": _spread([weld.f1[1 + index] for weld in welds]),
        "skipped": _spread([weld.skipped[1 + index] for weld in welds]),
        "changed": _spread([float(weld.changed[1 + index]) for weld in welds]),
        "welds": len(welds),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": round(float(np.mean(values)), 4), "std": round(float(np.std(values)), 4)}


def overall(welds: Sequence[SampledWeld], index: int) -> dict[str, Any]:
    """Figures of one setting over all welds."""
    return _row(welds, index)


def recommended(curve: dict[str, dict[str, Any]]) -> str | None:
    """The value of a curve that saves most and loses at most TOLERATED_LOSS on average; None where none does."""
    fit = {t: row for t, row in curve.items() if row["f1_loss"]["mean"] <= TOLERATED_LOSS}
    return max(fit, key=lambda t: float(fit[t]["time_saved"]["mean"])) if fit else None
