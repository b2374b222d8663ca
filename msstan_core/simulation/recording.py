"""A simulated weld as a bag."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2

from msstan_core.observation import CameraFrame
from msstan_core.recordings.annotations import Annotation
from msstan_core.recordings.bag import BagWriter
from msstan_core.simulation.cell import WeldCell
from msstan_core.simulation.scenario import Scenario

#: Stamp of cell time 0 in a recording (2024-01-01 00:00 UTC): any fixed time serves, zero would read as "never set".
EPOCH_NS = 1_704_067_200_000_000_000
JPEG_QUALITY = 92


def record(scenario: Scenario, bag: Path, raw_images: bool = False) -> tuple[float, list[Annotation]]:
    """Simulate ``scenario`` into the bag folder ``bag``; returns its length in s and its annotations.

    Raises:
        InputError: when ``bag`` exists or cannot be written.
    """
    cell = WeldCell(scenario, EPOCH_NS)
    with BagWriter(bag, attributes(scenario)) as writer:
        while not cell.finished:
            for sample in cell.advance(cell.time_s + 1.0):
                if isinstance(sample, CameraFrame) and not raw_images:
                    sample = compressed(sample)
                writer.write(sample)
        writer.annotate(cell.annotations)
    return cell.time_s, cell.annotations


def compressed(frame: CameraFrame) -> CameraFrame:
    """The frame as JPEG."""
    if frame.image is None:
        return frame
    done, data = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise RuntimeError("JPEG encoder failed")
    return replace(frame, image=None, encoded=data.tobytes())


def attributes(scenario: Scenario) -> dict[str, str]:
    """What the bag says of itself."""
    joint = scenario.joint
    return {
        "importer": "msstan simulate",
        "simulated": "true",
        "group": scenario.name,
        "run_id": f"{scenario.name}-{scenario.seed}",
        "seed": str(scenario.seed),
        "process": scenario.process.kind,
        "material_a": joint.material_a,
        "material_b": joint.material_b,
        "scenario": scenario.model_dump_json(exclude_defaults=True),
    }
