"""When to look: separable causal convolution and attention over several windows of the past.

Each piece has two faces with the same weights: ``unroll`` over a clip [B, T, d] for training and ``step`` over one tick
with explicit state for the live monitor. Streaming equals unrolled because every operation at t reads t and earlier
only, and the state holds exactly what it reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from msstan_core.model.configuration import ModelConfig
from msstan_core.model.occlusion import visibility_bias

_MASKED = -1e9
#: Ticks of a clip that look back at a time: a clip of training is one block.
BLOCK_TICKS = 256


class SeparableCausalConvolution(nn.Module):
    """Depthwise over time, then pointwise over channels (43), causal.

    The paper's window t-k..t+k looks ahead, which a live monitor cannot; this one reads t-k+1..t.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.width
        self.past = config.temporal_kernel - 1
        self.norm = nn.LayerNorm(d)
        self.depthwise = nn.Conv1d(d, d, config.temporal_kernel, groups=d, bias=False)  # the norm has one
        self.pointwise = nn.Linear(d, d)

    def unroll(self, x: Tensor) -> Tensor:
        """x: [B, T, d] -> h: [B, T, d]; before the clip lies silence (zeros)."""
        padded = functional.pad(self.norm(x).transpose(1, 2), (self.past, 0))
        return x + self.pointwise(functional.gelu(self.depthwise(padded).transpose(1, 2)))  # type: ignore[no-any-return]

    def step(self, x: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
        """x: [B, d], history: [B, past, d] normed inputs -> (h: [B, d], new history)."""
        taps = torch.cat([history, self.norm(x).unsqueeze(1)], dim=1)  # [B, past+1, d]
        mixed = (taps * self.depthwise.weight.squeeze(1).t()).sum(dim=1)
        return x + self.pointwise(functional.gelu(mixed)), taps[:, 1:]


class MultiScaleTemporalAttention(nn.Module):
    """Attention over the last tau ticks for each window tau (9, 15, 16, 18), then fusion with residual (10, 12).

    Keys and values are shared by the windows; queries and the bias by age are each window's own.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.width
        self.heads = config.attention_heads
        self.windows = config.windows
        self.ring = config.ring_ticks
        self.query = nn.Linear(d, d * len(config.windows))
        self.key_value = nn.Linear(d, 2 * d)
        # One bias per head and age in ticks: recency is learnt, not assumed.
        self.age_bias = nn.Parameter(torch.zeros(len(config.windows), self.heads, self.ring))
        self.fuse = nn.Linear(d * len(config.windows), d)
        self.norm = nn.LayerNorm(d)
        self.scale = 1.0 / math.sqrt(d // self.heads)  # (18), each head with its own width

    def unroll(self, h: Tensor, visible: Tensor | None = None) -> Tensor:
        """h: [B, T, d], visible: [B, T] share of each tick that nothing hides (28) -> multi-scale feature [B, T, d]."""
        batch, ticks, d = h.shape
        key, value = (self._split(part) for part in self.key_value(h).chunk(2, dim=2))  # [B, H, T, d/H]
        queries = self.query(h).chunk(len(self.windows), dim=2)
        read = []
        for index, window in enumerate(self.windows):
            query = self._split(queries[index])
            found = []
            for now, seen in blocks(ticks, window):
                age = ages(now, seen, h.device)
                scores = query[:, :, now] @ key[:, :, seen].transpose(2, 3) * self.scale  # [B, H, now, seen]
                scores = scores + self.age_bias[index][:, age.clamp(0, self.ring - 1)]
                if visible is not None:
                    scores = scores + visibility_bias(visible[:, seen])[:, None, None, :]  # (28)
                inside = (age >= 0) & (age < window)
                weights = scores.masked_fill(~inside, _MASKED).softmax(dim=3)  # (15), (18)
                found.append(weights @ value[:, :, seen])  # (16)
            read.append(torch.cat(found, dim=2).transpose(1, 2).reshape(batch, ticks, d))
        return self._fuse(torch.cat(read, dim=2), h)

    def step(self, h: Tensor, ring: Tensor, filled: Tensor, visible: Tensor | None = None) -> Tensor:
        """The newest tick of a ring.

        Args:
            h: [B, d], also the newest in the ring. ring: [B, R, d] features, newest last.
            filled: [B, R] 1 where the ring holds a tick. visible: [B, R] as in ``unroll``.

        Returns:
            Multi-scale feature [B, d].
        """
        key, value = (self._split(part) for part in self.key_value(ring).chunk(2, dim=2))  # [B, H, R, d/H]
        weights = self._step_weights(h, key, filled, visible)
        return self._fuse((weights @ value).transpose(1, 2).flatten(1), h)  # (16)

    def weights(self, ring: Tensor, filled: Tensor, visible: Tensor | None = None) -> Tensor:
        """What the newest tick of a ring attends to: [B, windows, heads, R], sums to 1 over the ring.

        Args:
            ring, filled, visible: as in ``step``, after it.
        """
        key, _ = (self._split(part) for part in self.key_value(ring).chunk(2, dim=2))
        return self._step_weights(ring[:, -1], key, filled, visible).transpose(1, 2)

    def _step_weights(self, h: Tensor, key: Tensor, filled: Tensor, visible: Tensor | None) -> Tensor:
        """[B, H, windows, R]: all windows in one product, for a tick is so little work that every operation shows."""
        query = self.query(h).unflatten(1, (len(self.windows), self.heads, -1)).transpose(1, 2)
        scores = query @ key.transpose(2, 3) * self.scale + self.age_bias.flip(2).transpose(0, 1)
        if visible is not None:
            scores = scores + visibility_bias(visible)[:, None, None, :]  # (28)
        inside = filled[:, None, None, :] * torch.stack([recent(window, filled) for window in self.windows])
        weights: Tensor = (scores + (1.0 - inside) * _MASKED).softmax(dim=3)  # (15), (18)
        return weights

    def _split(self, x: Tensor) -> Tensor:
        """[B, T, d] -> [B, heads, T, d/heads]."""
        batch, ticks, d = x.shape
        return x.reshape(batch, ticks, self.heads, d // self.heads).transpose(1, 2)

    def _fuse(self, scales: Tensor, h: Tensor) -> Tensor:
        fused: Tensor = self.norm(self.fuse(scales))  # (10)
        return fused + h  # (12)


class MultiScaleMean(nn.Module):
    """The plain mean over the last tau ticks for each window: what is left when temporal attention is switched off."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.width
        self.windows = config.windows
        self.value = nn.Linear(d, d)
        self.fuse = nn.Linear(d * len(config.windows), d)
        self.norm = nn.LayerNorm(d)

    def unroll(self, h: Tensor, visible: Tensor | None = None) -> Tensor:
        """As :meth:`MultiScaleTemporalAttention.unroll`; every tick of a window counts the same, hidden or not."""
        value = self.value(h)
        read = []
        for window in self.windows:
            found = []
            for now, seen in blocks(h.shape[1], window):
                age = ages(now, seen, h.device)
                inside = ((age >= 0) & (age < window)).to(h.dtype)
                found.append(inside / inside.sum(dim=1, keepdim=True) @ value[:, seen])  # (9)
            read.append(torch.cat(found, dim=1))
        return self.norm(self.fuse(torch.cat(read, dim=2))) + h  # type: ignore[no-any-return]  # (10), (12)

    def step(self, h: Tensor, ring: Tensor, filled: Tensor, visible: Tensor | None = None) -> Tensor:
        """As :meth:`MultiScaleTemporalAttention.step`."""
        value = self.value(ring)
        read = []
        for window in self.windows:
            inside = filled * recent(window, filled)
            read.append((inside / inside.sum(dim=1, keepdim=True)).unsqueeze(1) @ value)
        return self.norm(self.fuse(torch.cat(read, dim=2).squeeze(1))) + h  # type: ignore[no-any-return]


def blocks(ticks: int, window: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of a clip's ticks, each with the ticks that its windows reach back to: (now, seen).

    The memory that attention takes thereby grows with the length of a recording, not with its square.
    """
    for begin in range(0, ticks, BLOCK_TICKS):
        end = min(begin + BLOCK_TICKS, ticks)
        yield slice(begin, end), slice(max(0, begin - window + 1), end)


def ages(now: slice, seen: slice, device: torch.device) -> Tensor:
    """[now, seen] how many ticks each seen tick lies before each one now; negative: after it."""
    return torch.arange(now.start, now.stop, device=device)[:, None] - torch.arange(
        seen.start, seen.stop, device=device
    )


def recent(window: int, ring: Tensor) -> Tensor:
    """[R], 1 for the newest ``window`` places of a ring [B, R] whose newest is last."""
    age = torch.arange(ring.shape[1] - 1, -1, -1, device=ring.device)
    return (age < window).to(ring.dtype)


def pushed(ring: Tensor, newest: Tensor) -> Tensor:
    """The ring [B, R, ...] without its oldest, with ``newest`` [B, ...] at its end."""
    return torch.cat([ring[:, 1:], newest.unsqueeze(1)], dim=1)


def temporal_aggregation(config: ModelConfig) -> MultiScaleTemporalAttention | MultiScaleMean | None:
    """What reads the ring under this configuration; None where the 3D convolutions alone aggregate."""
    kind = config.aggregation.kind
    if kind == "convolution":
        return None
    return MultiScaleMean(config) if kind == "mean" else MultiScaleTemporalAttention(config)
