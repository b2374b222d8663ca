"""msstan_core never imports ROS: it must serve training machines, replay and other front ends alike."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "msstan_core"

ROS_PACKAGES = {
    "ament_index_python",
    "cv_bridge",
    "launch",
    "launch_ros",
    "message_filters",
    "msstan_ros",
    "rclpy",
    "ros2cli",
    "rosbag2_py",
    "rosidl_runtime_py",
    "sensor_msgs_py",
    "tf2_ros",
}


def is_ros(module: str) -> bool:
    """Whether a dotted module name belongs to ROS or to the ROS side of the project."""
    top = module.partition(".")[0]
    return top in ROS_PACKAGES or top.endswith(("_msgs", "_srvs", "_interfaces"))


def imported_modules(file: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import in a file, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute | ast.Name)
            and (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id)
            in {"import_module", "__import__"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, str(node.args[0].value)


@pytest.mark.parametrize("file", sorted(LIBRARY.rglob("*.py")), ids=lambda f: str(f.relative_to(LIBRARY)))
def test_library_file_names_no_ros_module(file: Path) -> None:
    assert [(line, module) for line, module in imported_modules(file) if is_ros(module)] == []


@pytest.mark.parametrize("module", ["rclpy.node", "sensor_msgs.msg", "std_srvs.srv", "msstan_msgs.msg", "msstan_ros"])
def test_ros_modules_are_recognised(module: str) -> None:
    assert is_ros(module)


def test_import_inside_a_function_is_found(tmp_path: Path) -> None:
    file = tmp_path / "lazy.py"
    file.write_text("def publish():\n    from rclpy.node import Node\n    return Node\n")
    assert list(imported_modules(file)) == [(2, "rclpy.node")]


IMPORT_ALL = """
import importlib, pkgutil, sys

class RefuseRos:
    def find_spec(self, name, path=None, target=None):
        if is_ros(name):
            raise ImportError(f"ROS module {name} imported")
        return None

sys.meta_path.insert(0, RefuseRos())
import msstan_core
for module in pkgutil.walk_packages(msstan_core.__path__, "msstan_core."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""


def test_library_works_where_ros_cannot_be_imported() -> None:
    """Also through third parties: every module is imported with all ROS modules refused."""
    pytest.importorskip("torch", reason="the library's training modules need torch")
    source = f"ROS_PACKAGES = {ROS_PACKAGES!r}\n"
    source += "def is_ros(module):\n    top = module.partition('.')[0]\n"
    source += "    return top in ROS_PACKAGES or top.endswith(('_msgs', '_srvs', '_interfaces'))\n"
    finished = subprocess.run(
        [sys.executable, "-c", source + IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert "msstan_core.vocabulary" in finished.stdout.split()
