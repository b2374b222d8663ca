"""The network over whole recordings, with all their modalities or with some withheld."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from msstan_core.decision.action_filter import ActionFilter
from msstan_core.decision.action_smoothing import default_hysteresis
from msstan_core.model.ms_stan import MsStan, Output
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.preprocessing.preprocessor import OLDEST_AGE_S
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.clips import whole_recording
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import MODALITIES, Modality


@dataclass(frozen=True, slots=True)
class NetworkRun:
    """What the network said of one recording."""

    recording: Recording
    action_logits: NDArray[np.float32]  #: [N, 9]
    imperfection_logits: NDArray[np.float32]  #: [N, 13]
    embedding: NDArray[np.float32]  #: [N, d]

    @property
    def time_s(self) -> NDArray[np.float64]:
        """[N] from the bag's first stamp."""
        return self.recording.features.time_s

    @property
    def seen(self) -> NDArray[np.bool_]:
        """[N] whether any modality was valid."""
        return np.asarray(self.recording.features.valid.max(axis=1) > 0)

    @property
    def labels(self) -> NDArray[np.int64]:
        """[N] index into ACTIONS, UNLABELLED also where nothing was seen: no statement is made there."""
        return np.where(self.seen, self.recording.features.action, UNLABELLED)


def run_network(model: MsStan, recording: Recording) -> Output:
    """The network over a whole recording, batch axis removed; equal to streaming it tick by tick."""
    with torch.inference_mode():
        output = model.unroll(whole_recording(recording))
    return Output(*(part[0] for part in output))


def run_on(model: MsStan, recording: Recording) -> NetworkRun:
    """:func:`run_network` with what the decision layer needs of it."""
    output = run_network(model, recording)
    logits, imperfections = output.action_logits.numpy(), output.imperfection_logits.numpy()
    return NetworkRun(recording, logits, imperfections, output.embedding.numpy())


def present(recording: Recording) -> frozenset[Modality]:
    """Modalities that are valid in most of the recording's ticks."""
    share = recording.features.valid.mean(axis=0)
    return frozenset(m for m in MODALITIES if share[m] > 0.5)


def fully_sensed(recordings: Sequence[Recording]) -> list[Recording]:
    """Without simulated recordings that have fewer sensors than the others.

    Welds simulated without images are cheap to learn from; what the answers of a cell with all its sensors are worth,
    they cannot say. Real recordings are what there is, and stay.
    """
    most = max((len(present(r)) for r in recordings if r.simulated), default=0)
    return [r for r in recordings if not r.simulated or len(present(r)) == most]


def sensors_of(recordings: Sequence[Recording]) -> NDArray[np.bool_]:
    """[4] whether a tick of any of them has this modality."""
    return np.asarray(np.any([r.features.valid.max(axis=0) > 0 for r in recordings], axis=0))


def reduced_to(recording: Recording, subset: frozenset[Modality]) -> Recording:
    """The recording as a cell with these sensors only would have made it."""
    features = recording.features
    kept = np.array([m in subset for m in MODALITIES])
    age_s = np.where(kept, features.age_s, np.float32(OLDEST_AGE_S))
    return replace(recording, features=replace(features, valid=features.valid * kept, age_s=age_s))


def spread_over_groups(recordings: Sequence[Recording], most: int, seed: int) -> list[Recording]:
    """At most ``most`` recordings, real ones and simulated ones in turn, as many groups as possible.

    In whatever order they are given, the same ones are chosen, and come sorted by group and name.
    """
    recordings = sorted(recordings, key=lambda r: (r.group, r.path.name, str(r.path)))
    rng = np.random.default_rng(seed)
    turn: dict[tuple[bool, str], int] = {}
    ranked = []
    for i in rng.permutation(len(recordings)):
        key = (recordings[i].simulated, recordings[i].group)
        turn[key] = turn.get(key, -1) + 1
        ranked.append((turn[key], int(i)))
    ranked.sort(key=lambda entry: entry[0])
    queues = {kind: [i for _, i in ranked if recordings[i].simulated is kind] for kind in (False, True)}
    chosen: list[int] = []
    while len(chosen) < most and any(queues.values()):
        for queue in queues.values():
            if queue and len(chosen) < most:
                chosen.append(queue.pop(0))
    return [recordings[i] for i in sorted(chosen)]


def filtered_beliefs(
    action_filter: ActionFilter, run: NetworkRun, probabilities: NDArray[np.float32]
) -> NDArray[np.float32]:
    """[N, 9] calibrated probabilities -> [N, 9] the filter's belief, as the live monitor would have it."""
    action_filter.reset()
    observed = np.where(run.seen[:, None], probabilities, np.nan).astype(np.float32)
    return np.stack([action_filter.update(float(t), p) for t, p in zip(run.time_s, observed, strict=True)])


def decided(run: NetworkRun, beliefs: NDArray[np.float32]) -> NDArray[np.int64]:
    """[N, 9] -> [N] indices into ACTIONS, as the monitor says them by default; UNLABELLED where nothing was seen."""
    steady = default_hysteresis()
    known = np.where(run.seen[:, None], beliefs, np.nan).astype(np.float32)
    stamps_ns = np.round(run.time_s * NANOSECONDS_PER_SECOND).astype(np.int64)
    said = [steady.update(int(stamp), belief) for stamp, belief in zip(stamps_ns, known, strict=True)]
    return np.where(run.seen, said, UNLABELLED)
