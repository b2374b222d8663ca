"""Importer of robotic MIG run folders: ``audio.flac``, ``process.csv`` and, sometimes, ``camera.avi``.

The three streams do not share a clock. The bag has the clock of the microphone, and camera and telemetry are placed on
it by the arc (:mod:`msstan_core.recordings.offsets`). Camera and microphone are related directly, so that what a
recogniser sees of them does not depend on the telemetry its labels come from.

Only documented columns are mapped: ``current_a`` (A) and ``voltage_v`` (V). ``feed``, ``wire_consumed``, ``co2_flow``
and ``pressure`` have no documented unit; they stay unmeasured (NaN) rather than being guessed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from msstan_core.errors import InputError
from msstan_core.observation import Sample, WeldContext
from msstan_core.recordings.annotations import TELEMETRY_SOURCE
from msstan_core.recordings.importing import (
    JPEG_QUALITY,
    RECORDING_EPOCH_NS,
    ImportReport,
    Progress,
    check_frame_rate,
    compressed_frames,
    write_recording,
)
from msstan_core.recordings.mig_run import MigRun, read_run
from msstan_core.recordings.offsets import estimate_offset
from msstan_core.recordings.phases import find_phases, label_phases
from msstan_core.vocabulary import Material, Process

#: Verdict by the last two digits of a run's name, where no runs.csv gives it.
VERDICT_BY_SUFFIX = {
    "00": "good",
    "02": "burn_through",
    "06": "overlap",
    "07": "lack_of_fusion",
    "08": "excessive_convexity",
    "11": "crater_cracks",
}


def import_mig_run(
    run_dir: Path, out_bag: Path, *, fps: float | None = None, progress: Progress | None = None
) -> ImportReport:
    """Make a bag of a run folder. Missing and cut pieces are tolerated and noted in the report.

    Args:
        run_dir: the folder; ``runs.csv`` two levels up (beside ``runs/``) gives configuration and verdict.
        out_bag: bag folder to create.
        fps: true frame rate of the camera where the video's header is wrong; None: the header's, corrected by the arc.
        progress: called with the seconds written.

    Raises:
        InputError: no stream at all, an impossible ``fps``, a malformed ``process.csv``, an existing ``out_bag``, or a
            full disk.
    """
    if not run_dir.is_dir():
        raise InputError(run_dir, "no such run folder", "give a folder with audio.flac, process.csv or camera.avi")
    if out_bag.exists():
        raise InputError(out_bag, "exists already", "remove it or give another name")
    check_frame_rate(fps)
    run = read_run(run_dir, fps)
    report = ImportReport(out_bag, notes=run.notes, camera_raw_bytes=run.camera_raw_bytes)
    report.clock = _share_clock(run)
    report.offsets = {name: s.offset for name, s in run.streams.items() if s.offset is not None}
    start_s = min(float(stream.place(stream.begin_s)) for stream in run.streams.values())
    end_s = max(float(stream.place(stream.end_s)) for stream in run.streams.values())
    attributes = _attributes(run_dir, run, report)
    annotations = []
    phases = (
        find_phases(run.streams["telemetry"].place(run.telemetry_s) - start_s, run.current_a)
        if len(run.current_a)
        else None
    )
    if phases is not None:
        annotations = label_phases(phases, end_s - start_s, TELEMETRY_SOURCE)
        if phases.unseen:
            run.notes.append(f"process.csv does not show the arc's {phases.unseen}: not labelled")
    else:
        run.notes.append(
            "no annotations: " + ("the current never exceeds 20 A" if len(run.current_a) else "no current")
        )
    context = WeldContext(
        stamp_ns=RECORDING_EPOCH_NS,
        process=Process.GMAW,
        material_a=Material.CARBON_STEEL,
        material_b=Material.CARBON_STEEL,
        job_id=run_dir.resolve().name,
    )
    streams: list[Iterator[Sample]] = [iter([context]), run.telemetry(start_s), run.sound(start_s)]
    if run.jpegs:
        streams.append(compressed_frames(run.jpegs, run.streams["camera"].place(run.frame_s) - start_s))
    return write_recording(report, streams, attributes=attributes, annotations=annotations, progress=progress)


def _share_clock(run: MigRun) -> str:
    """Estimate each stream's offset to the clock of one; returns that one's name."""
    order = [name for name in ("acoustic", "telemetry", "camera") if name in run.streams]
    clock = next((name for name in order if run.streams[name].arc.edges()), order[0])
    reference = run.streams[clock]
    for name in order:
        stream = run.streams[name]
        if name == clock:
            continue
        # The camera's times are frame numbers at a nominal rate, which may itself be wrong by a few per cent.
        stream.offset = estimate_offset(reference.arc, stream.arc, fit_rate=name == "camera" and not run.fps_is_given)
        if stream.offset is None:
            run.notes.append(f"offset of {name} to {clock} not estimated: no arc edge in both; taken as 0")
        elif stream.offset.rate != 1.0:
            run.notes.append(
                f"{name} runs at {1 / stream.offset.rate:.4f} of its nominal frame rate, by the arc's length"
            )
    return clock


def _attributes(run_dir: Path, run: MigRun, report: ImportReport) -> dict[str, str]:
    run_id = run_dir.resolve().name
    row = _run_row(run_dir.resolve().parent.parent / "runs.csv", run_id)
    attributes = {
        "run_id": run_id,
        "group": row.get("configuration") or run_id,
        "verdict": row.get("label") or VERDICT_BY_SUFFIX.get(run_id[-2:], "unknown"),
        "importer": "mig",
        "simulated": "false",
        "process": "GMAW",
        "material": "mild steel",
        "material_a": Material.CARBON_STEEL.name.lower(),
        "material_b": Material.CARBON_STEEL.name.lower(),
        "clock": report.clock,
        "telemetry_columns": "current_a,voltage_v",
    }
    if not row.get("configuration"):
        run.notes.append("no runs.csv names this run's configuration: group is the run itself")
    if run.jpegs:
        attributes["camera_jpeg_quality"] = str(JPEG_QUALITY)
    for name, offset in report.offsets.items():
        attributes[f"offset_{name}_s"] = f"{offset.offset_s:.4f}"
        attributes[f"offset_{name}_uncertainty_s"] = f"{offset.uncertainty_s:.4f}"
        attributes[f"offset_{name}_method"] = offset.method
        attributes[f"rate_{name}"] = f"{offset.rate:.5f}"
    return attributes


def _run_row(path: Path, run_id: str) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return next((row for row in csv.DictReader(stream) if row.get("run_id") == run_id), {})
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"not a CSV text file ({error})", "save the table as UTF-8") from None
