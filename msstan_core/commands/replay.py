"""``msstan replay``: run the monitor over a bag, offline, and write one CSV row a tick."""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msstan_core.commands.sensor_arguments import add_sensors, sensors_of
from msstan_core.errors import InputError
from msstan_core.inference.frame_sampling import FIXED, MODEL_THRESHOLD, FrameSampling
from msstan_core.vocabulary import ACTIONS, ISO_CODES, MODALITIES, Modality, parse_modalities

if TYPE_CHECKING:
    from msstan_core.decision.result import Decision

COLUMNS: tuple[str, ...] = (
    "time_s",
    "action",
    "action_probability",
    *(f"p_{a.name}" for a in ACTIONS),
    "anomaly_score",
    "anomaly_threshold",
    *(f"p_{code}" for code in ISO_CODES),
    *(f"w_{m.label}" for m in MODALITIES),
    "latency_ms",
)


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "replay",
        help="run the monitor over a bag and write a CSV",
        description="Run the monitor over a recorded bag, faster than real time, exactly as it would run live; with "
        "--params also by the parameters that the cell has for its sensors.",
        epilog="Example: msstan replay weld_042 --csv weld_042.csv --modalities camera,acoustic",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bag", type=Path, help="bag folder (metadata.yaml and .mcap)")
    parser.add_argument("--csv", type=Path, required=True, help="CSV to write, one row a tick")
    parser.add_argument(
        "--modalities",
        type=parse_modalities_argument,
        default=frozenset(MODALITIES),
        help="what the monitor may use, comma-separated: camera,thermal,acoustic,telemetry (default: all there is)",
    )
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped model)")
    parser.add_argument("--raw", action="store_true", help="network probabilities without the action filter")
    parser.add_argument("--backend", choices=("onnx", "torch"), default="onnx", help="what runs the network")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        choices=range(1, 33),
        metavar="N",
        help="CPU threads of the network (default: 1)",
    )
    parser.add_argument(
        "--skip-frames",
        type=float,
        nargs="?",
        const=0.0,
        metavar="THRESHOLD",
        help="run the camera backbone only on the frames of most importance, or with THRESHOLD on those whose "
        "importance exceeds it; needs a model with an importance gate",
    )
    parser.add_argument(
        "--look-share",
        type=float,
        metavar="SHARE",
        help=f"with --skip-frames: on how many of them (default: {FrameSampling().share:g})",
    )
    add_sensors(parser)
    parser.set_defaults(run=run)


def parse_modalities_argument(text: str) -> frozenset[Any]:
    """Type for argparse: a list of modalities."""
    try:
        return parse_modalities(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _sampling(arguments: argparse.Namespace) -> FrameSampling | None:
    if arguments.skip_frames is None:
        if arguments.look_share is not None:
            raise InputError("--look-share", "says how many frames are skipped, but none are", "add --skip-frames")
        return None
    if arguments.skip_frames != MODEL_THRESHOLD:
        if arguments.look_share is not None:
            raise InputError("--look-share", "does not go with a fixed threshold", "leave out one of both")
        return FrameSampling(arguments.skip_frames, FIXED)
    return FrameSampling() if arguments.look_share is None else FrameSampling(share=arguments.look_share)


def run(arguments: argparse.Namespace) -> int:
    """Replay; prints a summary of what was seen."""
    from rich.console import Console
    from rich.progress import Progress

    from msstan_core.alignment import TickAligner
    from msstan_core.decision.pipeline import Monitor
    from msstan_core.output_files import written_whole
    from msstan_core.recordings.bag import BagReader
    from msstan_core.recordings.rejections import say_rejections
    from msstan_core.resources import default_model_dir

    console = Console(stderr=True)
    model_dir = arguments.model or default_model_dir()
    sampling = _sampling(arguments)
    sensors = sensors_of(arguments)
    monitor = Monitor.load(
        model_dir,
        modalities=arguments.modalities,
        backend=arguments.backend,
        threads=arguments.threads,
        smoothing=not arguments.raw,
        sampling=sampling,
    )
    aligner = TickAligner(sensors.alignment)
    ticks = unknown = skipped = 0
    seen = False  # any camera frame
    degraded: dict[str, int] = {}
    with BagReader(arguments.bag, namespace=sensors.namespace, scaling=sensors.scaling) as reader:
        duration = max(reader.duration_s, 1e-9)
        with (
            written_whole(arguments.csv) as partial,
            partial.open("w", newline="", encoding="utf-8") as stream,
            Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
        ):
            task = progress.add_task(f"replaying {arguments.bag.name}", total=duration)
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            for sample in reader.samples(arguments.modalities):
                aligner.push(sample)
                for tick in aligner.drain():
                    decision = monitor.step(tick)
                    time_s = reader.seconds(decision.stamp_ns)
                    writer.writerow(csv_row(decision, time_s))
                    ticks += 1
                    unknown += decision.action == 0
                    skipped += not decision.looked
                    seen = seen or bool(decision.valid[Modality.CAMERA])
                    for reason in decision.degraded:
                        degraded[reason] = degraded.get(reason, 0) + 1
                    progress.update(task, completed=time_s)
            if ticks == 0:
                names = ", ".join(m.label for m in MODALITIES if m in arguments.modalities)
                remedy = sensors.no_tick_remedy("name modalities that it holds")
                raise InputError(arguments.bag, f"gives no tick from {names}", remedy)
        say_rejections(console, reader.rejections)
    for reason, count in degraded.items():
        console.print(f"[yellow]{count} ticks degraded: {reason}", highlight=False)
    if unknown:
        console.print(f"[yellow]{unknown} of {ticks} ticks had no usable modality: action UNKNOWN", highlight=False)
    card = monitor.info.card
    skips = "" if sampling is None else f", camera backbone skipped at {skipped / ticks:.0%} of them"
    if sampling is not None and not seen:
        skips = ", none with a camera frame to skip"
    print(f"{arguments.csv}: {ticks} ticks over {duration:.1f} s{skips}, model {card.name} {card.version}")
    return 0


def csv_row(decision: Decision, time_s: float) -> list[str]:
    """One row in the order of COLUMNS; NaN stays "nan"."""
    return [
        f"{time_s:.6f}",
        decision.action.name,
        _number(decision.action_probability),
        *map(_number, decision.action_probabilities),
        _number(decision.anomaly_score),
        _number(decision.anomaly_threshold),
        *map(_number, decision.imperfection_probabilities),
        *map(_number, decision.modality_weights),
        f"{decision.inference_ms:.3f}",
    ]


def _number(value: float) -> str:
    return "nan" if math.isnan(value) else f"{float(value):.6g}"
