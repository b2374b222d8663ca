"""The network of a model folder, in torch: what training goes on from, and what the export is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msstan_core.errors import InputError
from msstan_core.inference.model_package import WEIGHTS_FILE, ModelPackage

if TYPE_CHECKING:
    from msstan_core.model.ms_stan import MsStan


def load_network(package: ModelPackage) -> MsStan:
    """The network with its weights, ready to answer, on the CPU whatever else there is.

    Raises:
        InputError: when torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise InputError("backend torch", "torch is not installed", "pip install torch, or use backend onnx") from None
    from msstan_core.model.ms_stan import MsStan

    network = MsStan(package.card.config.model_copy(update={"pretrained": False}))
    network.load_state_dict(torch.load(package.path(WEIGHTS_FILE), map_location="cpu", weights_only=True))
    return network.eval()
