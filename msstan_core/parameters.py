"""Parameters as a table: type, default, range, meaning. Nodes declare, check and document them from one description."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Value = bool | int | float | str | list[str]

#: From this likeness on (difflib's ratio, 0 to 1) an unknown name is a misspelt one: one letter wrong in seven.
#: The parameters of the package's different nodes, which may share a section of a params file, are 0.82 alike at most.
MISSPELT = 0.85


#: What a value of each type is called; ROS reads digits that are not in quotes as a number.
_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number (with a decimal point)",
    str: "a text (digits in quotes of their own, \"'4711'\")",
}


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One parameter.

    Args:
        name: as in the params file.
        default: also fixes the type.
        description: what it is, with its unit.
        minimum: smallest allowed number.
        maximum: largest allowed number.
        choices: allowed texts; empty: any.
        check: returns what is wrong with a value, or "".
        read_only: fixed once the node runs.
        while_active: may change at any time; otherwise it is used at configure and refused from then on.
    """

    name: str
    default: Value
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    check: Callable[[Any], str] | None = None
    read_only: bool = False
    while_active: bool = False

    @classmethod
    def of_setting(cls, name: str, field: FieldInfo) -> ParameterSpec:
        """A parameter from a field of a settings class: default, range and meaning are the field's."""
        limits: dict[str, Any] = {
            kind: getattr(m, kind) for m in field.metadata for kind in ("ge", "le") if hasattr(m, kind)
        }
        default = float(field.default) if field.annotation is float else field.default
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        return cls(name, default, field.description or "", limits.get("ge"), limits.get("le"), choices)

    @classmethod
    def of_settings(cls, prefix: str, settings: type[BaseModel]) -> tuple[ParameterSpec, ...]:
        """All fields of a settings class as parameters ``prefix.FIELD``."""
        return tuple(cls.of_setting(f"{prefix}.{name}", field) for name, field in settings.model_fields.items())

    def problem(self, value: Any) -> str:
        """What is wrong with ``value`` in words, or "" when it is fine."""
        if value is None:  # so rclpy passes on an empty list, which has no type in ROS
            return f"{self.name} has no value (an empty list is none)"
        if isinstance(self.default, float) and (not isinstance(value, float) or not math.isfinite(value)):
            return f"{self.name} must be a finite number, not {value!r}"
        if type(self.default) is int and type(value) is not int:  # true is no number
            return f"{self.name} must be an integer, not {value!r}"
        bounded = self.minimum is not None and self.maximum is not None and type(self.default) in (int, float)
        if bounded and not self.minimum <= value <= self.maximum:
            return f"{self.name} = {value:g} is outside {self.minimum:g} to {self.maximum:g}"
        if self.choices and value not in self.choices:
            return f"{self.name} = {value!r} is unknown; one of: {', '.join(self.choices)}"
        if self.check is not None and (text := self.check(value)):
            return f"{self.name}: {text}"
        return ""

    def expected(self) -> str:
        """What fits, in words: type and range, or the choices."""
        kind = _KINDS.get(type(self.default), "a list of texts")
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.minimum is not None and self.maximum is not None:
            return f"{kind} from {self.minimum:g} to {self.maximum:g}"
        return kind


def misspelt(name: str, known: Collection[str]) -> str:
    """Which of the ``known`` names is meant by an unknown one, or "" when it is like none of them."""
    near = difflib.get_close_matches(name, known, 1, MISSPELT)
    return near[0] if near else ""
