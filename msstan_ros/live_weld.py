"""One weld of the closed-loop study with cell, monitor and gate as processes of their own that talk over DDS."""

from __future__ import annotations

import dataclasses
import tempfile
import threading
from pathlib import Path

import yaml

from msstan_core.advisory.wps_files import ProcedureBook
from msstan_core.closed_loop.figures import WeldFigures, figures_of
from msstan_core.closed_loop.tasks import Task
from msstan_core.closed_loop.welds import study_weld
from msstan_core.errors import InputError
from msstan_core.recordings.annotations import read_annotations
from msstan_core.simulation import WeldCell
from msstan_ros.advisory_recorder import AdvisoryRecorder
from msstan_ros.bringup import profile_named
from msstan_ros.supervision import Supervisor


def weld_live(
    task: Task,
    rate: float,
    model: Path,
    log: Path,
    domain: int | None = None,
    interrupted: threading.Event | None = None,
) -> WeldFigures:
    """Weld one task, with the gate.

    Args:
        task: which weld; its arm is only written into the figures.
        rate: pace of the cell, not 1: it tells the time.
        model: folder of the monitor's model.
        log: folder for the nodes' output.
        domain: ROS domain in which they talk; None: that of ``ROS_DOMAIN_ID``.
        interrupted: once it is set the processes are ended, and the weld is not completed.

    Raises:
        InputError: when a process fails or no weld was heard.
    """
    scenario = study_weld(task.imperfection, task.seed)
    wps, problem = ProcedureBook().in_force(WeldCell(scenario).context)
    if wps is None:
        raise InputError(scenario.name, problem, "the built-in scenarios and WPS files belong together: reinstall")
    interrupted = interrupted or threading.Event()
    log.mkdir(parents=True, exist_ok=True)
    log_path = log / f"{scenario.name}.log"
    with tempfile.TemporaryDirectory() as name, log_path.open("w", encoding="utf-8") as stream:
        folder = Path(name)
        file = folder / f"{scenario.name}.yaml"
        file.write_text(yaml.safe_dump(scenario.model_dump(mode="json")), encoding="utf-8")
        given = {"scenario": str(file), "annotations": name, "real_time_factor": str(rate), "loop": "false"}
        given |= {"overlay": "false", "gate": "true", "model": str(model)}
        described = profile_named("simulated_cell").describe(given)

        def keep(line: str) -> None:
            stream.write(line + "\n")

        with AdvisoryRecorder(domain) as recorder, Supervisor(described, keep, domain) as nodes:
            nodes.start(interrupted)
            status = nodes.wait(interrupted)
        truth = folder / f"{scenario.name}-{scenario.seed}.csv"
        record = recorder.record(wps, scenario.joint.seam_length_m, read_annotations(truth)) if truth.exists() else None
    if status != 0 or record is None or not record.cycles:
        raise InputError(scenario.name, "the weld was not completed", f"read {log_path}")
    figures = figures_of(record, task.imperfection, task.seed, task.arm)
    return dataclasses.replace(figures, timing=recorder.timing())
