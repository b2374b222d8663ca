"""One weld of the closed-loop study with cell, monitor and gate as processes of their own that talk over DDS."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import yaml

from msstan_core.advisory.wps_files import ProcedureBook
from msstan_core.closed_loop.figures import WeldFigures, figures_of
from msstan_core.closed_loop.study import Task
from msstan_core.closed_loop.welds import study_weld
from msstan_core.errors import InputError
from msstan_core.recordings.annotations import read_annotations
from msstan_core.simulation import WeldCell
from msstan_ros.advisory_recorder import AdvisoryRecorder
from msstan_ros.bringup import profile_named
from msstan_ros.supervision import Supervisor
from msstan_ros.transport import environment


def weld_live(task: Task, rate: float, model: Path, log: Path) -> WeldFigures:
    """Weld one task, with the gate.

    Args:
        task: which weld; its arm is only written into the figures.
        rate: pace of the cell, not 1: it tells the time.
        model: folder of the monitor's model.
        log: folder for the nodes' output.

    Raises:
        InputError: when a process fails or no weld was heard.
    """
    scenario = study_weld(task.imperfection, task.seed)
    wps, problem = ProcedureBook().in_force(WeldCell(scenario).context)
    if wps is None:
        raise InputError(scenario.name, problem, "the built-in scenarios and WPS files belong together: reinstall")
    log.mkdir(parents=True, exist_ok=True)
    log_path = log / f"{scenario.name}.log"
    os.environ.update(environment()[0])
    with tempfile.TemporaryDirectory() as name, log_path.open("w", encoding="utf-8") as stream:
        folder = Path(name)
        file = folder / f"{scenario.name}.yaml"
        file.write_text(yaml.safe_dump(scenario.model_dump(mode="json")), encoding="utf-8")
        given = {"scenario": str(file), "annotations": name, "real_time_factor": str(rate), "loop": "false"}
        given |= {"overlay": "false", "gate": "true", "model": str(model)}

        def keep(line: str) -> None:
            stream.write(line + "\n")

        with AdvisoryRecorder() as recorder, Supervisor(profile_named("simulated_cell").describe(given), keep) as nodes:
            nodes.start()
            status = nodes.wait(threading.Event())
        truth = folder / f"{scenario.name}-{scenario.seed}.csv"
        record = recorder.record(wps, scenario.joint.seam_length_m, read_annotations(truth)) if truth.exists() else None
    if status != 0 or record is None:
        raise InputError(scenario.name, "the weld was not completed", f"read {log_path}")
    return figures_of(record, task.imperfection, task.seed, task.arm)
