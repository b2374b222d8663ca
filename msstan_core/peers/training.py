"""Training of peers: the losses and class weights of MS-STAN, AdamW, and a budget in seconds instead of steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from msstan_core.errors import InputError
from msstan_core.peers.layers import normalised
from msstan_core.peers.peer import OUTPUTS, Kind, Peer
from msstan_core.peers.pixel_clips import PixelClipSampler, Watched
from msstan_core.training.clips import ClipSampler, class_weights
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.losses.classification import action_loss, imperfection_loss
from msstan_core.vocabulary import ACTIONS

#: Clips a step, by kind; chosen so that a step takes a fraction of a second on one core.
CLIPS_PER_STEP = {Kind.CLIP: 8, Kind.STREAMING: 4, Kind.FEATURES: 8}
_LEARNING_RATE, _WEIGHT_DECAY, _GRADIENT_NORM = 1e-3, 0.01, 1.0
_WARM_UP_SHARE, _LAST_RATE = 0.05, 0.02

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained peer."""

    network: nn.Module
    steps: int
    seconds: float  #: on the clock that the budget is kept by
    final_loss: float  #: mean of the last tenth of the steps


def train_peer(
    peer: Peer,
    config: TrainingConfig,
    watched: Sequence[Watched],
    seed: int,
    budget_s: float,
    clock: Clock = time.process_time,
) -> Trained:
    """Train the reduced size of a peer until the budget is spent; at least one step.

    Args:
        peer: a network. config: whose class balance, imperfection weight and augmentation are used, as for MS-STAN.
        watched: the training split. seed: of weights, clips and dropout.
        budget_s: seconds. clock: what they are counted by; by default the processor time of this process, which is
            the wall clock of an idle core and does not punish a peer for what else the machine does.

    Raises:
        InputError: when a peer that reads pixels is given no frames.
    """
    if peer.kind is not Kind.FEATURES and not any(len(w.frames) for w in watched):
        raise InputError(peer.name, "reads camera frames and the training recordings hold none", "leave it out")
    torch.manual_seed(seed)
    sizes = {"config": config.model_config_of_size()} if peer.kind is Kind.FEATURES else {}
    network = peer.reduced.build(OUTPUTS, **sizes).train()
    draw = _source(peer, network, config, watched, seed)
    weights, _ = class_weights([w.recording for w in watched], config.class_balance)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    begun = clock()
    losses: list[float] = []
    while not losses or clock() - begun < budget_s:
        spent = min(1.0, (clock() - begun) / budget_s)
        for group in optimiser.param_groups:
            group["lr"] = _LEARNING_RATE * _schedule(spent)
        inputs, actions, imperfections, seen = draw()
        logits: Tensor = network(inputs)
        if logits.ndim == 2:
            logits = logits[:, None]  # a clip network speaks of its newest frame only
        action = action_loss(logits[..., : len(ACTIONS)], actions, seen, weights, config.label_smoothing)
        loss = action + config.imperfection_weight * imperfection_loss(logits[..., len(ACTIONS) :], imperfections)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_NORM)
        optimiser.step()
        losses.append(float(loss.detach()))
    tail = losses[-max(1, len(losses) // 10) :]
    return Trained(network.eval(), len(losses), clock() - begun, sum(tail) / len(tail))


def _schedule(spent: float) -> float:
    """Linear warm-up, then cosine to 2 %, over the share of the budget that is spent."""
    if spent < _WARM_UP_SHARE:
        return 0.1 + 0.9 * spent / _WARM_UP_SHARE
    along = (spent - _WARM_UP_SHARE) / (1.0 - _WARM_UP_SHARE)
    return _LAST_RATE + (1.0 - _LAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * along))


def _source(
    peer: Peer, network: nn.Module, config: TrainingConfig, watched: Sequence[Watched], seed: int
) -> Callable[[], tuple[Any, Tensor, Tensor, Tensor]]:
    """Draws (what the network takes, actions [B, T], imperfections [B, T, 13], weight of each tick [B, T])."""
    clips = CLIPS_PER_STEP[peer.kind]
    if peer.kind is Kind.FEATURES:
        recordings = [w.recording for w in watched]
        sampler = ClipSampler(
            recordings,
            config.clip_ticks,
            config.group_balance,
            config.augmentation,
            seed,
            programme_columns=config.programme_columns,
            real_weight=config.real_weight,
        )
        # A memory that has not run yet is not what streams: MiniROAD leaves the beginning of a clip out of the loss.
        first = round(float(getattr(network, "loss_from", 0.0)) * config.clip_ticks)
        read = sorted(peer.modalities)

        def from_features() -> tuple[Any, Tensor, Tensor, Tensor]:
            batch = sampler.draw(clips)
            seen = batch.weight * (batch.features.valid[:, :, read].amax(dim=2) > 0)
            seen[:, :first] = 0
            imperfections = batch.imperfection.clone()
            imperfections[:, :first] = float("nan")
            return batch.features, batch.action, imperfections, seen

        return from_features
    pixels = PixelClipSampler(watched, peer.reduced.sampling, seed, every_frame=peer.kind is Kind.STREAMING)

    def from_pixels() -> tuple[Any, Tensor, Tensor, Tensor]:
        frames, actions, imperfections = pixels.draw(clips)
        return normalised(frames), actions, imperfections, torch.ones(actions.shape)

    return from_pixels
