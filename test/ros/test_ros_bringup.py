import ast
import itertools
import math
import re
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.context import Context
from rclpy.node import Node

from msstan_core.errors import InputError
from msstan_core.params_file import NODES
from msstan_core.resources import share_path
from msstan_ros.bringup import PROFILES, profile_named
from msstan_ros.commands.up import parse_assignments
from msstan_ros.node_description import NodeSpec, Profile
from msstan_ros.transport import PROFILE_VARIABLES, environment

ROOT = Path(__file__).resolve().parents[2]


def described(profile: str, **given: str) -> dict[str, NodeSpec]:
    return {spec.name: spec for spec in profile_named(profile).describe(given)}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.name)
def test_every_argument_is_described(profile: Profile) -> None:
    names = [argument.name for argument in profile.arguments]
    assert len(set(names)) == len(names)
    assert all(argument.description for argument in profile.arguments)


def test_every_profile_runs_the_monitor_as_a_managed_node(tmp_path: Path) -> None:
    for name in PROFILES:
        nodes = described(name, **({"bag": str(tmp_path)} if name == "replay" else {}))
        assert nodes["weld_monitor"].lifecycle
        assert nodes["weld_monitor"].autostart


def test_every_executable_is_a_module_with_a_main(tmp_path: Path) -> None:
    executables = {s.executable for s in described("replay", bag=str(tmp_path)).values()}
    executables |= {s.executable for s in described("simulated_cell").values()}
    for executable in executables:
        tree = ast.parse((ROOT / "msstan_ros" / f"{executable}.py").read_text())
        assert "main" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_launch_files_hold_no_knowledge_of_their_own() -> None:
    files = sorted((ROOT / "launch").glob("*.launch.py"))
    assert len(files) == len(PROFILES)
    for file in files:
        literals = [n.value for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Constant)]
        texts = [text for text in literals if isinstance(text, str) and " " not in text]
        assert len(texts) == 1 and texts[0] in PROFILES


@pytest.mark.parametrize(
    ("profile", "given", "said"),
    [
        ("monitor", {"modell": "x"}, "did you mean model?"),
        ("monitor", {"modalities": "camera,radar"}, "radar"),
        ("monitor", {"overlay": "maybe"}, "true, false"),
        ("monitor", {"model": "/no/such"}, "/no/such"),
        ("monitor", {"params_file": "/no/such.yaml"}, "/no/such.yaml"),
        ("monitor", {"wps": "/no/such.yaml"}, "/no/such.yaml"),
        ("monitor", {"gate": "yes"}, "true, false"),
        ("monitor", {"namespace": "a b"}, "namespace 'a b'"),
        ("simulated_cell", {"namespace": "1st"}, "starts with a number"),
        ("replay", {}, "give bag:="),
        ("replay", {"bag": "/tmp", "rate": "0"}, "rate"),
        ("replay", {"bag": "/tmp", "rate": "fast"}, "rate"),
        ("simulated_cell", {"seed": "1.5e12"}, "seed"),
        ("simulated_cell", {"seed": "1.7"}, "argument seed: '1.7' is no whole number"),
        ("simulated_cell", {"scenario": "nope"}, "one of: fsw_aluminium_butt, gmaw_aluminium_steel_tee"),
        ("simulated_cell", {"scenario": "/no/such.yaml"}, "/no/such.yaml"),
    ],
)
def test_bad_arguments_are_named_with_a_remedy_in_one_line(profile: str, given: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as error:
        described(profile, **given)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"just a text", "line 1: a value"),
        (b"- weld_monitor", "line 1: a list"),
        (b"weld_monitor: {threads: 2}", "line 1: a value"),
        (b"weld_monitor:\n  ros__parameters: 3", "line 2: a value"),
        (b"cell_1:\n  weld_monitor:\n", "line 2: nothing"),
        (b"weld_monitor: [1, 2", "is no YAML"),
        (b"\xff\xfe\x00", "is no YAML"),
    ],
)
def test_a_file_that_holds_no_parameters_is_named_before_anything_starts(
    content: bytes, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(InputError) as error:
        described("monitor", params_file=str(file))
    assert str(file) in str(error.value) and said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("section", ["/**/advisory_gat", "/cell_1/advisory_gate_", "wheld_monitor"])
def test_a_section_for_a_node_that_is_nearly_one_of_ours_is_refused(section: str, tmp_path: Path) -> None:
    """All the limits below it would go unheard."""
    file = tmp_path / "params.yaml"
    file.write_text(f"{section}:\n  ros__parameters:\n    max_age_s: 0.5\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"did you mean (advisory_gate|weld_monitor)"):
        described("monitor", params_file=str(file))


def test_every_node_of_a_profile_is_given_the_params_file(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("/**/bag_player:\n  ros__parameters:\n    publish_clock: false\n", encoding="utf-8")
    for profile, given in (("replay", {"bag": str(tmp_path), "gate": "true"}), ("simulated_cell", {})):
        nodes = described(profile, params_file=str(file), **given)
        assert len(nodes) == 4 and {node.parameter_files for node in nodes.values()} == {(file,)}


def test_player_and_cell_are_told_which_sensors_the_monitor_is_given_by_its_params_file(tmp_path: Path) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text("cell_1: {weld_monitor: {ros__parameters: {modalities: [telemetry, acoustic]}}}", encoding="utf-8")
    given = {"params_file": str(file), "namespace": "cell_1"}
    for profile, node in (("replay", "bag_player"), ("simulated_cell", "weld_cell")):
        bag = {"bag": str(tmp_path)} if profile == "replay" else {}
        assert described(profile, **bag, **given)[node].parameters["modalities"] == ["telemetry", "acoustic"]
        chosen = described(profile, **bag, **given, modalities="camera")[node].parameters["modalities"]
        assert chosen == ["camera"], "an argument comes before the file"
        del given["namespace"]  # the section is another cell's
        assert described(profile, **bag, **given)[node].parameters["modalities"] == [""]
        given["namespace"] = "cell_1"
    topics = described("replay", bag=str(tmp_path), topics="/a, /b")["bag_player"].parameters["topics"]
    assert topics == ["/a", "/b"]


def test_sections_of_other_nodes_are_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    nodes = ["/**", "/cell_1/weld_monitor", "camera_driver", "/**/advisory_gate", "rosbag_player", "weld_monitor_2"]
    sections = "".join(f"{node}:\n  ros__parameters:\n    a: 1\n" for node in nodes)
    nested = (
        "weld_cell_1:\n  weld_monitor:\n    ros__parameters: {}\nweld_cells:\n  camera:\n    ros__parameters: {a: 1}\n"
    )
    file.write_text(sections + nested, encoding="utf-8")
    assert described("monitor", params_file=str(file))


def test_every_node_is_known_by_its_name() -> None:
    sources = (Path(__file__).parents[2] / "msstan_ros").glob("*_node.py")
    names = {
        name for source in sources for name in re.findall(r'super\(\).__init__\("(\w+)"', source.read_text("utf-8"))
    }
    assert names == set(NODES)


def test_a_folder_is_no_params_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        described("monitor", params_file=str(tmp_path))


@pytest.mark.parametrize("content", ["", "# as shipped\n", "cell_1: {weld_monitor: {ros__parameters: {threads: 2}}}"])
def test_a_params_file_may_be_empty_and_have_namespaces(content: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    assert described("monitor", params_file=str(file))["weld_monitor"].parameter_files == (file,)


def test_slashes_around_a_namespace_make_no_difference() -> None:
    for given in ("line_2/cell_1", "/line_2/cell_1/"):
        nodes = described("simulated_cell", namespace=given)
        assert {spec.namespace for spec in nodes.values()} == {"line_2/cell_1"}
    assert described("monitor", namespace="/")["weld_monitor"].full_name == "/weld_monitor"


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="simulated_cell"):
        profile_named("replya")


def test_assignments_may_hold_the_separator_in_their_value() -> None:
    assert parse_assignments(["a:=1", "b:=x:=y", "c:="]) == {"a": "1", "b": "x:=y", "c": ""}


def test_ros_arguments_keep_types_and_quote_texts() -> None:
    spec = NodeSpec(
        "n",
        "weld_monitor_node",
        namespace="cell_1",
        parameters={"flag": True, "number": 1.0, "text": "2", "empty": "", "names": ["a", "b"]},
        remappings=(("camera/image_raw", "left/image"),),
    )
    line = spec.ros_arguments()
    given = dict(item.split(":=", 1) for flag, item in itertools.pairwise(line) if flag == "-p")
    assert {name: yaml.safe_load(value) for name, value in given.items()} == spec.parameters
    assert "camera/image_raw:=left/image" in line
    assert "__ns:=/cell_1" in line
    assert spec.full_name == "/cell_1/n"
    assert "cell_1.n:=info" in line, "a logger below a namespace has the namespace in its name"


def test_arguments_hold_whatever_sections_the_params_file_has(tmp_path: Path) -> None:
    """A section for all nodes before that of the node: to ROS the latter would win over the command line."""
    file = tmp_path / "params.yaml"
    file.write_text(
        "/**: {ros__parameters: {use_sim_time: true, threads: 2}}\n"
        "/**/weld_monitor: {ros__parameters: {wps: old, model_dir: /old, alignment: {clock: timer}}}\n",
        encoding="utf-8",
    )
    spec = described("monitor", params_file=str(file), wps="new", namespace="cell_1")["weld_monitor"]
    context = Context()
    rclpy.init(args=spec.ros_arguments(), context=context)
    try:
        node = Node("other", context=context, automatically_declare_parameters_from_overrides=True)
        found = {name: node.get_parameter(name).value for name in ("wps", "model_dir", "alignment.clock", "threads")}
        assert found == {"wps": "new", "model_dir": "/old", "alignment.clock": "timer", "threads": 2}
        assert node.get_parameter("use_sim_time").value is False
        node.destroy_node()
    finally:
        context.shutdown()


def test_numbers_that_are_none_reach_the_node_as_such() -> None:
    line = NodeSpec("n", "weld_monitor_node", parameters={"a": [math.inf, 1.0], "b": math.nan}).ros_arguments()
    assert "a:=[.inf, 1.0]" in line and "b:=.nan" in line


def test_replay_takes_time_from_the_recording_and_ends_with_it(tmp_path: Path) -> None:
    nodes = described("replay", bag=str(tmp_path))
    assert nodes["weld_monitor"].parameters["use_sim_time"] is True
    assert nodes["bag_player"].ends_all
    assert not described("replay", bag=str(tmp_path), at_end="idle")["bag_player"].ends_all


def test_a_simulated_cell_at_its_own_pace_brings_its_own_time() -> None:
    assert described("simulated_cell")["weld_monitor"].parameters["use_sim_time"] is False
    assert described("simulated_cell", real_time_factor="0.5")["weld_monitor"].parameters["use_sim_time"] is True


def test_the_gate_stands_between_monitor_and_simulated_robot_and_elsewhere_when_asked(tmp_path: Path) -> None:
    assert described("simulated_cell")["advisory_gate"].lifecycle
    assert "advisory_gate" not in described("simulated_cell", gate="false")
    assert "advisory_gate" not in described("monitor")
    assert "advisory_gate" not in described("replay", bag=str(tmp_path))
    gate = described("replay", bag=str(tmp_path), gate="true", namespace="cell_1")["advisory_gate"]
    assert gate.parameters["use_sim_time"] is True and gate.full_name == "/cell_1/advisory_gate"


def test_monitor_and_gate_are_told_the_same_procedure(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("id: mine")
    for given, passed in (("gmaw_steel_lap", "gmaw_steel_lap"), (str(file), str(file))):
        nodes = described("monitor", gate="true", wps=given)
        assert nodes["weld_monitor"].parameters["wps"] == nodes["advisory_gate"].parameters["wps"] == passed
    assert "wps" not in described("monitor", gate="true")["advisory_gate"].parameters, "as the params file says"


def test_the_shared_memory_profile_is_set_unless_the_user_chose_one(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**32, 0, 2**32))
    variables, remark = environment({})
    assert Path(variables["FASTRTPS_DEFAULT_PROFILES_FILE"]) == share_path("config/fastdds_shared_memory.xml")
    assert not remark
    for name in PROFILE_VARIABLES:
        assert environment({name: "mine.xml"}) == ({}, "")


def test_too_little_shared_memory_is_said_and_the_profile_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**26, 0, 2**26))
    variables, remark = environment({})
    assert not variables
    assert "--shm-size" in remark
