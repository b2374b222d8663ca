"""What the temporal windows have forgotten: a gated recurrent unit beside them, whose memory has no end."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from msstan_core.model.configuration import ModelConfig


class RecurrentMemory(nn.Module):
    """A gated recurrent unit over the multi-scale features (K. Cho et al., EMNLP 2014); its answer is added to theirs.

    The longest window ends after seconds. Whether an arc has burnt yet, which tells a part that waits from one that
    cools, may lie a minute back. Not part of the paper; J. An et al. (MiniROAD, ICCV 2023) show how far such a memory
    alone carries.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d, width = config.width, config.memory.width
        self.norm = nn.LayerNorm(d)
        self.cell = nn.GRU(d, width, batch_first=True)
        self.project = nn.Linear(width, d)
        nn.init.zeros_(self.project.weight)  # starts without influence
        nn.init.zeros_(self.project.bias)

    def unroll(self, x: Tensor) -> Tensor:
        """x: [B, T, d] -> [B, T, d]; the memory is empty (zeros) before the clip."""
        return self.project(self.remember(x))  # type: ignore[no-any-return]

    def remember(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """x: [B, T, d], memory: [B, width] before it (None: empty) -> memory after each tick [B, T, width]."""
        remembered: Tensor = self.cell(self.norm(x), None if memory is None else memory[None].contiguous())[0]
        return remembered

    def step(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """x: [B, d], memory: [B, width] in double precision -> (what it says [B, d], new memory).

        The same as a step of ``unroll`` but for rounding. A unit that keeps its memory for an hour changes it by less
        than 1e-5 a tick: over a shift single precision would lose what is added, and so would a share written that is
        computed as 1 less the share kept, or by a runtime's approximate sigmoid.
        """
        weight_in, weight_past, bias_in, bias_past = self.cell.all_weights[0]
        before = memory.to(x.dtype)
        read = functional.linear(self.norm(x), weight_in, bias_in)
        kept = functional.linear(before, weight_past, bias_past)
        reset_in, keep_in, new_in = read.chunk(3, dim=1)
        reset_past, keep_past, new_past = kept.chunk(3, dim=1)
        reset = (reset_in + reset_past).sigmoid()
        write = 1.0 / (1.0 + (keep_in + keep_past).exp())
        new = torch.tanh(new_in + reset * new_past)
        memory = memory + (write * (new - before)).to(memory.dtype)
        return self.project(memory.to(x.dtype)), memory
