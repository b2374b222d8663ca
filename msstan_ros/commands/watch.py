"""``msstan watch``: what a running monitor says, live in the terminal."""

from __future__ import annotations

import argparse
import time


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "watch",
        help="show what a running monitor says",
        description="Show action, probabilities and modality weights of a running monitor. Ctrl-C ends it.",
    )
    parser.add_argument("--namespace", default="", help="of the monitor, e.g. cell_1")
    parser.add_argument("--seconds", type=float, default=0.0, help="end after this long; 0: never (default)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show until interrupted; status 1 when ``--seconds`` pass without a word from any monitor."""
    import os

    from msstan_core.errors import InputError
    from msstan_ros.namespaces import typed_namespace
    from msstan_ros.transport import environment

    if not arguments.seconds >= 0:
        raise InputError("--seconds", f"is {arguments.seconds:g}", "give a time above 0, or 0 for no end")
    namespace = typed_namespace(arguments.namespace, "--namespace")
    os.environ.update(environment()[0])

    from msstan_ros.live_status import LiveListener
    from msstan_ros.terminal_output import TerminalOutput

    until = time.monotonic() + arguments.seconds if arguments.seconds > 0 else None
    heard = False
    with LiveListener(namespace) as listener, TerminalOutput() as output:
        try:
            while until is None or time.monotonic() < until:
                status = listener.status()
                heard = heard or bool(status.model) or status.newest is not None
                output.show(status)
        except KeyboardInterrupt:
            return 0
    if not heard:
        raise InputError(
            "weld/state", "no monitor was heard", "start one (msstan up), or check --namespace and ROS_DOMAIN_ID"
        )
    return 0
