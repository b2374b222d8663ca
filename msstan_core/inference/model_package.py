"""A model folder: ``card.json`` (what it is), the graphs that run (``step.onnx`` and its parts), ``weights.pt`` (what
trains), ``nominal.npz`` (what novelty is measured from), ``guard.npz`` (what adaptation is held to).

The card holds the hash of every other file. A folder whose files do not match is refused: half-copied or tampered
weights must not advise a robot.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from msstan_core.errors import InputError
from msstan_core.inference.model_card import CARD_FORMAT, ModelCard
from msstan_core.output_files import written_whole
from msstan_core.vocabulary import ACTIONS, IMPERFECTIONS

CARD_FILE = "card.json"
STEP_FILE = "step.onnx"
WEIGHTS_FILE = "weights.pt"
NOMINAL_FILE = "nominal.npz"
GUARD_FILE = "guard.npz"
#: The step in parts (inference/step_graph.py): the camera backbone and the rest, which a CPU runs side by side, and the
#: gate of models that have one.
GATE_FILE, LOOK_FILE, HELD_STEP_FILE = "gate.onnx", "look.onnx", "held_step.onnx"
#: What ``msstan export`` makes from the weights.
GRAPH_FILES = (STEP_FILE, GATE_FILE, LOOK_FILE, HELD_STEP_FILE)
#: Whose hashes a card holds, where they are there.
MODEL_FILES = (*GRAPH_FILES, WEIGHTS_FILE, NOMINAL_FILE, GUARD_FILE)


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A model folder whose files are present and match the card's hashes."""

    directory: Path
    card: ModelCard
    card_sha256: str

    def path(self, name: str) -> Path:
        """Path of one of the package's files.

        Raises:
            InputError: when this model has no such file.
        """
        if name not in self.card.files:
            raise InputError(self.directory, f"has no {name}", _remedy(name, "train the model again"))
        return self.directory / name


def _remedy(name: str, otherwise: str) -> str:
    return "write it anew: msstan export MODEL_DIR" if name in GRAPH_FILES else otherwise


def load_package(directory: Path, *, without_graphs: bool = False) -> ModelPackage:
    """Read and verify a model folder.

    Args:
        directory: model folder. without_graphs: leave out GRAPH_FILES, for who writes them anew from the weights.

    Raises:
        InputError: naming what is missing, corrupt, or made for another vocabulary.
    """
    card_path = directory / CARD_FILE
    try:
        text = card_path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            directory, f"is not a model folder ({CARD_FILE} is missing)", "give a folder from msstan train"
        ) from None
    except OSError as error:
        raise InputError(card_path, f"cannot be read ({error.strerror})", "check its rights") from None
    try:
        card = ModelCard.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "file"
        raise InputError(card_path, f"{field}: {first['msg']}", "restore the folder or train again") from None
    if card.format != CARD_FORMAT:
        raise InputError(card_path, f"format {card.format} is not {CARD_FORMAT}", "export the model with this version")
    if card.action_labels != tuple(a.name for a in ACTIONS) or card.iso_codes != tuple(
        i.iso_code for i in IMPERFECTIONS
    ):
        raise InputError(card_path, "was made for another vocabulary", "train the model again with this version")
    for name, expected in card.files.items():
        if without_graphs and name in GRAPH_FILES:
            continue
        path = directory / name
        if not path.is_file():
            raise InputError(path, "is missing", _remedy(name, "restore the folder or train again"))
        try:
            content = sha256(path)
        except OSError as error:
            raise InputError(path, f"cannot be read ({error.strerror})", "check its rights") from None
        if content != expected:
            raise InputError(
                path,
                "does not match the card's sha256 (corrupt or half copied)",
                _remedy(name, "copy the folder again"),
            )
    return ModelPackage(directory, card, hashlib.sha256(text).hexdigest())


def save_card(directory: Path, card: ModelCard) -> ModelCard:
    """Write ``card.json`` with the hashes of the files that are there, atomically; returns the card written."""
    names = [n for n in MODEL_FILES if (directory / n).is_file()]
    card = card.model_copy(update={"files": {name: sha256(directory / name) for name in names}})
    with written_whole(directory / CARD_FILE) as file:
        file.write_text(json.dumps(card.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    return card


def sha256(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
