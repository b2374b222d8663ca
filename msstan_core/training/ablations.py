"""One training configuration per mechanism switched off, or on, from a table of differences (config/ablations.yaml)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from msstan_core.errors import InputError
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.extended_file import merged
from msstan_core.training.losses.weights import check_losses

PLAIN, FULL = "plain", "full"


class Changes(BaseModel):
    """Fields of the model and of the loss weights that differ."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: dict[str, Any] = {}
    losses: dict[str, Any] = {}


class AblationTable(BaseModel):
    """The file's content."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    full: Changes
    without: dict[str, Changes] = {}
    added: dict[str, Changes] = {}


def load_ablations(path: Path, base: TrainingConfig) -> dict[str, TrainingConfig]:
    """All configurations of a table.

    Args:
        path: of the table. base: what the differences are to.

    Returns:
        Name -> configuration: ``plain``, ``full``, ``without_<name>`` and ``with_<name>``, in this order.

    Raises:
        InputError: naming the file, the ablation and the field.
    """
    table = _read(path)
    configs = {PLAIN: base, FULL: _changed(path, FULL, base, table.full)}
    for name, changes in table.without.items():
        configs[f"without_{name}"] = _changed(path, f"without.{name}", configs[FULL], changes)
    for name, changes in table.added.items():
        configs[f"with_{name}"] = _changed(path, f"with.{name}", base, changes)
    named = {name: config.model_copy(update={"name": f"{base.name}-{name}"}) for name, config in configs.items()}
    return named


def _read(path: Path) -> AblationTable:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "no such file", "give a table like config/ablations.yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not YAML ({' '.join(str(error).split())})", "correct the line named") from None
    if not isinstance(content, dict):
        raise InputError(path, "holds no mapping", "see config/ablations.yaml")
    if "with" in content:  # a keyword of the language that reads it
        content["added"] = content.pop("with")
    try:
        return AblationTable.model_validate(content)
    except ValidationError as error:
        raise _named(path, "", error) from None


def _changed(path: Path, name: str, base: TrainingConfig, changes: Changes) -> TrainingConfig:
    """``base`` with the changes merged in, group by group."""
    fields = base.model_dump()
    fields["model"] = merged(base.model, changes.model)
    fields["losses"] = merged(fields["losses"], changes.losses)
    try:
        config = TrainingConfig.model_validate(fields)
        check_losses(f"{path}: {name}", config.losses, config.model_config_of_size())
    except ValidationError as error:
        raise _named(path, f"{name}.", error) from None
    return config


def _named(path: Path, prefix: str, error: ValidationError) -> InputError:
    first = error.errors()[0]
    field = prefix + (".".join(str(part) for part in first["loc"]) or "model")
    return InputError(path, f"{field}: {first['msg']} (got {first['input']!r})", "correct this field")
