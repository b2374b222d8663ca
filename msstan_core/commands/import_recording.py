"""``msstan import``: recordings in other formats become bags."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msstan_core.recordings.importing import ImportReport, Progress


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``import mig|thermal|video``."""
    parser = subparsers.add_parser(
        "import",
        help="make a bag of a recording in another format",
        description="Make a bag (a rosbag2 folder with the monitor's topics and annotations.csv) of another format.",
    )
    formats = parser.add_subparsers(dest="format", metavar="FORMAT", required=True)
    mig = formats.add_parser(
        "mig",
        help="robotic MIG run folder: audio.flac, process.csv, camera.avi",
        description="Streams are brought to one clock by the arc; weld phases are labelled from the current.",
    )
    mig.add_argument("source", metavar="RUN_DIR", type=Path)
    thermal = formats.add_parser("thermal", help="thermal recording .npz with current, voltage and arc label")
    thermal.add_argument("source", metavar="FILE.npz", type=Path)
    video = formats.add_parser("video", help="any video file that OpenCV reads")
    video.add_argument("source", metavar="FILE", type=Path)
    for rated in (mig, video):
        rated.add_argument("--fps", type=float, help="true frame rate of the camera, if the video's header is wrong")
    for each in (mig, thermal, video):
        each.add_argument("out_bag", metavar="OUT_BAG", type=Path, help="folder to create")
        each.add_argument("--quiet", action="store_true", help="no summary")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Import one recording and print what became of it."""
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    errors = Console(stderr=True)
    with Bar(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(f"reading {arguments.source.name}", total=None)

        def progress(seconds: float) -> None:
            bar.update(task, description=f"writing {arguments.out_bag.name}: {seconds:.1f} s")

        report = _import(arguments, progress)
    if not arguments.quiet:
        print_report(report)
    return 0


def _import(arguments: argparse.Namespace, progress: Progress) -> ImportReport:
    if arguments.format == "mig":
        from msstan_core.recordings.mig import import_mig_run

        return import_mig_run(arguments.source, arguments.out_bag, fps=arguments.fps, progress=progress)
    if arguments.format == "thermal":
        from msstan_core.recordings.thermal import import_thermal

        return import_thermal(arguments.source, arguments.out_bag, progress=progress)
    from msstan_core.recordings.video import import_video

    return import_video(arguments.source, arguments.out_bag, fps=arguments.fps, progress=progress)


def print_report(report: ImportReport) -> None:
    """Summary of an import, on standard output."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from msstan_core.recordings.annotations import seconds_by_action
    from msstan_core.vocabulary import Modality

    console = Console(highlight=False, soft_wrap=True)
    size = sum(f.stat().st_size for f in report.bag.rglob("*") if f.is_file())
    console.print(f"{report.bag}: {report.duration_s:.2f} s, {size / 1e6:.2f} MB")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("topic", "messages", "rate", "starts", "MB"):
        table.add_column(heading, justify="left" if heading == "topic" else "right", no_wrap=True)
    first_ns = min(s.first_ns for s in report.streams)
    for stream in report.streams:
        table.add_row(
            stream.topic.name,
            str(stream.count),
            f"{stream.rate_hz:.1f} Hz" if stream.count > 1 else "once",
            f"{(stream.first_ns - first_ns) / 1e9:.3f} s",
            f"{stream.bytes / 1e6:.2f}",
        )
    console.print(table)
    stored = sum(s.bytes for s in report.streams if s.topic.modality is Modality.CAMERA)
    if stored:
        ratio = report.camera_raw_bytes / stored
        console.print(
            f"images: {stored / 1e6:.2f} MB as JPEG, raw {report.camera_raw_bytes / 1e6:.1f} MB ({ratio:.0f} times)"
        )
    for name, offset in report.offsets.items():
        console.print(
            f"offset: {name} {offset.offset_s:+.3f} s to {report.clock}, uncertain by {offset.uncertainty_s:.3f} s"
            f" ({offset.method})"
        )
    spans = ", ".join(f"{a.name} {s:.2f} s" for a, s in seconds_by_action(report.annotations).items())
    console.print(f"annotations: {spans or 'none'}")
    for note in report.notes:
        console.print(f"note: {note}")
