"""docs/ros_interface.md is complete: what exists is in it, with its default and range."""

import re
from pathlib import Path

import pytest

from msstan_core.messages import TOPICS
from msstan_core.parameters import ParameterSpec
from msstan_msgs import msg, srv
from msstan_ros.advisory_follower_node import SPECS as FOLLOWER_SPECS
from msstan_ros.bag_player_node import SPECS as PLAYER_SPECS
from msstan_ros.bringup import PROFILES
from msstan_ros.gate_parameters import SPECS as GATE_SPECS
from msstan_ros.monitor_parameters import SPECS as MONITOR_SPECS
from msstan_ros.overlay_node import SPECS as OVERLAY_SPECS
from msstan_ros.weld_cell_node import SPECS as CELL_SPECS
from msstan_ros.weld_context_node import SPECS as CONTEXT_SPECS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "ros_interface.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("|")]


ALL_SPECS = [*MONITOR_SPECS, *GATE_SPECS, *FOLLOWER_SPECS, *PLAYER_SPECS, *OVERLAY_SPECS, *CELL_SPECS, *CONTEXT_SPECS]


@pytest.mark.parametrize("spec", ALL_SPECS, ids=lambda s: s.name)
def test_every_parameter_is_documented_as_it_is(spec: ParameterSpec) -> None:
    rows = [row for row in ROWS if row[0] == f"`{spec.name}`" and row[-1] == spec.description]
    assert rows, f"{spec.name} is missing, or described otherwise"
    if spec.minimum is not None and spec.maximum is not None:
        assert any(f"{spec.minimum:g} to {spec.maximum:g}" in row for row in rows)
    for choice in spec.choices:
        assert any(choice in row[3] for row in rows)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.name)
def test_every_argument_is_documented(profile) -> None:
    section = TEXT.split(f"`{profile.name}`: ")[1].split("\n\n`")[0]
    for argument in profile.arguments:
        assert f"| `{argument.name}` |" in section


def test_every_message_that_readme_and_page_name_exists() -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmsstan_msgs/(?:msg/|srv/)?([A-Z]\w+)", readme + TEXT))
    assert len(named) > 8
    assert named <= {name for part in (msg, srv) for name in vars(part)}


def test_every_topic_is_documented() -> None:
    heard = {row[0].strip("`") for row in ROWS}
    assert {topic.name for topic in TOPICS} <= heard
    spoken = {"weld/action", "weld/anomaly", "weld/state", "weld/model_info", "weld/attention", "weld/overlay/image"}
    spoken |= {"weld/advisory", "weld/advisory_gated"}
    assert spoken <= heard
