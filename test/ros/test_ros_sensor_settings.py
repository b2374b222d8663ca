"""What a params file says of the sensors is the same for the node and for the offline commands."""

import difflib
from pathlib import Path

import pytest
from live import FakeMonitor, Spinner

from msstan_core.errors import InputError
from msstan_core.parameters import MISSPELT
from msstan_core.sensor_settings import SENSOR_SPECS, SensorSettings, read_sensors
from msstan_ros.monitor_parameters import SPECS
from msstan_ros.parameters import value_of
from msstan_ros.weld_monitor_node import WeldMonitorNode

P = "ros__parameters"


def node_with(spinner: Spinner, file: Path, namespace: str) -> WeldMonitorNode:
    """The monitor as its process would start."""
    arguments = ["--ros-args", "--params-file", str(file), "-r", f"__ns:={namespace}"]
    node = WeldMonitorNode(
        lambda _: FakeMonitor(), context=spinner.context, cli_args=arguments, use_global_arguments=False
    )
    return spinner.add(node)


@pytest.mark.parametrize("namespace", ["/", "/cell_1", "/line/cell_1"])
@pytest.mark.parametrize(
    "content",
    [
        f"/**/weld_monitor: {{{P}: {{camera: {{bit_depth: 12}}, thermal.celsius_per_count: 1e-2}}}}",
        f"/**: {{{P}: {{alignment: {{clock: timer, offset_s.camera: -1.5e0}}}}}}",
        f"/**: {{{P}: {{camera.bit_depth: 10}}}}\n/**/weld_monitor: {{{P}: {{camera.bit_depth: 0x0c}}}}",
        f"/**/weld_monitor: {{{P}: {{camera.bit_depth: 10}}}}\n/**: {{{P}: {{camera.bit_depth: 12}}}}",
        f"/*/weld_monitor: {{{P}: {{camera.bit_depth: 10}}}}\n/**/weld_overlay: {{{P}: {{camera.bit_depth: 12}}}}\n"
        f"/line/**: {{{P}: {{camera.bit_depth: 14}}}}\nweld_monitor: {{{P}: {{thermal.celsius_at_zero: +2.}}}}\n"
        f"/**: {{{P}: {{alignment: {{staleness_s: {{camera: .5}}, audio_window_s: 1.0e0}}}}}}",
        f"cell_1:\n  weld_monitor: {{{P}: {{camera.bit_depth: 9}}}}\n/**/weld_monitor: {{{P}: {{}}}}",
    ],
)
def test_a_file_gives_both_the_same_settings(spinner: Spinner, tmp_path: Path, content: str, namespace: str) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text(content, encoding="utf-8")
    node = node_with(spinner, file, namespace)
    live = SensorSettings({spec.name: value_of(node, spec.name) for spec in SENSOR_SPECS})
    assert read_sensors(file, namespace).changed == live.changed


@pytest.mark.parametrize(
    "written",
    [
        "camera.bit_dept: 12",
        "camera.bit_depth: 17",
        "camera.bit_depth: 12.0",
        "thermal.celsius_per_count: 1",
        "thermal.celsius_per_count: '0.01'",
        "alignment.offset_s.camera: 60.5",
        "alignment.offset_s.camera: .inf",
        "alignment.clock: sundial",
        "alignment.stalenes_s.camera: 0.5",
    ],
)
def test_both_refuse_the_same(spinner: Spinner, tmp_path: Path, written: str) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text(f"/**/weld_monitor: {{{P}: {{{written}}}}}", encoding="utf-8")
    with pytest.raises(InputError) as live:
        node_with(spinner, file, "/")
    with pytest.raises(InputError) as offline:
        read_sensors(file)
    assert offline.value.where == f"{file}: {live.value.where}"
    assert offline.value.remedy == live.value.remedy


def test_no_other_parameter_of_the_monitor_is_taken_for_a_misspelt_one_of_its_sensors() -> None:
    names = {spec.name for spec in SENSOR_SPECS}
    for other in {spec.name for spec in SPECS} - names:
        assert not difflib.get_close_matches(other, names, 1, MISSPELT)
