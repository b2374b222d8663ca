"""Alarm limits of a finished model for a chosen rate of false alarms: from nominal welds, nothing trained."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from msstan_core.calibration.joint import JointThresholds, TooFewBlocks, calibrate_jointly
from msstan_core.calibration.nominal_scores import BySubset
from msstan_core.errors import InputError
from msstan_core.inference.card_text import CARD_TEXT_FILE, card_markdown
from msstan_core.inference.model_card import AlarmLimits, ModelCard, subset_name
from msstan_core.inference.model_package import (
    CARD_FILE,
    MODEL_FILES,
    WEIGHTS_FILE,
    ModelPackage,
    load_package,
    save_card,
)


class Recalibrated(NamedTuple):
    """A model card with limits for a rate of false alarms."""

    card: ModelCard
    kept: dict[str, str]  #: sets of modalities watched too little for new limits -> why; they keep those they had


def recalibrated(
    card: ModelCard, welds: Sequence[BySubset], rate_per_hour: float, source: str, *, novelty: bool = False
) -> Recalibrated:
    """The card with alarm limits for this rate. Those of sets of modalities without welds here, or with too few, stay
    as they are, and so do the thresholds of suspicions.

    Args:
        card: of the model. welds: what it said of nominal welds, with one set of modalities and with any others.
        rate_per_hour: alarmed blocks an hour, all kinds together.
        source: of the welds, in words. novelty: whether novelty raises alarms, at the cost of the others.

    Raises:
        InputError: where there are no welds, or too few for the rate with the first set.
    """
    names = list(dict.fromkeys(name for weld in welds for name in weld))
    found = {
        name: calibrate_jointly(
            [weld[name] for weld in welds if name in weld],
            card.suspected_with(name),
            rate_per_hour=rate_per_hour,
            novelty=novelty,
        )
        for name in names
    }
    first = found[names[0]] if names else calibrate_jointly([], (), rate_per_hour=rate_per_hour)
    if isinstance(first, TooFewBlocks):
        raise InputError(
            "nominal welds", first.statement(), "give more of them, or allow a higher --false-alarms-per-hour"
        )
    limits = {name: alarm_limits(own, source) for name, own in found.items() if isinstance(own, JointThresholds)}
    of_all = limits.pop(subset_name(card.modalities), card.alarm_limits)
    subsets = dict(card.subsets)
    for name, own in limits.items():
        subsets[name] = card.subset(name).model_copy(update={"alarm_limits": own})
    kept = {
        name: own.statement() if novelty or card.suspected_with(name) else "nothing is suspected with them"
        for name, own in found.items()
        if isinstance(own, TooFewBlocks)
    }
    return Recalibrated(card.model_copy(update={"alarm_limits": of_all, "subsets": subsets}), kept)


def alarm_limits(joint: JointThresholds, source: str) -> AlarmLimits:
    """As a model card states them."""
    return AlarmLimits(
        false_alarms_per_hour=joint.alarm.rate_per_hour,
        upper95_per_hour=joint.upper95_per_hour,
        imperfection_thresholds=joint.imperfections,
        novelty_threshold=joint.novelty,
        statements=[f"from {source}", *joint.statements()],
    )


def with_groups(card: ModelCard, groups: Iterable[str]) -> ModelCard:
    """The card, which says of these groups of recorded welds that they set limits or severities."""
    return card.model_copy(update={"calibrated_groups": tuple(sorted({*card.calibrated_groups, *groups}))})


def refuse_learnt_from(card: ModelCard, groups: Iterable[str]) -> None:
    """See that nominal welds are none that the weights have learnt from, as far as the card knows: limits by these
    would be too low, and promise what no other weld keeps.

    Raises:
        InputError: naming such groups.
    """
    learnt = sorted(set(groups) & set(card.trained_groups or ()))
    if learnt:
        named = ", ".join(learnt[:5]) + (", ..." if learnt[5:] else "")
        raise InputError(
            "--nominal",
            f"{len(learnt)} groups are some that the model learnt from ({named}): limits by them would be too low",
            "give good welds of other groups, e.g. those that training held out (see CARD.md)",
        )


def check_destination(package: ModelPackage, directory: Path) -> None:
    """See that a model folder may be written there: a new or empty one, or one of the same weights.

    Raises:
        InputError: when ``directory`` is the package's own, or holds another model or something else.
    """
    if directory.resolve() == package.directory.resolve():
        raise InputError(directory, "is the model itself", "give another folder with --out")
    if directory.is_dir() and any(directory.iterdir()) and not (directory / CARD_FILE).is_file():
        raise InputError(directory, "is not empty and no model folder", "give a new folder with --out")
    if (directory / CARD_FILE).is_file():
        try:
            there = load_package(directory, without_graphs=True).card
        except InputError:
            return  # what an interrupted command left
        if there.files.get(WEIGHTS_FILE) != package.card.files.get(WEIGHTS_FILE):
            told = f"holds another model, {there.name} {there.version}"
            raise InputError(directory, told, "remove it, or give a new folder with --out")


def save_recalibrated(package: ModelPackage, card: ModelCard, directory: Path, version: str | None = None) -> ModelCard:
    """Write the model folder with this card: the package's files as they are, the card last.

    Args:
        package: the model. card: of the new one. directory: to write. version: of the new one; None: as the card says.

    Raises:
        InputError: see :func:`check_destination`.
    """
    check_destination(package, directory)
    if version is not None:
        card = card.model_copy(update={"version": version})
    directory.mkdir(parents=True, exist_ok=True)
    for name in MODEL_FILES:
        if name not in package.card.files:
            (directory / name).unlink(missing_ok=True)  # of a model that was here before
    for name in package.card.files:
        shutil.copyfile(package.directory / name, directory / name)
    card = save_card(directory, card)
    (directory / CARD_TEXT_FILE).write_text(card_markdown(card), encoding="utf-8")
    return card
