"""The model card for people: ``CARD.md`` from ``card.json``."""

from __future__ import annotations

from msstan_core.inference.model_package import ModelCard

CARD_TEXT_FILE = "CARD.md"


def card_markdown(card: ModelCard) -> str:
    """The card as Markdown; every figure in it stands in card.json too."""
    inputs = card.config.inputs
    imperfections = ", ".join(map(str, card.trained_imperfections))
    lines = [
        f"# Model card: {card.name} {card.version}",
        "",
        f"MS-STAN, size `{card.config.size}`: camera {inputs.camera_px} px through {card.config.backbone_blocks} "
        f"blocks of EfficientNet-Lite0, thermal {inputs.thermal_px} px, log-mel {inputs.log_mel.bands} "
        f"bands x {inputs.log_mel.frames} frames of {inputs.log_mel.hop_s * 1e3:g} ms, feature width "
        f"{card.config.width}, windows of {', '.join(map(str, card.config.windows))} ticks.",
        "",
        "## Knows",
        "",
        f"- Actions: {', '.join(card.trained_actions)}",
        f"- Imperfections (ISO 6520-1): {imperfections or 'none'}; the others read NaN",
        f"- Modalities: {', '.join(card.trained_modalities)}",
        "",
        "## Data",
        "",
        *(f"- {entry}" for entry in card.data),
        "",
        "## Limits",
        "",
        *(f"- {entry}" for entry in card.limits),
        "",
        "## Figures",
        "",
        "From groups of recordings held out of training; calibration and filter were fitted on them: no test.",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {_text(value)} |" for name, value in card.metrics.items()),
        f"| temperature | {card.temperature:.3f} |",
        f"| emission power of the action filter | {card.smoothing.emission_power} |",
        f"| novelty threshold | {card.novelty_threshold:.2f} |",
        "",
        "## Files",
        "",
        "| file | sha256 |",
        "|---|---|",
        *(f"| {name} | `{digest}` |" for name, digest in card.files.items()),
        "",
    ]
    return "\n".join(lines)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
