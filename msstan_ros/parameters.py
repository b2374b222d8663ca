"""Parameters of a node, declared and checked from their table."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from msstan_core.errors import InputError
from msstan_core.parameters import ParameterSpec, misspelt
from msstan_core.paths import typed_path
from msstan_core.vocabulary import parse_modalities

#: A name at least this much like one of the node's is worth a question.
ALIKE = 0.6
#: Declared with the publisher or the subscription that they are for, if at all.
QOS_OVERRIDES = "qos_overrides."


def descriptor_of(spec: ParameterSpec) -> ParameterDescriptor:
    """Its range and description as ROS tools show them."""
    descriptor = ParameterDescriptor(name=spec.name, description=spec.description, read_only=spec.read_only)
    if spec.choices:
        descriptor.additional_constraints = "one of: " + ", ".join(spec.choices)
    if spec.minimum is not None and spec.maximum is not None:
        if isinstance(spec.default, float):
            span = FloatingPointRange(from_value=float(spec.minimum), to_value=float(spec.maximum))
            descriptor.floating_point_range = [span]
        else:
            limits = IntegerRange(from_value=int(spec.minimum), to_value=int(spec.maximum), step=1)
            descriptor.integer_range = [limits]
    return descriptor


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
            value = node.declare_parameter(spec.name, spec.default, descriptor_of(spec)).value
        except Exception as error:  # rclpy raises a type of its own per cause: wrong type, out of range, ...
            raise InputError(
                f"parameter {spec.name}", f"the given value does not fit ({error})", f"give {spec.expected()}"
            ) from error
        if problem := spec.problem(value):
            raise InputError(f"parameter {spec.name}", problem, f"give {spec.expected()}")
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
        if meant := misspelt(name, known):
            raise InputError(f"parameter {name}", f"is unknown to {node.get_name()}", f"did you mean {meant}?")
    if unknown:
        asked = ((name, difflib.get_close_matches(name, known, 1, ALIKE)) for name in sorted(unknown))
        said = ", ".join(f"{name} (did you mean {near[0]}?)" if near else name for name, near in asked)
        node.get_logger().warning(f"parameters without effect, {node.get_name()} does not know them: {said}")


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
