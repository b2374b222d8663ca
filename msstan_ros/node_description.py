"""What a way to run the system is described with: its arguments, and the processes that follow from them."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msstan_core.errors import InputError
from msstan_core.params_file import given_parameters

PACKAGE = "msstan_ros"

ParameterValue = bool | int | float | str | list[str]


@dataclass(frozen=True, slots=True)
class Argument:
    """One ``name:=value`` of a profile.

    Args:
        name: as typed.
        description: for ``--show-args`` and ``--help``.
        default: as text; None: must be given.
        choices: allowed texts; empty: any.
    """

    name: str
    description: str
    default: str | None = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One process.

    Args:
        name: node name.
        executable: of package msstan_ros, and module of the same name.
        namespace: of the node and its relative topics; "" for none.
        parameters: override those of the files.
        parameter_files: read in order.
        remappings: (from, to).
        lifecycle: it is a managed node.
        autostart: configure and activate it when it is up (lifecycle only).
        ends_all: when it ends, everything ends with its exit status.
        essential: ``msstan up`` does not go on without it; the end of another one is said, as under ros2 launch.
        log_level: of its logger.
    """

    name: str
    executable: str
    namespace: str = ""
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    parameter_files: tuple[Path, ...] = ()
    remappings: tuple[tuple[str, str], ...] = ()
    lifecycle: bool = False
    autostart: bool = True
    ends_all: bool = False
    essential: bool = True
    log_level: str = "info"

    @property
    def full_name(self) -> str:
        """``/namespace/name``."""
        return "/" + "/".join(filter(None, (self.namespace.strip("/"), self.name)))

    @property
    def logger_name(self) -> str:
        """As rclpy names it: ``namespace.name``."""
        return self.full_name.strip("/").replace("/", ".")

    def sources(self) -> tuple[tuple[Path, ...], dict[str, Any]]:
        """(files, parameters) to start the node with, so that ``parameters`` hold whatever sections the files have.

        To ROS, parameters of the command line are a section for all nodes: one of the file for this node would win
        over them where the file has a section for all nodes, too. Where the two differ the files' are given singly.
        """
        own = dict(self.parameters)
        told: dict[str, Any] = {}
        for path in self.parameter_files:
            try:
                told |= given_parameters(path, self.name, self.namespace)
            except InputError:  # has no section for it; whether it can be read was seen before
                continue
        if all(told.get(name, value) == value for name, value in own.items()):
            return self.parameter_files, own
        return (), {**told, **own}

    def ros_arguments(self) -> list[str]:
        """The command line after the executable."""
        files, parameters = self.sources()
        line = ["--ros-args", "-r", f"__node:={self.name}", "--log-level", f"{self.logger_name}:={self.log_level}"]
        if self.namespace.strip("/"):
            line += ["-r", f"__ns:=/{self.namespace.strip('/')}"]
        for source, target in self.remappings:
            line += ["-r", f"{source}:={target}"]
        for path in files:
            line += ["--params-file", str(path)]
        for name, value in parameters.items():
            line += ["-p", f"{name}:={_yaml_text(value)}"]
        return line


def _yaml_text(value: Any) -> str:
    """In one line, as rcl reads it: JSON is YAML, but for numbers that are none."""
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml_text, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return json.dumps(value)


@dataclass(frozen=True, slots=True)
class Profile:
    """One way to run the system: what can be said about it, and the nodes that follow."""

    name: str
    description: str
    arguments: tuple[Argument, ...]
    nodes: Callable[[Mapping[str, str]], tuple[NodeSpec, ...]]

    def resolve(self, given: Mapping[str, str]) -> dict[str, str]:
        """All arguments with their values.

        Raises:
            InputError: for a name this profile does not know, a missing value, or one outside the choices.
        """
        known = {argument.name: argument for argument in self.arguments}
        for name in given:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {close[0]}? " if close else ""
                raise InputError(
                    f"argument {name}", f"unknown to {self.name}", f"{hint}known: {', '.join(known) or 'none'}"
                )
        values = {}
        for name, argument in known.items():
            value = given.get(name, argument.default)
            if value is None or (value == "" and argument.default is None):
                raise InputError(f"argument {name}", "is missing", f"give {name}:=... ({argument.description})")
            if argument.choices and value not in argument.choices:
                raise InputError(
                    f"argument {name}", f"{value!r} is not possible", f"one of {', '.join(argument.choices)}"
                )
            values[name] = value
        return values

    def describe(self, given: Mapping[str, str]) -> tuple[NodeSpec, ...]:
        """The nodes for these arguments; raises InputError as :meth:`resolve` and for values that make no sense."""
        return self.nodes(self.resolve(given))
