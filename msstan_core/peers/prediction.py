"""What a trained peer says at every tick of a recording."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from msstan_core.peers.layers import normalised
from msstan_core.peers.peer import OUTPUTS, Kind, Peer
from msstan_core.peers.pixel_clips import Watched, clip_rows, shrunk
from msstan_core.training.clips import whole_recording

_BATCH = 16


def watch(peer: Peer, network: nn.Module, watched: Watched, decision_stride: int) -> NDArray[np.float32]:
    """Logits of every tick [N, OUTPUTS], from nothing later than it, held between updates; 0 before the first frame.

    Args:
        peer: of which ``network`` is the trained reduced size. watched: the recording.
        decision_stride: ticks between two updates of a clip network, which are too costly for every tick; a streaming
            network updates at the stride it is trained at, one over features at every tick.
    """
    with torch.inference_mode():
        if peer.kind is Kind.FEATURES:
            return np.asarray(network(whole_recording(watched.recording))[0].numpy(), np.float32)
        newest = watched.newest_row
        stride = decision_stride if peer.kind is Kind.CLIP else peer.reduced.sampling.stride
        at = np.flatnonzero(newest >= 0)[::stride]
        if not len(at):
            return np.zeros((len(newest), OUTPUTS), np.float32)
        updated = _clips(peer, network, watched, at) if peer.kind is Kind.CLIP else _stream(peer, network, watched, at)
    held = np.searchsorted(at, np.arange(len(newest)), side="right") - 1
    return np.where(held[:, None] >= 0, updated[np.maximum(held, 0)], np.float32(0.0))


def _clips(peer: Peer, network: nn.Module, watched: Watched, at: NDArray[np.int64]) -> NDArray[np.float32]:
    rows = clip_rows(watched.newest_row[at], peer.reduced.sampling)
    pixels = peer.reduced.sampling.pixels
    parts = []
    for begin in range(0, len(rows), _BATCH):
        frames = shrunk(watched.frames[rows[begin : begin + _BATCH]], pixels)
        parts.append(network(normalised(torch.from_numpy(frames))).numpy())
    return np.concatenate(parts)


def _stream(peer: Peer, network: Any, watched: Watched, at: NDArray[np.int64]) -> NDArray[np.float32]:
    state = network.initial_state(1)
    out = []
    for row in watched.newest_row[at]:
        pixels = shrunk(watched.frames[row], peer.reduced.sampling.pixels)
        frame = normalised(torch.from_numpy(pixels[None, None]))[:, :, 0]
        logits, *state = network.step(frame, *state)
        out.append(logits[0].numpy())
    return np.stack(out)
