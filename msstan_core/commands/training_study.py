"""What studies of many trainings share on the command line: configuration, time limit, and the runs they keep."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msstan_core.studies.kept_runs import KeptRuns, Key
    from msstan_core.training.configuration import TrainingConfig


def add_json_and_cache(parser: argparse.ArgumentParser) -> None:
    """``--json`` and ``--cache``."""
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--cache", type=Path, default=Path("out/features"), help="folder for extracted features")


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """``--json``, ``--config``, ``--steps``, ``--minutes`` and ``--cache``."""
    add_json_and_cache(parser)
    parser.add_argument("--config", type=Path, help="training YAML (default: config/training/study.yaml)")
    parser.add_argument("--steps", type=int, help="overrides the file's number of training steps: the figures say so")
    parser.add_argument("--minutes", type=float, help="stop after this long; the same command goes on")


def study_config(arguments: argparse.Namespace) -> TrainingConfig:
    """The configuration that ``--config`` and ``--steps`` ask for, all of whose steps are made.

    Raises:
        InputError: when the file is missing or wrong, or ``--minutes`` is no length of time.
    """
    from msstan_core.errors import InputError
    from msstan_core.resources import share_path
    from msstan_core.training.configuration import load_training_config, with_changes, with_fixed_budget

    if arguments.minutes is not None and not arguments.minutes >= 0:
        raise InputError("--minutes", f"is {arguments.minutes:g}", "give 0 or more")
    config = with_fixed_budget(load_training_config(arguments.config or share_path("config/training/study.yaml")))
    if arguments.steps is None:
        return config
    return with_changes(config, {"steps": arguments.steps})


def kept_beside(result: Path, recipe: Mapping[str, Any]) -> KeptRuns:
    """The finished runs of a study, kept beside its result file (OUT.json.runs.jsonl).

    Raises:
        InputError: when they were made by another recipe.
    """
    from msstan_core.studies.kept_runs import KeptRuns

    return KeptRuns(result.with_name(result.name + ".runs.jsonl"), recipe)


class TimeLimit:
    """Whether ``--minutes`` are over, from now on; never without them."""

    def __init__(self, minutes: float | None) -> None:
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    @property
    def over(self) -> bool:
        """Time to stop."""
        return self._end is not None and time.monotonic() > self._end


def runs_of(planned: Sequence[Key], kept: KeptRuns) -> dict[str, Any]:
    """Details of a result file: which planned runs are missing, and the figures of the others, by name."""
    return {
        "runs_missing": [_name(key) for key in planned if key not in kept],
        "runs": {_name(key): kept[key] for key in planned if key in kept},
    }


def print_state(result: Path, planned: Sequence[Key], kept: KeptRuns, what: str) -> None:
    """The last line of standard output: how many runs there are, and how to go on."""
    missing = sum(key not in kept for key in planned)
    rest = f"; {missing} to go, give the same command again" if missing else ""
    print(f"{result}: {len(planned) - missing} of {len(planned)} {what}{rest}")


def _name(key: Key) -> str:
    return "/".join(map(str, key))
