"""Another rate of false alarms for a finished model: new thresholds from nominal welds, nothing trained."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from msstan_core.decision.joint_calibration import JointThresholds, TooFewBlocks, calibrate_jointly
from msstan_core.errors import InputError
from msstan_core.inference.card_text import CARD_TEXT_FILE, card_markdown
from msstan_core.inference.model_package import ModelCard, ModelPackage, SubsetCard, save_card, subset_name
from msstan_core.training.nominal_scores import BySubset


def recalibrated(card: ModelCard, welds: Sequence[BySubset], rate_per_hour: float, source: str) -> ModelCard:
    """The card with joint thresholds for this rate.

    Args:
        card: of the model. welds: what it said of nominal welds, with all sensors and with any sets of them.
        rate_per_hour: alarmed blocks an hour, all imperfections and novelty together.
        source: of the welds, in words.

    Raises:
        InputError: where the welds cannot promise the rate with all sensors.
    """
    everything = subset_name(card.modalities)
    found = {
        name: calibrate_jointly(
            [weld[name] for weld in welds if name in weld], card.trained_imperfections, rate_per_hour=rate_per_hour
        )
        for name in dict.fromkeys([everything, *(name for weld in welds for name in weld)])
    }
    joint = found.pop(everything)
    if isinstance(joint, TooFewBlocks):
        raise InputError(
            "nominal welds", joint.statement(), "give more of them, or allow a higher --false-alarms-per-hour"
        )
    novelty = card.novelty_threshold if joint.novelty is None else joint.novelty
    update = {
        "imperfection_thresholds": joint.imperfections,
        "novelty_threshold": novelty,
        "subsets": {
            name: _of_subset(subset, found.get(name), novelty, joint.imperfections)
            for name, subset in card.subsets.items()
        },
        "alarms": [f"thresholds from {source}", *joint.statements(), *_with_fewer(found, card)],
        "metrics": {**card.metrics, "imperfections": _figures(card, joint.imperfections)},
    }
    return card.model_copy(update=update)


def _of_subset(
    subset: SubsetCard, joint: JointThresholds | TooFewBlocks | None, novelty: float, imperfections: dict[int, float]
) -> SubsetCard:
    """Its own joint thresholds, or those it had; never below those with everything there."""
    own, distance = subset.imperfection_thresholds, subset.novelty_threshold
    if isinstance(joint, JointThresholds):
        own, distance = joint.imperfections, joint.novelty
    raised = {code: max(p, imperfections.get(code, 0.0)) for code, p in own.items()}
    distance = None if distance is None else max(distance, novelty)
    return subset.model_copy(update={"imperfection_thresholds": raised, "novelty_threshold": distance})


def _with_fewer(found: dict[str, JointThresholds | TooFewBlocks], card: ModelCard) -> list[str]:
    """What stands behind the thresholds with some sensors only."""
    stated = [
        f"with {name} only: {joint.statements()[0]}"
        for name, joint in found.items()
        if isinstance(joint, JointThresholds)
    ]
    stated += [
        f"with {name} only: {joint.statement()}" for name, joint in found.items() if isinstance(joint, TooFewBlocks)
    ]
    kept = [name for name in card.subsets if name not in found and name != subset_name(card.modalities)]
    if kept:
        stated.append(
            f"with some sensors only ({len(kept)} sets): thresholds of the training, no lower than these; no promise"
        )
    return stated


def _figures(card: ModelCard, thresholds: dict[int, float]) -> dict[str, dict[str, float]]:
    """Figures by imperfection; what was found at the thresholds before says nothing of these."""
    before: dict[str, dict[str, float]] = card.metrics.get("imperfections", {})
    return {
        code: {**{k: v for k, v in own.items() if k != "found"}, "threshold": round(thresholds[int(code)], 4)}
        for code, own in before.items()
        if int(code) in thresholds
    }


def save_recalibrated(package: ModelPackage, card: ModelCard, directory: Path) -> ModelCard:
    """Write the model folder with this card: the package's files as they are, the card last.

    Raises:
        InputError: when ``directory`` is the package's own.
    """
    if directory.resolve() == package.directory.resolve():
        raise InputError(directory, "is the model itself", "give another folder with --out")
    directory.mkdir(parents=True, exist_ok=True)
    for name in package.card.files:
        shutil.copyfile(package.directory / name, directory / name)
    card = save_card(directory, card)
    (directory / CARD_TEXT_FILE).write_text(card_markdown(card), encoding="utf-8")
    return card
