"""The one description of what runs: nodes, parameters, remappings, lifecycle, arguments.

The launch files (through :mod:`msstan_ros.launch_actions`) and ``msstan up`` (through
:mod:`msstan_ros.supervision`) both read it and add nothing of their own, so a system started by either is the same.
"""

from __future__ import annotations

import difflib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msstan_core.errors import InputError
from msstan_core.resources import share_path
from msstan_core.vocabulary import MODALITIES, parse_modalities

PACKAGE = "msstan_ros"
#: Shared memory that must be free for the large segments (one per process, and some room), bytes.
SHARED_MEMORY_NEEDED = 512 * 1024 * 1024
#: Where Linux keeps it.
SHARED_MEMORY_FOLDER = Path("/dev/shm")
#: Names under which Fast DDS looks for a profile file; a user's own choice is respected.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")

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
    log_level: str = "info"

    @property
    def full_name(self) -> str:
        """``/namespace/name``."""
        return "/" + "/".join(filter(None, (self.namespace.strip("/"), self.name)))

    @property
    def logger_name(self) -> str:
        """As rclpy names it: ``namespace.name``."""
        return self.full_name.strip("/").replace("/", ".")

    def ros_arguments(self) -> list[str]:
        """The command line after the executable."""
        line = ["--ros-args", "-r", f"__node:={self.name}", "--log-level", f"{self.logger_name}:={self.log_level}"]
        if self.namespace.strip("/"):
            line += ["-r", f"__ns:=/{self.namespace.strip('/')}"]
        for source, target in self.remappings:
            line += ["-r", f"{source}:={target}"]
        for path in self.parameter_files:
            line += ["--params-file", str(path)]
        for name, value in self.parameters.items():
            line += ["-p", f"{name}:={json.dumps(value)}"]  # JSON is YAML, which is what rcl reads here
        return line


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


# -- values -----------------------------------------------------------------------------------------------------------

BOOLEAN = ("true", "false")


def _number(values: Mapping[str, str], name: str, minimum: float, maximum: float) -> float:
    try:
        number = float(values[name])
    except ValueError:
        number = float("nan")
    if not minimum <= number <= maximum:
        raise InputError(
            f"argument {name}", f"{values[name]!r} is no number from {minimum:g} to {maximum:g}", "correct it"
        )
    return number


def _existing(values: Mapping[str, str], name: str) -> str:
    path = Path(values[name]).expanduser()
    if not path.exists():
        raise InputError(path, f"no such file or folder (argument {name})", "check the path")
    return str(path.resolve())


def _modalities(values: Mapping[str, str]) -> list[str]:
    try:
        chosen = parse_modalities(values["modalities"])
    except ValueError as error:
        raise InputError("argument modalities", str(error), "list them with commas") from None
    return [m.label for m in MODALITIES if m in chosen]


# -- arguments that several profiles share --------------------------------------------------------------------------

_NAMESPACE = Argument("namespace", "namespace of all nodes and topics, e.g. cell_1; empty: none")
_LOG_LEVEL = Argument("log_level", "of all nodes", "info", ("debug", "info", "warn", "error", "fatal"))
_MONITOR = (
    _NAMESPACE,
    Argument("params_file", "parameters of the nodes; empty: the installed config/weld_monitor.yaml"),
    Argument("model", "folder of the exported model; empty: as in params_file, or the shipped one"),
    Argument(
        "modalities",
        "sensors to use, with commas (camera,thermal,acoustic,telemetry); empty: as in params_file",
    ),
    Argument("overlay", "draw the annotated image and markers while somebody looks", "true", BOOLEAN),
    Argument("autostart", "configure and activate the monitor at once", "true", BOOLEAN),
    _LOG_LEVEL,
)
_SIMULATED_TIME = Argument("use_sim_time", "take time from /clock", "false", BOOLEAN)


def _monitor_nodes(values: Mapping[str, str], use_sim_time: bool) -> tuple[NodeSpec, ...]:
    params_file = (
        Path(_existing(values, "params_file")) if values["params_file"] else share_path("config/weld_monitor.yaml")
    )
    parameters: dict[str, ParameterValue] = {"use_sim_time": use_sim_time}
    monitor = dict(parameters)
    if values["model"]:
        monitor["model_dir"] = _existing(values, "model")
    if values["modalities"]:
        monitor["modalities"] = _modalities(values)
    shared = {
        "namespace": values["namespace"],
        "parameter_files": (params_file,),
        "log_level": values["log_level"],
    }
    nodes = [
        NodeSpec(
            "weld_monitor",
            "weld_monitor_node",
            parameters=monitor,
            lifecycle=True,
            autostart=values["autostart"] == "true",
            **shared,  # type: ignore[arg-type]
        )
    ]
    if values["overlay"] == "true":
        nodes.append(NodeSpec("weld_overlay", "overlay_node", parameters=parameters, **shared))  # type: ignore[arg-type]
    return tuple(nodes)


def _monitor(values: Mapping[str, str]) -> tuple[NodeSpec, ...]:
    return _monitor_nodes(values, values["use_sim_time"] == "true")


def _replay(values: Mapping[str, str]) -> tuple[NodeSpec, ...]:
    player = NodeSpec(
        "bag_player",
        "bag_player_node",
        namespace=values["namespace"],
        parameters={
            "bag": _existing(values, "bag"),
            "rate": _number(values, "rate", 0.01, 100.0),
            "loop": values["loop"] == "true",
            "start_offset_s": _number(values, "start_offset", 0.0, 1e6),
            "paused": values["paused"] == "true",
            "topics": values["topics"].split(","),  # [""] stands for none: ROS has no typed empty list
            "modalities": _modalities(values) if values["modalities"] else [""],
            "at_end": values["at_end"],
        },
        ends_all=values["at_end"] == "exit",
        log_level=values["log_level"],
    )
    return (*_monitor_nodes(values, use_sim_time=True), player)


def _simulated_cell(values: Mapping[str, str]) -> tuple[NodeSpec, ...]:
    rate = _number(values, "real_time_factor", 0.05, 20.0)
    simulated_time = rate != 1.0  # at its own pace the cell's stamps are its clock's, not the wall's
    cell = NodeSpec(
        "weld_cell",
        "weld_cell_node",
        namespace=values["namespace"],
        parameters={
            "scenario": values["scenario"],
            "seed": int(_number(values, "seed", -1, 2**31 - 1)),
            "real_time_factor": rate,
            "loop": values["loop"] == "true",
            "modalities": _modalities(values) if values["modalities"] else [""],
            "at_end": values["at_end"],
        },
        ends_all=values["at_end"] == "exit",
        log_level=values["log_level"],
    )
    return (*_monitor_nodes(values, simulated_time), cell)


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            "monitor",
            "the monitor and its overlay, on the topics of a real cell",
            (*_MONITOR, _SIMULATED_TIME),
            _monitor,
        ),
        Profile(
            "replay",
            "the monitor on a recording, with the recording's timing",
            (
                Argument("bag", "recording: a rosbag2 folder", None),
                Argument("rate", "1: as recorded, 2: twice as fast", "1.0"),
                Argument("loop", "start again at the end, for ever", "false", BOOLEAN),
                Argument("start_offset", "seconds of the recording to leave out at its beginning", "0.0"),
                Argument("paused", "wait for ~/resume of the player", "false", BOOLEAN),
                Argument("topics", "recorded topics to play, with commas; empty: all of the monitor's"),
                Argument("at_end", "end everything, or stay", "exit", ("exit", "idle")),
                *_MONITOR,
            ),
            _replay,
        ),
        Profile(
            "simulated_cell",
            "the monitor on a simulated weld cell, live",
            (
                Argument("scenario", "name of a built-in scenario, or a YAML file", "gmaw_steel_lap"),
                Argument("seed", "another weld of the same scenario; -1: the scenario's own", "-1"),
                Argument("real_time_factor", "1: real time, 0.5: half as fast", "1.0"),
                Argument("loop", "weld the next part when one is done", "true", BOOLEAN),
                Argument("at_end", "after the last weld: end everything, or stay", "exit", ("exit", "idle")),
                *_MONITOR,
            ),
            _simulated_cell,
        ),
    )
}


def profile_named(name: str) -> Profile:
    """One of :data:`PROFILES`; raises InputError naming them."""
    try:
        return PROFILES[name]
    except KeyError:
        raise InputError(f"profile {name}", "unknown", f"one of {', '.join(PROFILES)}") from None


def environment(base: Mapping[str, str] | None = None) -> tuple[dict[str, str], str]:
    """Variables that every process of the system is started with, and what a person should know about them.

    The shared-memory profile is left out where the user names a profile or where shared memory is too small for it.

    Returns:
        Additional variables; one line of remark, or "".
    """
    base = os.environ if base is None else base
    if any(base.get(name) for name in PROFILE_VARIABLES):
        return {}, ""
    free = shutil.disk_usage(SHARED_MEMORY_FOLDER).free if SHARED_MEMORY_FOLDER.is_dir() else 0
    if free < SHARED_MEMORY_NEEDED:
        return {}, (
            f"only {free // 2**20} MiB free in {SHARED_MEMORY_FOLDER}: images go over UDP and may be lost; "
            "give the container more (docker run --shm-size=1g)"
        )
    return {PROFILE_VARIABLES[0]: str(share_path("config/fastdds_shared_memory.xml"))}, ""
