"""``msstan report``: replay a bag and write one page about the weld for a welding engineer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from msstan_core.commands.sensor_arguments import add_sensors, sensors_of


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "report",
        help="replay a bag and write an HTML report of the weld",
        description="Replay a recorded weld and write one HTML page: a timeline of actions, suspected imperfections "
        "with their ISO 6520-1 numbers, their place along the seam and a picture, and what the advisory's rules know "
        "against them. With --video also the whole recording with what the monitor says drawn over it.",
        epilog="Example: msstan report weld_042 --out weld_042.html --video weld_042.mp4",
    )
    parser.add_argument("bag", type=Path, help="bag folder (metadata.yaml and .mcap)")
    parser.add_argument("--out", type=Path, required=True, help="HTML file to write; it needs no other file")
    parser.add_argument("--video", type=Path, help="annotated video to write, ending in .mp4")
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped model)")
    add_sensors(parser)
    parser.set_defaults(run=run, output_files=("out", "video"))


def run(arguments: argparse.Namespace) -> int:
    """Replay and write the page."""
    from contextlib import ExitStack

    from rich.console import Console
    from rich.progress import Progress

    from msstan_core.alignment import ticks_of
    from msstan_core.decision.pipeline import Monitor
    from msstan_core.errors import InputError
    from msstan_core.explain.annotated import AnnotatedVideo, annotated
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
        ExitStack() as files,
        BagReader(arguments.bag, namespace=sensors.namespace, scaling=sensors.scaling) as reader,
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        video = None
        if arguments.video is not None:
            partial = files.enter_context(written_whole(arguments.video))
            video = files.enter_context(AnnotatedVideo(partial, arguments.video))
        task = progress.add_task(f"replaying {arguments.bag.name}", total=max(reader.duration_s, 1e-9))
        for tick in ticks_of(reader.samples(frozenset(MODALITIES)), sensors.alignment):
            decision = monitor.step(tick)
            time_s = reader.seconds(decision.stamp_ns)
            risen = course.add(decision, time_s)
            if risen or video is not None:
                picture = annotated(tick, decision, course.log.ongoing)
                if risen:
                    course.keep_picture(risen, picture)
                if video is not None:
                    video.add(picture, time_s)
            progress.update(task, completed=time_s)
        if not course.seconds:
            remedy = sensors.no_tick_remedy("record at least one of the monitor's sensors")
            raise InputError(arguments.bag, "gives no tick", remedy)
        for topic, count in reader.rejected.items():
            course.degraded[f"{topic}: messages rejected; first: {reader.reasons[topic]}"] = count
    card = monitor.info.card
    title, model = arguments.bag.resolve().name, f"{card.name} {card.version}"
    with written_whole(arguments.out) as partial:
        partial.write_text(report_page(course, title, model, alarm_promise(card)), "utf-8")
    alarms = sum(event.alarm_ns is not None for event in course.events)
    print(f"{arguments.out}: {len(course.seconds)} ticks, {len(course.events)} suspicions, {alarms} of them alarms")
    return 0
