"""How much heat goes in: arc power and heat input steer the attention (section 3.4.3)."""

from __future__ import annotations

from torch import Tensor, nn

from msstan_core.model.configuration import ModelConfig
from msstan_core.preprocessing.telemetry_features import ENERGY_FEATURES
from msstan_core.vocabulary import Modality


class HeatInputConditioning(nn.Module):
    """MLP on arc power and heat input; its result is added to the context and to what the spatial attention scores.

    The paper takes heat input "as auxiliary inputs to guide the model's attention toward regions where thermal effects
    significantly impact" the structure. The values are those of the telemetry branch: mean(U*I) and k*mean(U*I)/v, each
    with a flag that it is known.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.width
        last = nn.Linear(d // 4, d)
        nn.init.zeros_(last.weight)  # starts without influence
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(len(ENERGY_FEATURES), d // 4), nn.GELU(), last)

    def forward(self, telemetry: Tensor, valid: Tensor) -> Tensor:
        """telemetry: [N, InputSpec.telemetry_count], valid: [N, 4] -> condition [N, d]; zero where not valid."""
        energy = telemetry[:, ENERGY_FEATURES[0] : ENERGY_FEATURES[-1] + 1]
        return self.layers(energy) * valid[:, Modality.TELEMETRY, None]  # type: ignore[no-any-return]
