"""``msstan demo``: the monitor at work on a simulated weld, in the terminal, and a picture of its course."""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path

from msstan_core.errors import InputError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="watch the monitor on a simulated weld (about a minute)",
        description="Start a simulated weld cell and the monitor as ROS 2 nodes, show what the monitor says, and write "
        "a picture of the weld's course.",
    )
    parser.add_argument("--scenario", default="gmaw_steel_lap", help="built-in scenario, or a YAML file")
    parser.add_argument("--seconds", type=float, default=60.0, help="end after this long at the latest (default 60)")
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped one)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for picture and log (default: out)")
    parser.set_defaults(run=run, output_folders=("out",))


def run(arguments: argparse.Namespace) -> int:
    """Weld one part; status 0 only when the monitor followed it into material deposition."""
    import os
    import signal

    from msstan_ros.bringup import profile_named
    from msstan_ros.transport import environment

    if not arguments.seconds > 0:
        raise InputError("--seconds", f"is {arguments.seconds:g}", "give a time above 0")
    given = {"scenario": arguments.scenario, "loop": "false", "at_end": "exit", "overlay": "false"}
    if arguments.model is not None:
        given["model"] = str(arguments.model)
    nodes = profile_named("simulated_cell").describe(given)
    os.environ.update(environment()[0])

    from msstan_core.vocabulary import Action
    from msstan_ros.live_status import LiveListener
    from msstan_ros.supervision import Supervisor
    from msstan_ros.terminal_output import TerminalOutput

    arguments.out.mkdir(parents=True, exist_ok=True)
    log_path, picture_path = arguments.out / "demo_nodes.log", arguments.out / "demo_timeline.png"
    interrupted = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: interrupted.set())
    ended: int | None = None
    with log_path.open("w", encoding="utf-8") as log, LiveListener() as listener:
        print(
            f"starting the simulated cell {arguments.scenario} and the monitor (their output: {log_path})", flush=True
        )

        def keep(text: str) -> None:
            log.write(text + "\n")
            log.flush()

        with Supervisor(nodes, keep) as supervisor:
            try:
                supervisor.start()
            except InputError as error:
                raise InputError(
                    error.where, error.problem, f"the reason is in {log_path}: {_last_complaint(log_path)}"
                ) from None
            until = time.monotonic() + arguments.seconds
            try:
                with TerminalOutput() as output:
                    while ended is None and time.monotonic() < until and not interrupted.is_set():
                        output.show(listener.status())
                        ended = supervisor.poll()
            except KeyboardInterrupt:
                interrupted.set()
        status = listener.status()
    rows = list(status.rows)
    if len(rows) < 2:
        raise InputError("demo", "the monitor made no decisions", f"read {log_path}: {_last_complaint(log_path)}")

    from msstan_ros.timeline import draw_timeline

    draw_timeline(rows, status.anomalies.values(), picture_path, f"{arguments.scenario}, monitored by {status.model}")
    seen = dict.fromkeys(row.action for row in rows)
    print(f"{len(rows)} decisions; actions in order of appearance: {', '.join(a.name for a in seen)}")
    print(f"picture: {picture_path}")
    if ended:
        raise InputError("demo", "a node failed", f"read {log_path}: {_last_complaint(log_path)}")
    if Action.MATERIAL_DEPOSITION not in seen and not interrupted.is_set():
        raise InputError("demo", "the monitor never saw material deposition", f"look at {picture_path} and {log_path}")
    return 130 if interrupted.is_set() else 0


def _last_complaint(log_path: Path) -> str:
    lines = [text for text in log_path.read_text(encoding="utf-8").splitlines() if text.strip()]
    complaints = [text for text in lines if "ERROR" in text or "FATAL" in text or "Error" in text]
    return (complaints or lines or ["nothing was said"])[-1]
