"""``msstan up``: start the live system without the ROS 2 launch system; the same processes as its launch files."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from msstan_core.errors import InputError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "up",
        help="start the live system: monitor, replay of a recording, or a simulated cell",
        description="Start the live system. Ctrl-C ends it. Arguments are given as name:=value, as for ros2 launch.",
        epilog="msstan up PROFILE --show-args lists a profile's arguments.",
    )
    parser.add_argument("profile", nargs="?", default="monitor", help="monitor (default), replay or simulated_cell")
    parser.add_argument("arguments", nargs="*", metavar="name:=value", help="arguments of the profile")
    parser.add_argument("-s", "--show-args", action="store_true", help="list the profile's arguments and end")
    parser.set_defaults(run=run)


def parse_assignments(texts: list[str]) -> dict[str, str]:
    """``["bag:=x", "rate:=2"]`` -> dictionary; raises InputError for anything else."""
    values = {}
    for text in texts:
        name, separator, value = text.partition(":=")
        if not separator or not name:
            raise InputError(f"argument {text}", "is no name:=value", "write it like bag:=recordings/weld_1")
        values[name] = value
    return values


def run(arguments: argparse.Namespace) -> int:
    """Start, wait, end; exit status 0 only when everything ran as asked."""
    from msstan_ros.bringup import profile_named

    texts = list(arguments.arguments)
    name = arguments.profile
    if ":=" in name:  # `msstan up rate:=2` means the default profile
        texts.insert(0, name)
        name = "monitor"
    profile = profile_named(name)
    if arguments.show_args:
        for argument in profile.arguments:
            default = "must be given" if argument.default is None else f"default {argument.default!r}"
            choices = f", one of {', '.join(argument.choices)}" if argument.choices else ""
            print(f"{argument.name}:=  {argument.description} ({default}{choices})")
        return 0
    nodes = profile.describe(parse_assignments(texts))

    from msstan_ros.supervision import Supervisor

    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: interrupted.set())
    with Supervisor(nodes, lambda line: print(line, flush=True)) as supervisor:
        try:
            supervisor.start(interrupted)
        except InputError as error:
            if not interrupted.is_set():
                raise
            print(f"interrupted while starting: {error}", file=sys.stderr)
        return supervisor.wait(interrupted)
