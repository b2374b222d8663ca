"""Pictures of the simulator for its documentation, and side by side with real recordings for judging by eye."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import CameraFrame, ThermalFrame
from msstan_core.simulation.cell import WeldCell
from msstan_core.simulation.randomisation import randomised
from msstan_core.simulation.realism import BANDS_HZ, read_video, real_sound_and_current
from msstan_core.simulation.realism_study import describe_runs, sensors, steel_runs, thermal_frames, video_frames
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.scenario_files import load_scenario

Picture = NDArray[np.uint8]
#: Moments of a weld worth showing: action and fraction of its span.
MOMENTS = (
    ("MATERIAL_PLACEMENT", 0.6),
    ("ELECTRODE_MOVEMENT", 0.7),
    ("ARC_INITIATION", 0.5),
    ("MATERIAL_DEPOSITION", 0.6),
    ("CRATER_FILL", 0.5),
    ("COOLING", 0.04),
)
THERMAL_TOP_C = 2400.0


def colour_thermal(celsius: NDArray[np.floating], width: int, height: int) -> Picture:
    """False colours from 0 to 2400 degC, [height, width, 3]."""
    grey = np.clip(celsius / THERMAL_TOP_C * 255.0, 0, 255).astype(np.uint8)
    return np.asarray(
        cv2.applyColorMap(cv2.resize(grey, (width, height), interpolation=cv2.INTER_NEAREST), cv2.COLORMAP_INFERNO)
    )


def story(scenario: Scenario, width: int = 200, height: int = 150) -> Picture:
    """One row of camera frames and, below, thermal frames at the moments of a weld."""
    cell = WeldCell(sensors(scenario, "camera", "thermal"))
    camera: list[CameraFrame] = []
    thermal: list[ThermalFrame] = []
    while not cell.finished:
        for sample in cell.advance(cell.time_s + 1.0):
            if isinstance(sample, CameraFrame):
                camera.append(sample)
            elif isinstance(sample, ThermalFrame):
                thermal.append(sample)
    first = {a.label: a for a in reversed(cell.annotations) if a.kind == "action"}
    columns = []
    for label, fraction in MOMENTS:
        column = np.zeros((2 * height, width, 3), np.uint8)
        if label in first:
            span = first[label]
            moment = (span.start_s + fraction * (span.end_s - span.start_s)) * 1e9
            frame = min(camera, key=lambda f: abs(f.stamp_ns - moment))
            reading = min(thermal, key=lambda f: abs(f.stamp_ns - moment))
            if frame.image is not None:
                column[:height] = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_AREA)
            column[height:] = colour_thermal(reading.celsius, width, height)
            cv2.putText(column, label.lower(), (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (120, 255, 120), 1, cv2.LINE_AA)
        columns.append(column)
    return np.hstack(columns)


def variety(seeds: range, width: int = 160, height: int = 120) -> Picture:
    """Randomised scenarios during deposition, five a row."""
    tiles = []
    for seed in seeds:
        cell = WeldCell(sensors(randomised(seed), "camera"))
        frame = None
        while not cell.finished and cell.state.step.name != "CRATER":
            for sample in cell.advance(cell.time_s + 0.5):
                if isinstance(sample, CameraFrame) and cell.state.burning:
                    frame = sample.image
        tile = np.zeros((height, width, 3), np.uint8)
        if frame is not None:
            tile[:] = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        tiles.append(tile)
    return np.vstack([np.hstack(tiles[k : k + 5]) for k in range(0, len(tiles) - 4, 5)])


def curves(root: Path, out: Path, seeds: int) -> None:
    """Plot spectra and cooling curves, real and simulated."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    real, _ = real_sound_and_current(root)
    simulated, _ = describe_runs(steel_runs(seeds))
    figure: Any
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4))
    centres = np.sqrt(BANDS_HZ[:-1] * BANDS_HZ[1:])
    for axis, name in zip(axes[:2], ("arc spectrum, dB", "shop spectrum, dB"), strict=True):
        for descriptions, colour, label in ((real, "black", "real"), (simulated, "tab:red", "simulated")):
            shapes = np.stack([d.curves[name] for d in descriptions])
            axis.fill_between(centres, *np.percentile(shapes, [10, 90], 0), color=colour, alpha=0.15, lw=0)
            axis.semilogx(centres, shapes.mean(0), color=colour, label=label)
        axis.set(title=name, xlabel="Hz")
        axis.legend(fontsize=8)
    _plot_cooling(axes[2], root, seeds)
    figure.tight_layout()
    figure.savefig(out, dpi=70)
    plt.close(figure)


def _plot_cooling(axis: Any, root: Path, seeds: int) -> None:
    """Hottest reading around the end of the arc."""
    fillet = load_scenario("gmaw_steel_thermal_fillet")
    traces = []
    for file in sorted((root / "thermal_arc").glob("*.npz")):
        with np.load(file) as data:
            traces.append((data["thermal_celsius"].astype(np.float32), data["arc_on"], "black"))
    for seed in range(min(seeds, 4)):
        traces.append((*thermal_frames(fillet.with_seed(seed)), "tab:red"))
    for celsius, arc_on, colour in traces:
        hottest = celsius.reshape(len(celsius), -1).max(1)
        end = int(np.flatnonzero(arc_on)[-1])
        time_s = (np.arange(len(hottest)) - end) / 25.0
        near = (time_s > -2) & (time_s < 8)
        axis.plot(time_s[near], hottest[near], color=colour, lw=0.6, alpha=0.6)
    axis.set(title="hottest pixel, degC (black: real)", xlabel="s after the arc")


def side_by_side(root: Path, out: Path) -> None:
    """Real video above, simulated below, at the same moments. Shows real frames: for the eye, not for publication."""
    files = sorted((root / "robotic_mig" / "runs").glob("*/camera.avi"))
    if not files:
        return
    real, _ = read_video(files[0])
    simulated = video_frames(load_scenario("gmaw_steel_side_view"))
    rows = []
    for frames in (real, simulated):
        mean = frames.reshape(len(frames), -1).mean(1)
        lit = np.flatnonzero(mean > np.percentile(mean, 10) + 3.0)
        first, last = int(lit[0]), int(lit[-1])
        picks = [
            first - 5,
            first + 2,
            first + 12,
            *np.linspace(first + 40, last - 20, 4).astype(int),
            last - 1,
            last + 3,
        ]
        rows.append(np.hstack([cv2.resize(frames[min(max(k, 0), len(frames) - 1)], (200, 125)) for k in picks]))
    cv2.imwrite(str(out), np.vstack(rows))


def write_pictures(folder: Path, root: Path | None, seeds: int = 8) -> list[Path]:
    """Write the documentation's pictures, with ``root`` also those that need real recordings; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name in ("gmaw_steel_lap", "laser_stainless_butt", "fsw_aluminium_butt", "gmaw_steel_side_view"):
        made.append(folder / f"simulated_{name}.jpg")
        cv2.imwrite(str(made[-1]), story(load_scenario(name)), [cv2.IMWRITE_JPEG_QUALITY, 80])
    made.append(folder / "simulated_variety.jpg")
    cv2.imwrite(str(made[-1]), variety(range(15)), [cv2.IMWRITE_JPEG_QUALITY, 80])
    if root is not None:
        made.append(folder / "simulated_against_real.png")
        curves(root, made[-1], seeds)
        made.append(folder / "with_real_frames.png")
        side_by_side(root, made[-1])
    return made
