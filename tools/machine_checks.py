"""What the set-up needs of the machine, and how a lack of it is said: one line with the remedy."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

SUPPORTED_PYTHONS = ((3, 11), (3, 12))

#: Free space that a new environment needs, bytes: about 2 GB installed (CPU build of torch), and pip's temporary files.
REQUIRED_FREE_BYTES = 3_000_000_000
#: Below this not even the messages can be compiled.
MINIMUM_FREE_BYTES = 500_000_000


class SetupError(Exception):
    """Something on this machine prevents the set-up; the text says what to do about it."""


def check_python() -> None:
    """The running interpreter becomes the environment's: it must be a supported one, complete with venv and headers."""
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


def explain(output: str) -> str:
    """The line of a failed command's output that says why, with the remedy where it is known."""
    if "No space left on device" in output:
        return f"the disk is full; free at least {REQUIRED_FREE_BYTES // 1_000_000_000} GB"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() and not line.startswith(("note:", "hint:"))]
    from_pip = [line for line in errors if line.startswith("ERROR:")]
    reason = (from_pip or errors or lines or ["no output"])[-1]
    unreachable = ("connection", "temporary failure in name resolution", "max retries", "no matching distribution")
    if any(sign in output.lower() for sign in unreachable):
        reason += "; check that pip reaches its package index (offline: docs/install.md)"
    return reason
