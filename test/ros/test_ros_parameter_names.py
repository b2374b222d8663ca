"""What a params file names wrongly is refused or said; what another node of the section knows is no fault."""

import difflib
import importlib
import itertools
from pathlib import Path

import pytest
from live import FakeMonitor, Spinner
from rclpy.node import Node

from msstan_core.errors import InputError
from msstan_core.parameters import MISSPELT
from msstan_core.resources import share_path
from msstan_ros.advisory_gate_node import AdvisoryGateNode
from msstan_ros.bringup import PROFILES, profile_named
from msstan_ros.overlay_node import OverlayNode
from msstan_ros.weld_monitor_node import WeldMonitorNode

NODES = {
    "weld_monitor": lambda **arguments: WeldMonitorNode(lambda _: FakeMonitor(), **arguments),
    "advisory_gate": AdvisoryGateNode,
    "weld_overlay": OverlayNode,
}
ROOT = Path(__file__).resolve().parents[2]
EXECUTABLES = sorted(path.stem for path in (ROOT / "msstan_ros").glob("*_node.py"))
WITHOUT_EFFECT = "without effect"


def names_of(executable: str) -> set[str]:
    return {spec.name for spec in importlib.import_module(f"msstan_ros.{executable}").SPECS}


def node_with(spinner: Spinner, name: str, file: Path, *more: str) -> Node:
    """A node that reads a params file, as its process would."""
    arguments = ["--ros-args", "--params-file", str(file), *more]
    return spinner.add(NODES[name](context=spinner.context, cli_args=arguments, use_global_arguments=False))


@pytest.mark.parametrize(
    ("node", "written", "said"),
    [
        ("advisory_gate", "accept_degradd: true", ("accept_degradd", "advisory_gate", "did you mean accept_degraded?")),
        ("weld_monitor", "events.onset: 0.5", ("events.onset", "did you mean events.onset_s?")),
        ("weld_monitor", "alignment: {stalenes_s: {camera: 0.5}}", ("did you mean alignment.staleness_s.camera?",)),
        ("weld_overlay", "use_simtime: true", ("did you mean use_sim_time?",)),
    ],
)
def test_a_misspelt_name_is_refused_with_the_one_that_is_meant(
    spinner: Spinner, tmp_path: Path, node: str, written: str, said: tuple[str, ...]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"/**/{node}:\n  ros__parameters:\n    {written}\n")
    with pytest.raises(InputError) as error:
        node_with(spinner, node, file)
    assert all(text in str(error.value) for text in said)
    assert "\n" not in str(error.value)


def test_other_unknown_names_are_said_in_one_warning(
    spinner: Spinner, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "shared.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    wps_folder: ''\n    onset_s: 0.5\n    robot_address: 10.0.0.7\n"
        "    use_sim_time: false\n    start_type_description_service: true\n"
        "    qos_overrides: {/weld/action: {publisher: {depth: 3}}}\n"
    )
    node_with(spinner, "weld_monitor", file)
    (line,) = (line for line in capfd.readouterr().err.splitlines() if WITHOUT_EFFECT in line)
    assert "WARN" in line and line.endswith(
        "weld_monitor does not know them: onset_s (did you mean events.onset_s?), robot_address"
    )


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("namespace", ["/", "/cell_1"])
def test_the_shipped_params_file_starts_every_node_without_a_warning(
    spinner: Spinner, name: str, namespace: str, capfd: pytest.CaptureFixture[str]
) -> None:
    node = node_with(spinner, name, share_path("config/weld_monitor.yaml"), "-r", f"__ns:={namespace}")
    assert WITHOUT_EFFECT not in capfd.readouterr().err
    assert any(node._parameter_overrides), "the file names this node"


@pytest.mark.parametrize("profile", PROFILES)
def test_the_profiles_give_only_parameters_that_their_nodes_have(profile: str, tmp_path: Path) -> None:
    given = {name: str(tmp_path) for name in ("model", "bag", "annotations")}
    given |= {"modalities": "camera", "wps": "gmaw_steel_lap", "overlay": "true", "gate": "true"}
    known = {argument.name for argument in PROFILES[profile].arguments}
    for spec in profile_named(profile).describe({name: value for name, value in given.items() if name in known}):
        assert set(spec.parameters) <= names_of(spec.executable) | {"use_sim_time"}


def test_no_parameter_of_one_node_is_taken_for_a_misspelt_one_of_another() -> None:
    """They may stand in one section for all nodes."""
    tables = [names_of(executable) for executable in EXECUTABLES]
    assert len(tables) == 8
    for own, other in itertools.permutations(tables, 2):
        for name in own - other:
            assert not difflib.get_close_matches(name, other, 1, MISSPELT)
