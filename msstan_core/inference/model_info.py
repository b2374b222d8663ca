"""What a monitor runs: for ``weld/model_info``, for results, and for people."""

from __future__ import annotations

from dataclasses import dataclass

from msstan_core.inference.model_card import ModelCard
from msstan_core.vocabulary import Modality


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A loaded model, and how it is run."""

    card: ModelCard
    card_sha256: str
    weights_sha256: str  #: of what runs: ONNX graph or weights
    backend: str  #: "onnx" or "torch"
    provider: str  #: of ONNX Runtime, or the torch device
    modalities: frozenset[Modality]  #: that may be used
    revision: int = 1  #: of the weights as they were loaded
