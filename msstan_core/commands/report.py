"""``msstan report``: replay a bag and write one page about the weld for a welding engineer."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from msstan_core.commands.sensor_arguments import add_sensors, sensors_of


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "report",
        help="replay a bag and write an HTML report of the weld",
        description="Replay a recorded weld and write one HTML page: a timeline of actions, suspected imperfections "
        "with their ISO 6520-1 numbers and place along the seam, and what the advisory's rules know against them.",
        epilog="Example: msstan report weld_042 --out weld_042.html",
    )
    parser.add_argument("bag", type=Path, help="bag folder (metadata.yaml and .mcap)")
    parser.add_argument("--out", type=Path, required=True, help="HTML file to write; it needs no other file")
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped model)")
    add_sensors(parser)
    parser.set_defaults(run=run, output_files=("out",))


def run(arguments: argparse.Namespace) -> int:
    """Replay and write the page."""
    from rich.console import Console
    from rich.progress import Progress

    from msstan_core.alignment import ticks_of
    from msstan_core.decision.pipeline import Monitor
    from msstan_core.errors import InputError
    from msstan_core.explain.weld_report import Course, report_page
    from msstan_core.inference.card_text import alarm_promise
    from msstan_core.output_files import written_whole
    from msstan_core.recordings.bag import BagReader
    from msstan_core.resources import default_model_dir
    from msstan_core.vocabulary import MODALITIES

    console = Console(stderr=True)
    sensors = sensors_of(arguments)
    monitor = Monitor.load(arguments.model or default_model_dir())
    course = Course()
    with (
        BagReader(arguments.bag, namespace=sensors.namespace, scaling=sensors.scaling) as reader,
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task(f"replaying {arguments.bag.name}", total=max(reader.duration_s, 1e-9))
        for tick in ticks_of(reader.samples(frozenset(MODALITIES)), sensors.alignment):
            decision = monitor.step(tick)
            time_s = reader.seconds(decision.stamp_ns)
            course.add(decision, time_s)
            progress.update(task, completed=time_s)
        for topic, count in reader.rejected.items():
            course.degraded[f"{topic}: messages rejected; first: {reader.reasons[topic]}"] = count
    if not course.seconds:
        raise InputError(arguments.bag, "gives no tick", "record at least one of the monitor's sensors")
    card = monitor.info.card
    title, model = arguments.bag.resolve().name, f"{card.name} {card.version}"
    with written_whole(arguments.out) as partial:
        partial.write_text(report_page(course, title, model, alarm_promise(card)), "utf-8")
    alarms = sum(not math.isnan(s.alarm_s) for s in course.suspicions.values())
    print(f"{arguments.out}: {len(course.seconds)} ticks, {len(course.suspicions)} suspicions, {alarms} of them alarms")
    return 0
