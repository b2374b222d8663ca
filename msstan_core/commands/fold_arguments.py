"""Options of the commands that train without one group of recordings at a time."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from msstan_core.errors import InputError
from msstan_core.vocabulary import MODALITIES

if TYPE_CHECKING:
    from msstan_core.training.configuration import TrainingConfig


def add_regime(parser: argparse.ArgumentParser) -> None:
    """``--regime`` and ``--simulation-steps``, see studies/folds.py."""
    parser.add_argument(
        "--regime",
        choices=("together", "simulated", "pretrained"),
        default="together",
        help="train on everything at once (default), on simulation only, or on simulation first and real welds then",
    )
    parser.add_argument(
        "--simulation-steps",
        type=_steps,
        metavar="N",
        help="optimiser steps of the training on simulation only, once per seed (default: the recipe's steps)",
    )


def _steps(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of steps of 1 or more")
    return int(text)


def add_withhold(parser: argparse.ArgumentParser) -> None:
    """``--withhold``, for :func:`with_withheld`."""
    parser.add_argument("--withhold", nargs="+", default=[], metavar="MODALITY", help="withhold these from everything")


def with_withheld(config: TrainingConfig, names: list[str]) -> TrainingConfig:
    """The configuration with these modalities withheld from every recording.

    Raises:
        InputError: for a name that is no modality.
    """
    from msstan_core.training.configuration import WithholdRule

    known = [m.label for m in MODALITIES]
    for name in names:
        if name not in known:
            raise InputError("--withhold", f"{name!r} is no modality", f"choose from {' '.join(known)}")
    if not names:
        return config
    everywhere = WithholdRule(where={}, modalities=tuple(names))
    return config.model_copy(update={"withhold": (*config.withhold, everywhere)})
