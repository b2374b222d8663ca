import pytest
import yaml
from live import FakeMonitor, Spinner
from rclpy.parameter import Parameter

from msstan_core.errors import InputError
from msstan_core.parameters import ParameterSpec
from msstan_core.resources import share_path
from msstan_core.vocabulary import Modality
from msstan_ros.bag_player_node import SPECS as PLAYER_SPECS
from msstan_ros.gate_parameters import SPECS as GATE_SPECS
from msstan_ros.monitor_parameters import SPECS, read_settings
from msstan_ros.overlay_node import SPECS as OVERLAY_SPECS
from msstan_ros.parameters import declare
from msstan_ros.weld_cell_node import SPECS as CELL_SPECS
from msstan_ros.weld_monitor_node import WeldMonitorNode

ALL_SPECS = [*SPECS, *PLAYER_SPECS, *OVERLAY_SPECS, *CELL_SPECS]


def monitor_node(spinner: Spinner, **overrides: object) -> WeldMonitorNode:
    given = [Parameter(name.replace("__", "."), value=value) for name, value in overrides.items()]
    return WeldMonitorNode(lambda _: FakeMonitor(), context=spinner.context, parameter_overrides=given)


@pytest.mark.parametrize("spec", ALL_SPECS, ids=lambda s: s.name)
def test_every_parameter_is_described_and_its_default_fits(spec: ParameterSpec) -> None:
    assert len(spec.description) > 10
    assert spec.problem(spec.default) == ""
    if isinstance(spec.default, int | float) and not isinstance(spec.default, bool):
        assert spec.minimum is not None and spec.maximum is not None, "a number without a range"


def test_a_value_out_of_range_is_refused_with_the_range(spinner: Spinner) -> None:
    node = monitor_node(spinner)
    (result,) = node.set_parameters([Parameter("alignment.tick_rate_hz", value=0.0)])
    assert not result.successful
    assert "range" in result.reason or "outside" in result.reason


def test_a_wrong_choice_is_refused_with_the_choices(spinner: Spinner) -> None:
    node = monitor_node(spinner)
    (result,) = node.set_parameters([Parameter("backend", value="tensorflow")])
    assert not result.successful
    assert "onnx" in result.reason


def test_a_read_only_parameter_cannot_be_changed(spinner: Spinner) -> None:
    (result,) = monitor_node(spinner).set_parameters([Parameter("state_rate_hz", value=20.0)])
    assert not result.successful


def test_parameters_in_use_are_refused_until_cleanup(spinner: Spinner, tmp_path) -> None:
    node = monitor_node(spinner, model_dir=str(tmp_path))
    node.trigger_configure()
    (result,) = node.set_parameters([Parameter("threads", value=2)])
    assert not result.successful
    assert "clean up" in result.reason
    node.trigger_cleanup()
    (result,) = node.set_parameters([Parameter("threads", value=2)])
    assert result.successful


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("threads", 99, "threads"),
        ("threads", "two", "integer"),
        ("alignment.clock", "sundial", "camera"),
        ("modalities", ["sonar"], "sonar"),
        ("snapshot.directory", "/no/such/folder", "no folder"),
        ("modalities", None, "has no value (an empty list is none); give a list of texts"),
        ("threads", None, "has no value (an empty list is none); give an integer from 1 to 32"),
    ],
)
def test_a_bad_value_at_the_start_is_one_line_that_names_it(
    spinner: Spinner, name: str, value: object, said: str
) -> None:
    with pytest.raises(InputError) as error:
        monitor_node(spinner, **{name.replace(".", "__"): value})
    assert name in str(error.value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_follow_the_parameters(spinner: Spinner, tmp_path) -> None:
    node = monitor_node(
        spinner,
        model_dir=str(tmp_path),
        modalities=["acoustic", "camera"],
        alignment__staleness_s__acoustic=0.7,
        alignment__offset_s__camera=-1.5,
        thermal__celsius_per_count=0.01,
    )
    settings = read_settings(node)
    assert settings.modalities == {Modality.CAMERA, Modality.ACOUSTIC}
    assert settings.alignment.staleness_s.acoustic == 0.7
    assert settings.alignment.offset_s.camera == -1.5
    assert settings.scaling.thermal_celsius_per_count == 0.01


def test_a_clock_that_is_not_among_the_modalities_is_refused(spinner: Spinner, tmp_path) -> None:
    node = monitor_node(spinner, model_dir=str(tmp_path), modalities=["acoustic"], alignment__clock="camera")
    with pytest.raises(InputError, match=r"alignment\.clock"):
        read_settings(node)


def test_the_shipped_params_file_names_only_parameters_that_exist() -> None:
    text = yaml.safe_load(share_path("config/weld_monitor.yaml").read_text())
    tables = {"weld_monitor": SPECS, "weld_overlay": OVERLAY_SPECS, "advisory_gate": GATE_SPECS}
    known = {node: {spec.name for spec in table} for node, table in tables.items()}

    def names(tree: dict, prefix: str = "") -> list[str]:
        out = []
        for key, value in tree.items():
            out += names(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
        return out

    for node, content in text.items():
        assert set(names(content["ros__parameters"])) <= known[node.split("/")[-1]]


def test_declare_does_not_stand_in_the_way_of_other_parameters(spinner: Spinner) -> None:
    node = spinner.peer("other")
    declare(node, [ParameterSpec("level", 0.5, "a level between zero and one", 0, 1)])
    (result,) = node.set_parameters([Parameter("use_sim_time", value=True)])
    assert result.successful


@pytest.mark.parametrize("rate", ["tick_rate_hz", "max_tick_rate_hz"])
def test_ticks_that_come_too_seldom_for_the_promised_deadline_are_refused(spinner: Spinner, rate: str) -> None:
    with pytest.raises(InputError, match=f"alignment.{rate}: 1.5 Hz cannot keep action_deadline_s .0.5 s.; give more"):
        read_settings(monitor_node(spinner, **{f"alignment__{rate}": 1.5}))
    assert read_settings(monitor_node(spinner, **{f"alignment__{rate}": 1.5, "action_deadline_s": 1.0}))


def test_a_text_of_digits_is_refused_with_how_it_is_quoted(spinner: Spinner) -> None:
    with pytest.raises(InputError, match="in quotes of their own"):
        monitor_node(spinner, wps=4711)


def test_several_heartbeats_fit_in_the_shortest_silence_that_a_gate_may_take_for_the_monitors_end(
    spinner: Spinner,
) -> None:
    slowest = next(spec.minimum for spec in SPECS if spec.name == "state_rate_hz")
    shortest = next(spec.minimum for spec in GATE_SPECS if spec.name == "heartbeat_timeout_s")
    assert slowest is not None and shortest is not None and slowest * shortest >= 3
    with pytest.raises(InputError, match="state_rate_hz"):
        monitor_node(spinner, state_rate_hz=2.0)
