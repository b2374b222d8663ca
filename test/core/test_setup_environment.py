"""tools/setup_environment.py: repeats no work, and says in one line what is missing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import cmake_relocation
import machine_checks
import setup_environment as script

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project to set up, in the place of the real one."""
    root = tmp_path / "project"
    for name in ("requirements", "msstan_msgs/msg", "msstan_msgs/srv", "msstan_core", "resource"):
        (root / name).mkdir(parents=True)
    for name in (*script.REQUIREMENTS, "constraints", "pretrained"):
        (root / "requirements" / f"{name}.txt").write_text(f"{name}==1\n")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "msstan_core/__init__.py"):
        (root / name).touch()
    for name in ("CMakeLists.txt", "package.xml"):
        (root / "msstan_msgs" / name).touch()
    (root / "resource" / "msstan_ros").touch()
    (root / "msstan_msgs" / "msg" / "A.msg").write_text("uint8 a\n")
    monkeypatch.setattr(script, "ROOT", root)
    return root


class Commands:
    """Stands for :func:`run`: notes the step instead of running it, and leaves the folders that later steps expect."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.command: dict[str, list[str]] = {}

    def __call__(self, options: object, step: str, command: Sequence[object], variables: object = None) -> None:
        self.steps.append(step)
        self.command[step] = [str(c) for c in command]
        if step == "environment":
            environment = Path(self.command[step][-1])
            name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
            (environment / "lib" / name / "site-packages").mkdir(parents=True)
            (environment / "share" / "ament_index" / "resource_index" / "packages").mkdir(parents=True)
            (environment / "bin").mkdir()
            (environment / "bin" / "weld_monitor_node").touch()

    def take(self) -> list[str]:
        """Steps since the last call."""
        steps, self.steps = self.steps, []
        return steps


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    recorded = Commands()
    monkeypatch.setattr(script, "run", recorded)
    monkeypatch.setattr(script, "relocate_cmake_targets", lambda options: None)
    return recorded


ALL_STEPS = ["environment", "requirements", "pretrained", "messages", "project"]


def set_up(tree: Path, *arguments: str) -> int:
    return script.main(["--environment", str(tree / ".venv"), *arguments])


def test_second_run_repeats_no_work(tree: Path, commands: Commands) -> None:
    assert set_up(tree) == 0
    assert commands.take() == ALL_STEPS
    assert set_up(tree) == 0
    assert commands.take() == []


@pytest.mark.parametrize(
    ("changed", "steps"),
    [
        ("msstan_msgs/msg/A.msg", ["messages"]),
        ("msstan_msgs/srv/New.srv", ["messages"]),
        ("msstan_msgs/CHANGELOG.rst", []),
        ("requirements/runtime.txt", ["requirements", "pretrained", "project"]),
        ("requirements/ros.txt", ["requirements", "pretrained", "messages", "project"]),
        ("setup.py", ["project"]),
        ("msstan_core/__init__.py", []),
    ],
)
def test_change_repeats_only_what_depends_on_it(tree: Path, commands: Commands, changed: str, steps: list[str]) -> None:
    set_up(tree)
    commands.take()
    (tree / changed).write_text("changed\n")
    assert set_up(tree) == 0
    assert commands.take() == steps


def test_new_subpackage_is_installed(tree: Path, commands: Commands) -> None:
    set_up(tree)
    commands.take()
    (tree / "msstan_core" / "report").mkdir()
    (tree / "msstan_core" / "report" / "__init__.py").touch()
    set_up(tree)
    assert commands.take() == ["project"]


def test_interrupted_set_up_goes_on_where_it_stopped(
    tree: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(script, "build_messages", interrupted)
        assert set_up(tree) == 130
    commands.take()
    assert set_up(tree) == 0
    assert commands.take() == ["messages", "project"]


def test_node_executables_and_share_folder_are_where_ros_looks(tree: Path, commands: Commands) -> None:
    set_up(tree)
    prefix = tree / ".venv"
    assert (prefix / "lib" / "msstan_ros" / "weld_monitor_node").samefile(prefix / "bin" / "weld_monitor_node")
    assert (prefix / "share" / "msstan_ros" / "package.xml").samefile(tree / "package.xml")
    assert (prefix / "share" / "ament_index" / "resource_index" / "packages" / "msstan_ros").is_file()


def test_ament_prefix_is_set_at_start_unless_given(tree: Path, commands: Commands) -> None:
    set_up(tree)
    (hook,) = (tree / ".venv").glob("lib/python3.*/site-packages/*.pth")
    program = f"{hook.read_text()}print(os.environ['AMENT_PREFIX_PATH'] == sys.prefix)"
    clean = {k: v for k, v in os.environ.items() if k != "AMENT_PREFIX_PATH"}
    for variables, expected in ((clean, "True"), (clean | {"AMENT_PREFIX_PATH": "/opt/ros/jazzy"}, "False")):
        out = subprocess.run([sys.executable, "-S", "-c", program], env=variables, capture_output=True, text=True)
        assert out.stdout.strip() == expected


def test_training_and_torch_index_are_options(tree: Path, commands: Commands) -> None:
    set_up(tree, "--without-training")
    assert not any(c.endswith("training.txt") for c in commands.command["requirements"])
    set_up(tree, "--torch-index", "https://example.org/cpu")
    assert "https://example.org/cpu" in commands.command["requirements"]
    assert any(c.endswith("training.txt") for c in commands.command["requirements"])
    commands.take()
    set_up(tree)  # where torch came from does not matter once it is installed
    assert commands.take() == []


def one_line_of(capsys: pytest.CaptureFixture[str]) -> str:
    """The error printed: exactly one line."""
    (line,) = capsys.readouterr().err.splitlines()
    return str(line)


def test_unsupported_python_is_named_with_the_remedy(
    tree: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    assert set_up(tree) == 1
    assert "Python 3.13.0 is not supported; install Python 3.11 or 3.12" in one_line_of(capsys)


def test_missing_venv_module_is_named_with_the_package(
    tree: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert set_up(tree) == 1
    assert f"sudo apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv" in one_line_of(capsys)


def test_missing_python_headers_are_named_with_the_package(
    tree: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine_checks.sysconfig, "get_path", lambda name: str(tree))
    assert set_up(tree) == 1
    assert f"sudo apt install python{sys.version_info[0]}.{sys.version_info[1]}-dev" in one_line_of(capsys)


@pytest.mark.parametrize(
    ("absent", "remedy"),
    [
        ({"cmake"}, "cmake not found, needed to compile the messages; install: sudo apt install cmake"),
        ({"c++", "g++", "clang++"}, "install: sudo apt install g++"),
        ({"cmake", "c++", "g++", "clang++", "make", "ninja"}, "install: sudo apt install cmake g++ make"),
    ],
)
def test_missing_build_tools_are_named_before_anything_is_downloaded(
    tree: Path,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    absent: set[str],
    remedy: str,
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(machine_checks.shutil, "which", lambda tool: None if tool in absent else f"/usr/bin/{tool}")
    assert set_up(tree) == 1
    assert remedy in one_line_of(capsys)
    assert commands.take() == []


def test_full_disk_is_said_before_anything_is_written(
    tree: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = shutil.disk_usage(tree)._replace(free=1_900_000_000)
    monkeypatch.setattr(machine_checks.shutil, "disk_usage", lambda folder: usage)
    assert set_up(tree) == 1
    assert "only 1.9 GB free" in one_line_of(capsys)
    assert not (tree / ".venv").exists()


def test_foreign_folder_is_not_deleted(tree: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / ".venv").mkdir()
    (tree / ".venv" / "precious").touch()
    assert set_up(tree) == 1
    assert "move it away" in one_line_of(capsys)
    assert (tree / ".venv" / "precious").exists()


def test_environment_of_another_python_is_replaced(tree: Path, commands: Commands) -> None:
    set_up(tree)
    commands.take()
    (tree / ".venv" / ".msstan" / "environment.stamp").write_text("/usr 3.10.0")
    assert set_up(tree) == 0
    assert commands.take() == ALL_STEPS


def test_environment_that_was_moved_is_replaced(
    tree: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scripts name the interpreter by absolute path."""
    set_up(tree)
    commands.take()
    moved = tree.rename(tree.with_name("moved"))
    monkeypatch.setattr(script, "ROOT", moved)
    assert set_up(moved) == 0
    assert commands.take() == ALL_STEPS


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("Collecting x\nOSError: [Errno 28] No space left on device\n", "the disk is full"),
        ("...\nERROR: No matching distribution found for numpy==2.4.6\n", "package index"),
        (
            "  ERROR: No matching distribution found for wheel\n  [end]\nnote: This error originates elsewhere\n",
            "No matching distribution found for wheel; check that pip reaches its package index",
        ),
        ("a.cpp:3: error: expected ';'\nmake: *** [all] Error 2\n", "make: *** [all] Error 2"),
        ("", "no output"),
    ],
)
def test_failed_command_is_explained_in_one_line(output: str, said: str) -> None:
    assert said in machine_checks.explain(output)
    assert "\n" not in machine_checks.explain(output)


def test_command_that_fails_names_its_log(tmp_path: Path) -> None:
    options = script.Options(tmp_path, "", True)
    options.records.mkdir()
    with pytest.raises(script.SetupError, match=r"error: nothing works; .*trial\.log"):
        script.run(options, "trial", [sys.executable, "-c", "import sys; sys.exit('error: nothing works')"])


def test_wheels_include_folders_are_relocated() -> None:
    text = (
        "set_target_properties(x PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "
        '"/opt/python/cp311-cp311/include/python3.11;/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy/_core/include;'
        '${_IMPORT_PREFIX}/include")\nset(other /opt/python/cp311-cp311/bin/python)\n'
    )
    assert cmake_relocation.relocated(text, "/usr/include/python3.11", "/v/numpy/include") == (
        "set_target_properties(x PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "
        '"/usr/include/python3.11;/v/numpy/include;${_IMPORT_PREFIX}/include")\n'
        "set(other /opt/python/cp311-cp311/bin/python)\n"
    )


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_without_a_suitable_python_says_what_to_install(tmp_path: Path) -> None:
    fake = tmp_path / "python3"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    finished = subprocess.run(
        ["make", "setup", f"PYTHON={fake}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode != 0
    (line, *from_make) = finished.stderr.splitlines()
    assert "no Python 3.11 or 3.12 found" in line and "sudo apt install" in line
    assert all(text.startswith("make") for text in from_make)
