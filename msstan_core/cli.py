"""``msstan``: one command line. Each subcommand lives in a module of its own under ``msstan_core/commands``.

Packages add commands through the entry-point group ``msstan.commands``; an entry point is a function
``register(subparsers)``. The commands that need ROS (up, watch, demo) come from ``msstan_ros`` that way, so that the
library itself stays ROS-free.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from importlib.metadata import entry_points
from pathlib import Path

from msstan_core import __version__
from msstan_core.argument_parser import ArgumentParser
from msstan_core.errors import InputError
from msstan_core.linear_algebra import use_one_thread
from msstan_core.output_files import check_output_file, check_output_folder

#: Built-in command modules; each has ``register(subparsers)`` and sets ``run`` with ``set_defaults``.
COMMANDS = (
    "import_recording",
    "label",
    "replay",
    "report",
    "train",
    "evaluate",
    "cross_validate",
    "calibrate",
    "export",
    "simulate",
    "closed_loop",
    "bench",
    "study",
    "results",
)

#: Options that name a file to write, or a folder to write into, whichever command has them. A command that writes where
#: another option says names it with ``set_defaults(output_files=...)`` or ``output_folders``.
OUTPUT_FILES = ("csv", "json", "page", "picture", "runs")
OUTPUT_FOLDERS = ("cache", "log", "out_bag", "out_dir", "pictures", "work")
#: What environments that only monitor, or only read recordings, may be without, and what to do.
_ROS = "run make setup, or source a ROS 2 installation and the workspace"
LIBRARIES = {
    "torch": "run make setup without TRAINING=no, or pip install torch",
    **dict.fromkeys(
        ("rclpy", "rcl_interfaces", "builtin_interfaces", "lifecycle_msgs", "std_msgs", "sensor_msgs", "msstan_msgs"),
        _ROS,
    ),
}
EXIT_OK, EXIT_INPUT_ERROR, EXIT_INTERRUPTED = 0, 1, 130


def build_parser() -> ArgumentParser:
    """The parser with all built-in and plugged-in commands."""
    parser = ArgumentParser(
        prog="msstan",
        description="Weld monitoring with MS-STAN: import recordings, train, replay, and run the live monitor.",
        epilog="Each command explains itself: msstan COMMAND --help. Exit status: 0 done, 1 refused or failed, 2 a "
        "command line that cannot be read, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"msstan {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"msstan_core.commands.{name}").register(subparsers)
    for entry_point in sorted(entry_points(group="msstan.commands"), key=lambda e: e.name):
        entry_point.load()(subparsers)
    return parser


def check_outputs(arguments: argparse.Namespace) -> None:
    """See that all that a command was asked for can be written, before it begins.

    Raises:
        InputError: naming the file or folder.
    """
    files = (*OUTPUT_FILES, *getattr(arguments, "output_files", ()))
    folders = (*OUTPUT_FOLDERS, *getattr(arguments, "output_folders", ()))
    meant: dict[Path, str] = {}
    for names, check in ((files, check_output_file), (folders, check_output_folder)):
        for name in names:
            if not isinstance(path := getattr(arguments, name, None), Path):
                continue
            check(path)
            other = meant.setdefault(path.resolve(), name)
            if name in files and other != name:
                raise InputError(path, f"is asked for twice, as {other} and as {name}", "name two files")


def main(argv: list[str] | None = None) -> int:
    """Entry point of the ``msstan`` command; returns the exit status. Bad arguments raise ``SystemExit``, as argparse's
    do.
    """
    given = sys.argv[1:] if argv is None else argv
    named = next((word for word in given if not word.startswith("-")), "")
    try:
        arguments = build_parser().parse_args(given, argparse.Namespace(given=given))
        use_one_thread()
        check_outputs(arguments)
        return int(arguments.run(arguments) or EXIT_OK)
    except InputError as error:
        said, status = str(error), EXIT_INPUT_ERROR
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in LIBRARIES:
            raise
        said, status = f"needs {library}, which is not installed; {LIBRARIES[library]}", EXIT_INPUT_ERROR
    except OSError as error:
        place = error.filename or "file system"
        said, status = f"{place}: {error.strerror or error}; check path, space and rights", EXIT_INPUT_ERROR
    except KeyboardInterrupt:
        said, status = "interrupted", EXIT_INTERRUPTED
    print(f"{f'msstan {named}'.strip()}: {said}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
