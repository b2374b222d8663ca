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
#: What environments that only monitor are without.
TRAINING_LIBRARY = "torch"
EXIT_OK, EXIT_INPUT_ERROR, EXIT_INTERRUPTED = 0, 1, 130


def build_parser() -> ArgumentParser:
    """The parser with all built-in and plugged-in commands."""
    parser = ArgumentParser(
        prog="msstan",
        description="Weld monitoring with MS-STAN: import recordings, train, replay, and run the live monitor.",
        epilog="Each command explains itself: msstan COMMAND --help. Exit status: 0 done, 1 refused or failed, 2 bad "
        "arguments, 130 interrupted.",
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
    for names, check in ((files, check_output_file), (folders, check_output_folder)):
        for name in names:
            if isinstance(path := getattr(arguments, name, None), Path):
                check(path)


def main(argv: list[str] | None = None) -> int:
    """Entry point of the ``msstan`` command; returns the exit status. Bad arguments raise ``SystemExit``, as argparse's
    do.
    """
    given = sys.argv[1:] if argv is None else argv
    arguments = build_parser().parse_args(given, argparse.Namespace(given=given))
    use_one_thread()
    try:
        check_outputs(arguments)
        return int(arguments.run(arguments) or EXIT_OK)
    except InputError as error:
        print(f"msstan {arguments.command}: {error}", file=sys.stderr)
        return EXIT_INPUT_ERROR
    except ModuleNotFoundError as error:
        if error.name != TRAINING_LIBRARY:
            raise
        print(
            f"msstan {arguments.command}: needs {TRAINING_LIBRARY}, which is not installed; run make setup without "
            f"TRAINING=no, or pip install {TRAINING_LIBRARY}",
            file=sys.stderr,
        )
        return EXIT_INPUT_ERROR
    except OSError as error:
        place = error.filename or "file system"
        print(
            f"msstan {arguments.command}: {place}: {error.strerror or error}; check path, space and rights",
            file=sys.stderr,
        )
        return EXIT_INPUT_ERROR
    except KeyboardInterrupt:
        print(f"msstan {arguments.command}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
