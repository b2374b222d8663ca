"""What goes into the streaming graphs and comes out of them, by name. Importable without torch."""

from __future__ import annotations

from msstan_core.model.configuration import ModelConfig

#: Results of a tick, in the order of :class:`msstan_core.inference.engine.EngineOutput`.
OUTPUT_NAMES = ("action_logits", "imperfection_logits", "combined", "modality_weights", "attention")
#: What the gate reads of a tick, before the threshold (tau of equation 41, [1]) and its state.
GATE_INPUT_NAMES = ("camera", "thermal", "log_mel", "telemetry", "valid")
THRESHOLD_NAME = "threshold"
GATE_OUTPUT_NAMES = ("importance", "looked")
#: Results that are the state of the next tick carry this prefix.
NEXT = "next_"


def seen_names(config: ModelConfig) -> tuple[str, ...]:
    """What a look gives: backbone features, and the thumbnail where the attention is guided by it."""
    guided = config.knowledge.enabled and config.knowledge.hottest_spot
    return ("camera_features", "thumbnail") if guided else ("camera_features",)
