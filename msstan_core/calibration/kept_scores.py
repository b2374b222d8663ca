"""What a network said of simulated welds, kept on disk: other thresholds are then counted without welding anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.inference.model_card import ModelCard
from msstan_core.output_files import written_whole
from msstan_core.simulation.material_pairs import Pair, pair_name
from msstan_core.simulation.revision import simulator_sha256

Arrays = dict[str, NDArray[Any]]


def scores_folder(keep: Path, card: ModelCard, pairs: Collection[Pair] | None, *details: object) -> Path:
    """The folder, which is made, for what one network said of welds from one simulator, whatever the thresholds are.

    Args:
        keep: holds such folders. card: of the model. pairs: materials that are welded; None: all.
        details: what else the scores depend on, as JSON takes it.
    """
    names = None if pairs is None else sorted(map(pair_name, pairs))
    parts = [card.scores_sha256(), simulator_sha256(), names, *details]
    folder = keep / hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def kept_or_made(path: Path, make: Callable[[], Mapping[str, NDArray[Any]]]) -> Arrays:
    """The arrays in an .npz file; made first, and written whole or not at all, where there is no such file."""
    if not path.is_file():
        with written_whole(path) as file:
            np.savez_compressed(file, allow_pickle=False, **make())
    with np.load(path) as data:
        return dict(data)
