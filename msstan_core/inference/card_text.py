"""The model card for people: ``CARD.md`` from ``card.json``."""

from __future__ import annotations

from msstan_core.inference.model_card import NEVER, AlarmLimits, ModelCard, SeverityCard, SmoothingCard, subset_name
from msstan_core.vocabulary import ACTIONS

CARD_TEXT_FILE = "CARD.md"
#: Groups held out that are named; there may be hundreds of simulated ones.
GROUPS_NAMED = 12


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
        *_groups(card),
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
        *(f"| {name} | {_text(value)} |" for name, value in card.metrics.items() if not isinstance(value, dict)),
        f"| temperature | {card.temperature:.3f} |",
        f"| offsets of the actions' logits | {_offsets(card)} |",
        f"| temperature of the published probability | {card.published_temperature:.3f} |",
        f"| action filter | {_filter(card.smoothing)} |",
        f"| novelty threshold | {card.novelty_threshold:.2f} |",
        "",
        *_suspicions(card),
        *_alarms(card),
        *_subsets(card),
        "## Files",
        "",
        "| file | sha256 |",
        "|---|---|",
        *(f"| {name} | `{digest}` |" for name, digest in card.files.items()),
        "",
    ]
    return "\n".join(lines)


def _groups(card: ModelCard) -> list[str]:
    """Which groups of recordings were trained on, and which were not; nothing of cards that do not know."""
    groups, learnt = card.held_out_groups, card.trained_groups
    said = [f"- {len(learnt)} groups learnt from, all named in card.json"] if learnt else []
    if not groups:
        return said
    named = ", ".join(f"`{group}`" for group in groups[:GROUPS_NAMED])
    return [
        *said,
        f"- {len(groups)} groups held out: {named}{', ... (all in card.json)' if groups[GROUPS_NAMED:] else ''}",
    ]


def _alarms(card: ModelCard) -> list[str]:
    """From where on suspicions are alarms, and what is promised of these."""
    heading = ["## Alarms", ""]
    if card.alarm_limits is None:
        none = "None are raised: no rate of false ones can be promised. `msstan calibrate` sets limits."
        return [*heading, none, ""]
    fewer = {name: subset.alarm_limits for name, subset in card.subsets.items() if name != subset_name(card.modalities)}
    calibrated = {name: limits for name, limits in fewer.items() if limits is not None}
    without = [name for name, limits in fewer.items() if limits is None]
    return [
        *heading,
        "A suspicion whose score holds at its limit is an alarm; together they keep to the rate. A limit below the "
        "threshold of suspicion counts as that.",
        "",
        *(f"- {statement}" for statement in card.alarm_limits.statements),
        *(f"- with {name} only: {_of_subset(limits)}" for name, limits in calibrated.items()),
        *([f"- no alarm is raised with {', '.join(without)} only"] if without else []),
        "",
    ]


def _of_subset(limits: AlarmLimits) -> str:
    return (
        f"at most {limits.false_alarms_per_hour:g} an hour, with 95 % confidence {limits.upper95_per_hour:.2g} "
        f"({', '.join(limits.statements[:1])})"
    )


def alarm_promise(card: ModelCard) -> str:
    """What a reader of alarms must know of them, in a sentence."""
    limits = card.alarm_limits
    if limits is None:
        return "No alarms, suspicions only: the model promises no rate of false alarms (msstan calibrate sets limits)."
    return (
        f"Alarms: at most {limits.false_alarms_per_hour:g} false ones an hour (with 95 % confidence at most "
        f"{limits.upper95_per_hour:.2g}) on welds like those the model was calibrated on, while all sensors are there."
    )


def severity_statement(severity: SeverityCard) -> str:
    """How a severity follows from the telemetry, in words."""
    terms = " ".join(f"{term.weight:+.2f} {term.extreme} {term.quantity}" for term in severity.terms)
    return (
        f"{severity.offset:.2f} {terms}, of log(measured / programmed) while it lasts; rank correlation "
        f"{severity.correlation:.2f} on other groups, {severity.spans} labelled spans"
    )


def _suspicions(card: ModelCard) -> list[str]:
    """What stands behind the thresholds, and what was found with them."""
    figures: dict[str, dict[str, float]] = card.metrics.get("imperfections", {})
    if not card.suspicion_statements and not figures:
        return []
    table = [
        "The line is slope and offset of the logit, which make the probability the share of ticks at which the "
        "imperfection is there; its effect on the expected calibration error (ECE) is across groups.",
        "",
        "| ISO 6520-1 | threshold | labelled spans | found | AUC over ticks | line | ECE without | with |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for code, f in figures.items():
        line = card.imperfection_lines.get(int(code))
        cells = [
            code,
            "never" if f["threshold"] >= NEVER else f"{f['threshold']:.3g}",
            f"{f['spans']:.0f}",
            *(_share(f.get(key)) for key in ("found", "auc")),
            "-" if line is None else f"{line[0]:.2f}, {line[1]:+.2f}",
            *(f"{f[key]:.4f}" if key in f else "-" for key in ("ece_before", "ece_after")),
        ]
        table.append(_row(cells))
    # What the training says of alarms does not hold once others have set their limits.
    holds = [s for s in card.suspicion_statements if card.alarm_limits is None or not s.startswith("no alarms:")]
    stated = ["## Suspicions", "", *(f"- {statement}" for statement in holds)]
    stated += [f"- severity of {code}: {severity_statement(own)}" for code, own in card.severity.items()]
    if not card.severity:
        stated.append("- severity is given for: none")
    return [*stated, "", *(table if figures else []), ""]


def _subsets(card: ModelCard) -> list[str]:
    """Calibration by what is there."""
    if not card.subsets:
        return []
    rows = []
    for name, subset in card.subsets.items():
        f = subset.figures
        named = ("accuracy", "confidence", "ece_before", "ece_after", "published_ece_before", "published_ece_after")
        scale = f"{subset.temperature:.2f}" + (", offsets" if subset.action_offsets else "")
        temperatures = (scale, f"{subset.published_temperature:.2f}")
        steadied = _filter(card.smoothing_with(subset))
        suspected = ", ".join(map(str, card.suspected_with(name))) or "none"
        figures = (_share(f.get(key)) for key in named)
        cells = [name, f"{f.get('recordings', 0):.0f}", steadied, *temperatures, *figures, suspected]
        rows.append(_row(cells))
    return [
        "## With some modalities only",
        "",
        "Accuracy and confidence are of the published probability. Expected calibration errors (ECE) are across "
        "groups: each part of the held-out groups with temperatures and offsets fitted on the others. Imperfections "
        "that are not recognised without the other sensors are not suspected.",
        "",
        "| modalities | recordings | action filter | temperature | of published | accuracy | confidence "
        "| ECE | calibrated | of published | calibrated | suspected |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _offsets(card: ModelCard) -> str:
    """Of the actions that it knows; "none" where the logits have a temperature only."""
    named = (f"{a.name} {v:+.2f}" for a, v in zip(ACTIONS, card.action_offsets, strict=False) if a in card.actions)
    return ", ".join(named) or "none"


def _filter(smoothing: SmoothingCard) -> str:
    return f"emission power {smoothing.emission_power}" if smoothing.filtered else "left out"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
