"""Parameters as a table: type, default, range, meaning. Declared, checked and documented from one description."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from msstan_core.errors import InputError
from msstan_core.paths import typed_path
from msstan_core.vocabulary import parse_modalities

Value = bool | int | float | str | list[str]

#: From this likeness on (difflib's ratio, 0 to 1) an unknown name is a misspelt one: one letter wrong in seven.
#: The parameters of the package's different nodes, which may share a section of a params file, are 0.82 alike at most.
MISSPELT = 0.85
#: A name at least this much like one of the node's is worth a question.
ALIKE = 0.6
#: Declared with the publisher or the subscription that they are for, if at all.
QOS_OVERRIDES = "qos_overrides."


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
        return cls(name, default, field.description or "", limits.get("ge"), limits.get("le"))

    def descriptor(self) -> ParameterDescriptor:
        """The range and description as ROS tools show them."""
        descriptor = ParameterDescriptor(name=self.name, description=self.description, read_only=self.read_only)
        if self.choices:
            descriptor.additional_constraints = "one of: " + ", ".join(self.choices)
        if self.minimum is not None and self.maximum is not None:
            if isinstance(self.default, float):
                span = FloatingPointRange(from_value=float(self.minimum), to_value=float(self.maximum))
                descriptor.floating_point_range = [span]
            else:
                limits = IntegerRange(from_value=int(self.minimum), to_value=int(self.maximum), step=1)
                descriptor.integer_range = [limits]
        return descriptor

    def problem(self, value: Any) -> str:
        """What is wrong with ``value`` in words, or "" when it is fine."""
        if value is None:  # so rclpy passes on an empty list, which has no type in ROS
            return f"{self.name} has no value (an empty list is none)"
        if isinstance(self.default, float):
            if not isinstance(value, float) or not math.isfinite(value):
                return f"{self.name} must be a finite number, not {value!r}"
            if self.minimum is not None and self.maximum is not None and not self.minimum <= value <= self.maximum:
                return f"{self.name} = {value:g} is outside {self.minimum:g} to {self.maximum:g}"
        if self.choices and value not in self.choices:
            return f"{self.name} = {value!r} is unknown; one of: {', '.join(self.choices)}"
        if self.check is not None and (text := self.check(value)):
            return f"{self.name}: {text}"
        return ""


def declare(node: Node, specs: Sequence[ParameterSpec], may_configure: Callable[[], bool] = lambda: True) -> None:
    """Declare ``specs`` on ``node`` and refuse, with a reason, every value that does not fit and every misspelt name.

    Other names that the node does not know may be another node's, from a section that both share: they are logged.

    Args:
        node: the owner.
        specs: the table, with all of the node's parameters.
        may_configure: False while parameters without ``while_active`` are in use; they are refused then.

    Raises:
        InputError: when a value from the command line or the params file does not fit, or a name is misspelt.
    """
    for spec in specs:
        try:
            value = node.declare_parameter(spec.name, spec.default, spec.descriptor()).value
        except Exception as error:  # rclpy raises a type of its own per cause: wrong type, out of range, ...
            raise InputError(
                f"parameter {spec.name}", f"the given value does not fit ({error})", f"give {_expected(spec)}"
            ) from error
        if problem := spec.problem(value):
            raise InputError(f"parameter {spec.name}", problem, f"give {_expected(spec)}")
    _refuse_misspelt(node)
    by_name = {spec.name: spec for spec in specs}

    def allow(parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            spec = by_name.get(parameter.name)
            if spec is None:
                continue
            if not spec.while_active and not may_configure():
                reason = f"{spec.name} is used at configure: deactivate and clean up the node first, then set it"
                return SetParametersResult(successful=False, reason=reason)
            if problem := spec.problem(parameter.value):
                return SetParametersResult(successful=False, reason=problem)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(allow)


def _refuse_misspelt(node: Node) -> None:
    """Raise InputError where a given name is nearly one of the node's; log the other ones that it does not know."""
    known = node.list_parameters([], 0).names
    given = [name for name in node._parameter_overrides if not name.startswith(QOS_OVERRIDES)]  # rclpy: not public
    unknown = [name for name in given if not node.has_parameter(name)]
    for name in unknown:
        if near := difflib.get_close_matches(name, known, 1, MISSPELT):
            raise InputError(f"parameter {name}", f"is unknown to {node.get_name()}", f"did you mean {near[0]}?")
    if unknown:
        asked = ((name, difflib.get_close_matches(name, known, 1, ALIKE)) for name in sorted(unknown))
        said = ", ".join(f"{name} (did you mean {near[0]}?)" if near else name for name, near in asked)
        node.get_logger().warning(f"parameters without effect, {node.get_name()} does not know them: {said}")


def _expected(spec: ParameterSpec) -> str:
    kind = {bool: "true or false", int: "an integer", float: "a number (with a decimal point)", str: "a text"}.get(
        type(spec.default), "a list of texts"
    )
    if spec.choices:
        return "one of " + ", ".join(spec.choices)
    if spec.minimum is not None and spec.maximum is not None:
        return f"{kind} from {spec.minimum:g} to {spec.maximum:g}"
    return kind


def value_of(node: Node, name: str) -> Any:
    """Current value of a declared parameter."""
    return node.get_parameter(name).value


# -- checks that several nodes share ----------------------------------------------------------------------------------


def folder_or_empty(value: str) -> str:
    """Check: empty, or an existing folder."""
    try:
        found = not value or typed_path(value).is_dir()
    except InputError as error:
        return str(error)
    return "" if found else f"{value!r} is no folder; give an existing one or leave it empty"


def modality_names(value: list[str]) -> str:
    """Check: a list of modality names with at least one in it."""
    try:
        parse_modalities(",".join(value))
    except ValueError as error:
        return str(error)
    return ""
