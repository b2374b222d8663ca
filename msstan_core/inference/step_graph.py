"""The one graph that streams: a tick's arrays and the state in, probabilities and the new state out."""

from __future__ import annotations

from torch import Tensor, nn

from msstan_core.model.ms_stan import Features, MsStan, State

OUTPUT_NAMES = ("action_logits", "imperfection_logits", "combined", "modality_weights", "attention")
STATE_NAMES = ("convolution", "ring", "filled")


class StepGraph(nn.Module):
    """``MsStan.step`` with flat arguments, as an exporter and a runtime want them."""

    def __init__(self, model: MsStan) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        camera: Tensor,
        thermal: Tensor,
        log_mel: Tensor,
        telemetry: Tensor,
        context: Tensor,
        valid: Tensor,
        age_s: Tensor,
        convolution: Tensor,
        ring: Tensor,
        filled: Tensor,
    ) -> tuple[Tensor, ...]:
        """Arguments as in :class:`~msstan_core.preprocessing.preprocessor.NetworkInput`, then the state."""
        rest = Features(camera, thermal, log_mel, telemetry, context, valid, age_s)
        output, state = self.model.step(camera, rest, State(convolution, ring, filled))
        return (*output, *state)
