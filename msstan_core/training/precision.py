"""Mixed precision on a GPU that gains from it; nothing at all on a CPU."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from msstan_core.model.signals import Auxiliary, Output

GRADIENT_NORM = 1.0
_Answers = TypeVar("_Answers", Output, Auxiliary)


class Precision:
    """Autocast with bfloat16 where the GPU has it, else half precision with a scaled loss.

    Args:
        device: of the training. mixed: False keeps single precision on a GPU too.
    """

    def __init__(self, device: torch.device, *, mixed: bool) -> None:
        self.mixed = mixed and device.type == "cuda"
        # GPUs without it emulate bfloat16, slowly.
        brain = self.mixed and torch.cuda.is_bf16_supported(including_emulation=False)
        self._type = torch.bfloat16 if brain else torch.float16
        scaled = self.mixed and self._type is torch.float16
        self._scaler = torch.amp.GradScaler("cuda", enabled=scaled)

    def forward(self) -> AbstractContextManager[Any]:
        """Around the forward pass; losses are computed outside, see :func:`in_single_precision`."""
        return torch.autocast("cuda", self._type) if self.mixed else nullcontext()

    def update(self, loss: Tensor, optimiser: torch.optim.Optimizer, parameters: Iterable[nn.Parameter]) -> None:
        """One optimiser step from the loss, with the gradient's norm bounded."""
        optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(optimiser)
        torch.nn.utils.clip_grad_norm_(list(parameters), GRADIENT_NORM)
        self._scaler.step(optimiser)
        self._scaler.update()

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return self._scaler.state_dict()

    def restore(self, state: dict[str, Any]) -> None:
        """From the checkpoint."""
        if state:
            self._scaler.load_state_dict(state)


def in_single_precision(answers: _Answers) -> _Answers:
    """The same answers with every part of them in single precision: losses neither overflow nor round in it."""
    return type(answers)(*(part.float() if isinstance(part, Tensor) else part for part in answers))
