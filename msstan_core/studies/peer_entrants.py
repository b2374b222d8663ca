"""MS-STAN and its peers as one thing: trained on a split within a budget, then asked about recordings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.model.ms_stan import MsStan
from msstan_core.peers.hog_svm import HogSvm, hog
from msstan_core.peers.peer import CAMERA, OUTPUTS, Kind, Peer
from msstan_core.peers.pixel_clips import Watched
from msstan_core.peers.prediction import watch
from msstan_core.peers.registry import PEERS
from msstan_core.peers.tick_features import ALL
from msstan_core.peers.training import train_peer
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.configuration import TrainingConfig, with_fixed_budget
from msstan_core.training.measured_ticks import TickSampler
from msstan_core.training.network_runs import run_network
from msstan_core.training.recording_features import Recording
from msstan_core.training.trainer import TrainedModel, train
from msstan_core.vocabulary import ACTIONS, MODALITIES, Modality

#: MS-STAN itself, with all sensors and with the camera alone, as the pixel peers have it.
MS_STAN = {"ms_stan": ("MS-STAN", ALL), "ms_stan_camera": ("MS-STAN, camera only", CAMERA)}
ENTRANTS = (*MS_STAN, *PEERS)
#: How its second opinion on imperfections is taught, and in which share of the budget; more than in the shipped model's
#: recipe, whose training is much longer.
OPINION = {"trained_part": "measured", "measured_ticks": 2048}
OPINION_SHARE = 0.15
#: Steps by which MS-STAN's pace is measured before its schedule is laid into the budget; those after the first two.
#: Many, because steps without images are cheaper than others and chance says which they are.
_PACE_STEPS, _WARM_UP_STEPS = 26, 2
#: Frames that the SVM learns from at most: its solver has no budget, and more frames hardly differ.
SVM_FRAMES = 4000


@dataclass(frozen=True, slots=True)
class Judged:
    """A trained entrant on the test split."""

    logits: list[NDArray[np.float32]]  #: [N, 9 + 13] of each recording
    steps: int
    train_seconds: float


def label(entrant: str) -> str:
    """How tables name an entrant, at the size it is trained at."""
    return MS_STAN[entrant][0] + " nano" if entrant in MS_STAN else PEERS[entrant].reduced.name


def modalities(entrant: str) -> frozenset[Modality]:
    """What an entrant is given."""
    return MS_STAN[entrant][1] if entrant in MS_STAN else PEERS[entrant].modalities


def reads_pixels(entrant: str) -> bool:
    """Whether an entrant needs the camera's frames and not only features."""
    return entrant in PEERS and PEERS[entrant].kind is not Kind.FEATURES


def judge(
    entrant: str,
    config: TrainingConfig,
    training: Sequence[Watched],
    test: Sequence[Watched],
    budget_s: float,
    decision_stride: int,
    clock: Callable[[], float] = time.process_time,
) -> Judged:
    """Train an entrant on one split within the budget and run it over the other.

    Args:
        entrant: of ENTRANTS. config: of MS-STAN; its seed and its losses are everybody's.
        budget_s: training time on ``clock``. decision_stride: see ``prediction.watch``.

    Raises:
        InputError: for an unknown entrant, or one whose sensors the recordings lack.
    """
    if entrant not in ENTRANTS:
        raise InputError(entrant, "is no peer", f"choose from {', '.join(ENTRANTS)}")
    given = modalities(entrant)
    training, test = [_only(w, given) for w in training], [_only(w, given) for w in test]
    if not any(w.recording.features.valid.any() for w in training):
        raise InputError(entrant, "reads sensors that the training recordings do not have", "leave it out")
    if entrant in MS_STAN:
        return _ms_stan(config, training, test, budget_s, clock)
    peer = PEERS[entrant]
    if peer.kind is Kind.FRAME:
        return _svm(config, training, test, clock)
    return _network(peer, config, training, test, budget_s, decision_stride, clock)


def _ms_stan(
    config: TrainingConfig,
    training: Sequence[Watched],
    test: Sequence[Watched],
    budget_s: float,
    clock: Callable[[], float],
) -> Judged:
    """As the shipped model: the network, then the second opinion on imperfections where telemetry teaches it."""
    recordings = [w.recording for w in training]
    opinion = config.model_copy(update=OPINION)
    teaches = TickSampler(opinion, recordings).found
    begun = clock()
    network = _within((1.0 - OPINION_SHARE if teaches else 1.0) * budget_s, config, recordings, clock)
    model = network.model
    if teaches:
        model = _within(budget_s - (clock() - begun), opinion, recordings, clock, initial=model).model
    trained_s = clock() - begun
    logits = []
    for watched in test:
        output = run_network(model, watched.recording)
        logits.append(np.concatenate([output.action_logits.numpy(), output.imperfection_logits.numpy()], axis=1))
    return Judged(logits, network.steps, trained_s)


def _within(
    budget_s: float,
    config: TrainingConfig,
    recordings: Sequence[Recording],
    clock: Callable[[], float],
    initial: MsStan | None = None,
) -> TrainedModel:
    """The trainer counts steps; a few of them tell how many fit into what is left of the budget."""
    config = with_fixed_budget(config)
    begun = clock()
    stamps: list[float] = []
    train(
        config.model_copy(update={"steps": _PACE_STEPS}),
        recordings,
        initial=initial,
        progress=lambda step, steps, loss: stamps.append(clock()),
    )
    pace = (stamps[-1] - stamps[_WARM_UP_STEPS - 1]) / (_PACE_STEPS - _WARM_UP_STEPS)
    steps = max(1, int((budget_s - (clock() - begun)) / max(pace, 1e-6)))
    return train(config.model_copy(update={"steps": steps}), recordings, initial=initial)


def _network(
    peer: Peer,
    config: TrainingConfig,
    training: Sequence[Watched],
    test: Sequence[Watched],
    budget_s: float,
    decision_stride: int,
    clock: Callable[[], float],
) -> Judged:
    trained = train_peer(peer, config, training, config.seed, budget_s, clock)
    logits = [watch(peer, trained.network, w, decision_stride) for w in test]
    return Judged(logits, trained.steps, trained.seconds)


def _svm(
    config: TrainingConfig, training: Sequence[Watched], test: Sequence[Watched], clock: Callable[[], float]
) -> Judged:
    """HOG and SVM on a sample of labelled frames; it says nothing of imperfections."""
    begun = clock()
    rng = np.random.default_rng(config.seed)
    where = [
        (w, t)
        for w in training
        for t in np.flatnonzero((w.recording.features.camera_row >= 0) & (w.recording.features.action != UNLABELLED))
    ]
    chosen = [where[i] for i in rng.permutation(len(where))[:SVM_FRAMES]]
    frames = np.stack([w.frames[w.recording.features.camera_row[t]] for w, t in chosen])
    svm = HogSvm(config.seed)
    svm.fit(hog(frames), np.array([w.recording.features.action[t] for w, t in chosen]))
    trained_s = clock() - begun
    logits = []
    for watched in test:
        newest = watched.newest_row
        out = np.zeros((len(newest), OUTPUTS), np.float32)
        out[:, len(ACTIONS) :] = np.nan
        if len(watched.frames):
            scores = svm.scores(hog(watched.frames), len(ACTIONS))
            out[newest >= 0, : len(ACTIONS)] = scores[newest[newest >= 0]]
        logits.append(out)
    return Judged(logits, len(chosen), trained_s)


def _only(watched: Watched, given: frozenset[Modality]) -> Watched:
    """The recording with the given modalities alone; the weld's context only goes with all of them."""
    if given == ALL:
        return watched
    recording: Recording = watched.recording
    valid = recording.features.valid.copy()
    valid[:, [m for m in MODALITIES if m not in given]] = 0
    context = recording.features.context
    if Modality.TELEMETRY not in given:
        context = np.zeros_like(context)
    return replace(
        watched, recording=replace(recording, features=replace(recording.features, valid=valid, context=context))
    )
