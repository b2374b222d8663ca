"""Importer of thermal arc recordings (``.npz``): a thermal camera crop with the welder's current and voltage.

Arrays: ``thermal_celsius`` [T, H, W] degC, ``process`` [T, 4] = current (A), voltage (V), wire feed and resistance
(units only presumed), ``arc_on`` [T] bool, ``fps``. Wire feed is left unmeasured: a unit that is only presumed is no
measurement.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.observation import Sample, TelemetrySample, ThermalFrame, WeldContext
from msstan_core.recordings.annotations import ARC_STATE_SOURCE, Annotation, action_span
from msstan_core.recordings.importing import (
    HIGHEST_FPS,
    LOWEST_FPS,
    RECORDING_EPOCH_NS,
    ImportReport,
    Progress,
    bag_stamp_ns,
    write_recording,
)
from msstan_core.recordings.phases import EXTINCTION_S, LONGEST_GAP_S, SHORTEST_INITIATION_S
from msstan_core.vocabulary import Action

#: An arc has settled at the latest this long after ignition; between shortest initiation and this nothing is claimed.
LATEST_SETTLED_S = 2.0


@dataclass(frozen=True, slots=True)
class _ThermalWeld:
    celsius: NDArray[np.float32]  #: [T, H, W]
    current_a: NDArray[np.float32]  #: [T]
    voltage_v: NDArray[np.float32]  #: [T]
    arc_on: NDArray[np.bool_]  #: [T]
    fps: float


def import_thermal(file: Path, out_bag: Path, *, progress: Progress | None = None) -> ImportReport:
    """Make a bag of one thermal recording; its file name is the group, since every weld has other settings.

    Raises:
        InputError: naming the array that is missing or malformed; an existing ``out_bag``; a full disk.
    """
    if out_bag.exists():
        raise InputError(out_bag, "exists already", "remove it or give another name")
    weld = _read(file)
    report = ImportReport(out_bag, clock="thermal")
    report.notes.append("wire feed and resistance have no documented unit: not imported")
    stamps_ns = [bag_stamp_ns(k / weld.fps) for k in range(len(weld.celsius))]
    context = WeldContext(stamp_ns=RECORDING_EPOCH_NS, job_id=file.stem)
    streams: list[Iterator[Sample]] = [
        iter([context]),
        (ThermalFrame(s, image, "thermal") for s, image in zip(stamps_ns, weld.celsius, strict=True)),
        (
            TelemetrySample(s, current_a=float(i), voltage_v=float(u))
            for s, i, u in zip(stamps_ns, weld.current_a, weld.voltage_v, strict=True)
        ),
    ]
    attributes = {
        "run_id": file.stem,
        "group": file.stem,
        "importer": "thermal",
        "simulated": "false",
        "process": "arc",
        "clock": "thermal",
        "telemetry_columns": "current_a,voltage_v",
    }
    annotations = label_arc_frames(weld.arc_on, weld.fps)
    return write_recording(report, streams, attributes=attributes, annotations=annotations, progress=progress)


def label_arc_frames(arc_on: NDArray[np.bool_], fps: float, source: str = ARC_STATE_SOURCE) -> list[Annotation]:
    """Actions from a per-frame arc label [T] whose first frame with arc is the ignition.

    The label says only arc or no arc, so: the first 0.5 s of arc are ARC_INITIATION (it lasts at least that long);
    until 2 s nothing is labelled, the arc may or may not have settled; the last 0.5 s of arc are ARC_EXTINCTION,
    between them MATERIAL_DEPOSITION. IDLE before, COOLING after. A recording without arc gets no labels; neither does
    the end of an arc that still burns in the last frame, nor a pause of 2 s and more and what follows it.
    """
    burning = np.flatnonzero(arc_on)
    if not len(burning):
        return []
    pauses = np.flatnonzero(np.diff(burning) >= LONGEST_GAP_S * fps)
    last = burning[pauses[0]] if len(pauses) else burning[-1]
    start_s, end_s, duration_s = burning[0] / fps, (last + 1) / fps, len(arc_on) / fps
    extinction_s = max(end_s - EXTINCTION_S, start_s + SHORTEST_INITIATION_S)
    spans = [
        (0.0, start_s, Action.IDLE),
        (start_s, min(start_s + SHORTEST_INITIATION_S, end_s), Action.ARC_INITIATION),
        (start_s + LATEST_SETTLED_S, extinction_s, Action.MATERIAL_DEPOSITION),
    ]
    if not arc_on[-1] or len(pauses):
        spans.append((extinction_s, end_s, Action.ARC_EXTINCTION))
    if not len(pauses):
        spans.append((end_s, duration_s, Action.COOLING))
    return [action_span(float(a), float(b), action, source) for a, b, action in spans if b > a]


def _read(file: Path) -> _ThermalWeld:
    if not file.is_file():
        raise InputError(file, "no such file", "give a thermal recording (.npz)")
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            for name in ("thermal_celsius", "process", "arc_on", "fps"):
                if name not in arrays:
                    raise InputError(file, f"array {name} is missing", "it needs thermal_celsius, process, arc_on, fps")
            celsius = arrays["thermal_celsius"].astype(np.float32)  # float16 sums overflow
            process = arrays["process"].astype(np.float32)
            arc_on = arrays["arc_on"].astype(bool)
            fps = float(arrays["fps"])
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(file, f"not a readable .npz file ({error})", "copy it again") from error
    if celsius.ndim != 3 or not len(celsius):
        raise InputError(file, f"thermal_celsius has shape {celsius.shape}", "it must be [frames, height, width]")
    if process.ndim != 2 or process.shape[0] != len(celsius) or process.shape[1] < 2:
        raise InputError(file, f"process has shape {process.shape}", f"it must be [{len(celsius)}, 2 or more]")
    if arc_on.shape != (len(celsius),):
        raise InputError(file, f"arc_on has shape {arc_on.shape}", f"it must be [{len(celsius)}]")
    if not LOWEST_FPS <= fps <= HIGHEST_FPS:
        raise InputError(file, f"fps is {fps:g}", f"give frames per second, {LOWEST_FPS:g} to {HIGHEST_FPS:g}")
    return _ThermalWeld(celsius, process[:, 0], process[:, 1], arc_on, fps)
