"""Sections of a scenario: frozen, without unknown fields, every number with unit and range."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of a scenario. Unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False)


def quantity(default: float, low: float, high: float, unit: str, description: str) -> Any:
    """A number with its unit and range; both appear in error messages and in the documentation."""
    return Field(default, ge=low, le=high, description=description, json_schema_extra={"unit": unit})


def count(default: int, low: int, high: int, unit: str, description: str) -> Any:
    """An integer with its unit and range."""
    return Field(default, ge=low, le=high, description=description, json_schema_extra={"unit": unit})
