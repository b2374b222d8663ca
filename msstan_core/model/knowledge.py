"""Where a welder would look: priors of the spatial attention from what is known of the scene (equations 45, 46)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from msstan_core.model.configuration import ModelConfig
from msstan_core.model.state import camera_map_side, thermal_map_side

#: A place this much colder than the hottest has e times less prior. Over a cold plate the prior is even: no statement.
SPREAD_C = 300.0
#: The same for grey levels of the camera image.
SPREAD_GREY = 40.0


class KnowledgePrior(nn.Module):
    """Guidance of the attention towards the hottest spot and the torch tip.

    Equation 45 as printed adds two distributions, alpha + prior, which sums to 2. Added in logit space instead, the
    result is a distribution again: softmax(score + strength * log prior) is alpha * prior^strength, normalised. The
    prior is the normalised (46) product of what is known, mixed with an even share so that it never forbids a place.
    The strength is learnt: 0 where the knowledge does not help.

    Args:
        config: what is known, and the even share.
        side: places per side of the map. spread: difference of the image's values that means e times less prior.
        tip: x and y of the torch tip as shares of the image; None: not known.
    """

    log_tip: Tensor

    def __init__(self, config: ModelConfig, side: int, spread: float, tip: tuple[float, float] | None) -> None:
        super().__init__()
        knowledge = config.knowledge
        self.side, self.spread, self.floor = side, spread, knowledge.floor
        self.hottest_spot = knowledge.hottest_spot
        self.strength = nn.Parameter(torch.tensor(1.0))
        log_tip = torch.zeros(side, side)
        if tip is not None:
            centres = (torch.arange(side) + 0.5) / side
            distance = (centres[None, :] - tip[0]).square() + (centres[:, None] - tip[1]).square()
            log_tip = -0.5 * distance / knowledge.tip_spread**2
        # Not a weight: it follows from the configuration, and a moved camera must not need other weights.
        self.register_buffer("log_tip", log_tip, persistent=False)

    def prior(self, image: Tensor | None) -> Tensor:
        """Normalised prior (46), [B, h, w].

        image: [B, H, W] degC or grey levels, H and W multiples of side; None gives what is known without it, [1, h, w].
        """
        logits = self.log_tip.unsqueeze(0)
        if self.hottest_spot and image is not None:
            # Means, not maxima: a glowing spatter or a hot pixel is not the arc.
            cells = functional.avg_pool2d(image.unsqueeze(1), image.shape[-1] // self.side).squeeze(1)
            logits = logits + cells / self.spread
        known = logits.flatten(1).softmax(dim=1)
        return ((1.0 - self.floor) * known + self.floor / self.side**2).view_as(logits)

    def forward(self, image: Tensor | None) -> Tensor:
        """image: as for ``prior`` -> guidance [B or 1, h, w] to add to the attention's logits (45)."""
        return self.strength * torch.log(self.prior(image))


def camera_prior(config: ModelConfig) -> KnowledgePrior | None:
    """The brightest place and the torch tip, as far as this configuration knows them."""
    knowledge = config.knowledge
    if not knowledge.enabled or not (knowledge.hottest_spot or knowledge.torch_tip):
        return None
    return KnowledgePrior(config, camera_map_side(config), SPREAD_GREY, knowledge.torch_tip)


def thermal_prior(config: ModelConfig) -> KnowledgePrior | None:
    """The hottest place."""
    knowledge = config.knowledge
    if not (knowledge.enabled and knowledge.hottest_spot):
        return None
    return KnowledgePrior(config, thermal_map_side(config), SPREAD_C, None)
