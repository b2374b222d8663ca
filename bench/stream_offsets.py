#!/usr/bin/env python3
r"""Measure the stream offset estimator and the size of bags on real MIG runs.

    bench/stream_offsets.py RUNS_DIR --json docs/results/offsets.json \
        --true-run 03-22-23-0001-06 --true-edge acoustic=3.95 --true-edge camera=5.84 --true-edge telemetry=5.92

Every run is imported as ``msstan import mig`` does. ``--true-edge`` names the moment the arc lights in a stream of
``--true-run`` on that stream's own clock; the error is how far the estimated offsets leave these moments apart.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from msstan_core.errors import InputError
from msstan_core.messages import TopicKind
from msstan_core.recordings.importing import ImportReport
from msstan_core.recordings.mig import import_mig_run
from msstan_core.results import command_line, write_result


def main(argv: list[str] | None = None) -> int:
    """Run the measurement; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs_dir", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--true-run", default="")
    parser.add_argument("--true-edge", action="append", default=[], metavar="STREAM=SECONDS")
    given = sys.argv[1:] if argv is None else argv
    arguments = parser.parse_args(given)
    true_edges = {name: float(seconds) for name, seconds in (e.split("=") for e in arguments.true_edge)}
    uncertainty: dict[str, list[float]] = {}
    details: dict[str, Any] = {}
    errors: dict[str, float] = {}
    camera: list[dict[str, float]] = []
    bytes_per_second = []
    try:
        for run_dir in sorted(p for p in arguments.runs_dir.iterdir() if p.is_dir()):
            with tempfile.TemporaryDirectory() as folder:
                report = import_mig_run(run_dir, Path(folder) / "bag")
                size = sum(f.stat().st_size for f in report.bag.iterdir())
            details[run_dir.name] = run_details(report, size)
            for name, offset in report.offsets.items():
                uncertainty.setdefault(name, []).append(offset.uncertainty_s)
            if report.camera_raw_bytes:
                camera.append(details[run_dir.name]["camera"])
            else:
                bytes_per_second.append(size / report.duration_s)
            if run_dir.name == arguments.true_run:
                errors = edge_errors(report, true_edges)
            print(run_dir.name, details[run_dir.name], flush=True)
    except InputError as error:
        print(f"stream_offsets: {error}", file=sys.stderr)
        return 1
    metrics: dict[str, Any] = {
        f"{name}_uncertainty_s": {"p50": float(np.median(v)), "max": float(np.max(v)), "runs": len(v)}
        for name, v in uncertainty.items()
    }
    metrics |= {f"{name}_ignition_error_s": error for name, error in errors.items()}
    if camera:
        metrics["camera_raw_over_jpeg"] = float(np.mean([c["raw_mb"] / c["jpeg_mb"] for c in camera]))
    if bytes_per_second:
        metrics["bag_kb_per_second_without_camera"] = float(np.mean(bytes_per_second)) / 1e3
    write_result(
        arguments.json,
        command=command_line("bench/stream_offsets.py", given),
        seeds=1,
        data=f"{len(details)} robotic MIG runs, microphone, telemetry and {len(camera)} with camera",
        metrics=metrics,
        baselines={"no_correction_ignition_error_s": uncorrected(true_edges)} if errors else {},
        details=details,
    )
    return 0


def run_details(report: ImportReport, size: int) -> dict[str, Any]:
    """Offsets and sizes of one run."""
    row: dict[str, Any] = {
        "clock": report.clock,
        "offsets": {
            name: {
                "offset_s": round(o.offset_s, 4),
                "uncertainty_s": round(o.uncertainty_s, 4),
                "rate": round(o.rate, 5),
                "method": o.method,
            }
            for name, o in report.offsets.items()
        },
        "bag_mb": round(size / 1e6, 3),
        "duration_s": round(report.duration_s, 2),
    }
    if report.camera_raw_bytes:
        jpeg = sum(s.bytes for s in report.streams if s.topic.kind is TopicKind.CAMERA_COMPRESSED)
        row["camera"] = {"raw_mb": round(report.camera_raw_bytes / 1e6, 2), "jpeg_mb": round(jpeg / 1e6, 2)}
    return row


def edge_errors(report: ImportReport, true_edges: dict[str, float]) -> dict[str, float]:
    """How far each stream's ignition lies from the clock's own after correction, s."""
    reference = true_edges[report.clock]
    return {
        name: float(report.offsets[name].to_reference(edge)) - reference
        for name, edge in true_edges.items()
        if name in report.offsets
    }


def uncorrected(true_edges: dict[str, float]) -> dict[str, float]:
    """The same differences with the stamps as recorded, to the microphone."""
    return {name: edge - true_edges["acoustic"] for name, edge in true_edges.items() if name != "acoustic"}


if __name__ == "__main__":
    sys.exit(main())
