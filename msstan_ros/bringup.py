"""The one description of what runs: nodes, parameters, remappings, lifecycle, arguments.

The launch files (through :mod:`msstan_ros.launch_actions`) and ``msstan up`` (through
:mod:`msstan_ros.supervision`) both read it and add nothing of their own, so a system started by either is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msstan_core.errors import InputError
from msstan_core.params_file import check_params_file, given_parameters
from msstan_core.paths import typed_path
from msstan_core.resources import share_path
from msstan_core.sensor_settings import MONITOR_NODE
from msstan_core.vocabulary import MODALITIES, parse_modalities
from msstan_ros.namespaces import typed_namespace
from msstan_ros.node_description import Argument, NodeSpec, ParameterValue, Profile

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


def _whole(values: Mapping[str, str], name: str, minimum: int, maximum: int) -> int:
    number = _number(values, name, minimum, maximum)
    if number != int(number):
        raise InputError(f"argument {name}", f"{values[name]!r} is no whole number", "correct it")
    return int(number)


def _existing(values: Mapping[str, str], name: str) -> str:
    path = typed_path(values[name])
    if not path.exists():
        raise InputError(path, f"no such file or folder (argument {name})", "check the path")
    return str(path.resolve())


def _namespace(values: Mapping[str, str]) -> str:
    return typed_namespace(values["namespace"], "argument namespace")


def _modalities(values: Mapping[str, str]) -> list[str]:
    try:
        chosen = parse_modalities(values["modalities"])
    except ValueError as error:
        raise InputError("argument modalities", str(error), "list them with commas") from None
    return [m.label for m in MODALITIES if m in chosen]


def _listened_to(values: Mapping[str, str]) -> list[str]:
    """Sensors that the monitor will use, by argument or params file, for who feeds it; [""]: all that there are."""
    if values["modalities"]:
        return _modalities(values)
    try:
        given = given_parameters(_params_file(values), MONITOR_NODE, _namespace(values)).get("modalities")
    except InputError:  # it says nothing of the monitor
        return [""]
    return given if isinstance(given, list) and given else [""]  # of another type the monitor itself says so


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
    Argument("wps", "WPS file or id of jobs that name none; empty: as in params_file, or as weld/context names it"),
    Argument("overlay", "draw the annotated image and markers while somebody looks", "true", BOOLEAN),
    Argument("autostart", "configure and activate monitor and gate at once", "true", BOOLEAN),
    _LOG_LEVEL,
)
_SIMULATED_TIME = Argument("use_sim_time", "take time from /clock", "false", BOOLEAN)


def _gate_argument(default: str) -> Argument:
    return Argument("gate", "start the advisory gate: weld/advisory_gated, for robots that follow it", default, BOOLEAN)


def _wps(text: str) -> str:
    """A WPS file's full path, or an id as it is."""
    path = typed_path(text)
    if path.suffix.lower() == ".yaml" and not path.is_file():
        raise InputError(path, "no such WPS file (argument wps)", "check the path, or give a WPS id")
    return str(path.resolve()) if path.is_file() else text


def _params_file(values: Mapping[str, str]) -> Path:
    """The one of all nodes; what a profile's arguments say comes before it."""
    given = values["params_file"]
    params_file = Path(_existing(values, "params_file")) if given else share_path("config/weld_monitor.yaml")
    check_params_file(params_file)
    return params_file


def _monitor_nodes(values: Mapping[str, str], use_sim_time: bool) -> tuple[NodeSpec, ...]:
    params_file = _params_file(values)
    parameters: dict[str, ParameterValue] = {"use_sim_time": use_sim_time}
    monitor = dict(parameters)
    if values["model"]:
        monitor["model_dir"] = _existing(values, "model")
    if values["modalities"]:
        monitor["modalities"] = _modalities(values)
    gate = dict(parameters)
    if values["wps"]:
        monitor["wps"] = gate["wps"] = _wps(values["wps"])
    shared = {
        "namespace": _namespace(values),
        "parameter_files": (params_file,),
        "log_level": values["log_level"],
    }
    managed = {"lifecycle": True, "autostart": values["autostart"] == "true", **shared}
    nodes = []
    if values["gate"] == "true":  # first: a simulated cell begins as soon as the monitor listens to it
        nodes.append(NodeSpec("advisory_gate", "advisory_gate_node", parameters=gate, **managed))  # type: ignore[arg-type]
    nodes.append(NodeSpec("weld_monitor", "weld_monitor_node", parameters=monitor, **managed))  # type: ignore[arg-type]
    if values["overlay"] == "true":
        nodes.append(NodeSpec("weld_overlay", "overlay_node", parameters=parameters, essential=False, **shared))  # type: ignore[arg-type]
    return tuple(nodes)


def _monitor(values: Mapping[str, str]) -> tuple[NodeSpec, ...]:
    return _monitor_nodes(values, values["use_sim_time"] == "true")


def _replay(values: Mapping[str, str]) -> tuple[NodeSpec, ...]:
    player = NodeSpec(
        "bag_player",
        "bag_player_node",
        namespace=_namespace(values),
        parameters={
            "bag": _existing(values, "bag"),
            "rate": _number(values, "rate", 0.01, 100.0),
            "loop": values["loop"] == "true",
            "start_offset_s": _number(values, "start_offset", 0.0, 1e6),
            "paused": values["paused"] == "true",
            "topics": [
                topic.strip() for topic in values["topics"].split(",")
            ],  # [""] stands for none: ROS has no typed empty list
            "modalities": _listened_to(values),
            "at_end": values["at_end"],
        },
        parameter_files=(_params_file(values),),
        ends_all=values["at_end"] == "exit",
        log_level=values["log_level"],
    )
    return (*_monitor_nodes(values, use_sim_time=True), player)


def _simulated_cell(values: Mapping[str, str]) -> tuple[NodeSpec, ...]:
    from msstan_core.simulation import load_scenario

    load_scenario(values["scenario"])  # read by the cell; here, so that a wrong one is said before anything runs
    rate = _number(values, "real_time_factor", 0.05, 20.0)
    simulated_time = rate != 1.0  # at its own pace the cell's stamps are its clock's, not the wall's
    cell = NodeSpec(
        "weld_cell",
        "weld_cell_node",
        namespace=_namespace(values),
        parameters={
            "scenario": values["scenario"],
            "seed": _whole(values, "seed", -1, 2**31 - 1),
            "real_time_factor": rate,
            "loop": values["loop"] == "true",
            "modalities": _listened_to(values),
            "at_end": values["at_end"],
            "annotations_folder": _existing(values, "annotations") if values["annotations"] else "",
        },
        parameter_files=(_params_file(values),),
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
            (*_MONITOR, _gate_argument("false"), _SIMULATED_TIME),
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
                _gate_argument("false"),
            ),
            _replay,
        ),
        Profile(
            "simulated_cell",
            "the monitor on a simulated weld cell that follows its advice, live",
            (
                Argument("scenario", "name of a built-in scenario, or a YAML file", "gmaw_steel_lap"),
                Argument("seed", "another weld of the same scenario; -1: the scenario's own", "-1"),
                Argument("real_time_factor", "1: real time, 0.5: half as fast", "1.0"),
                Argument("loop", "weld the next part when one is done", "true", BOOLEAN),
                Argument("at_end", "after the last weld: end everything, or stay", "exit", ("exit", "idle")),
                Argument("annotations", "folder for the truth about each part, NAME-SEED.csv; empty: none"),
                *_MONITOR,
                _gate_argument("true"),
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
