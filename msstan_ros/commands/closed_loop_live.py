"""``msstan closed-loop-live``: welds of the closed-loop study as ROS 2 processes, over DDS."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msstan_core.closed_loop.figures import WeldFigures


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "closed-loop-live",
        help="the closed-loop study over DDS, in the cell's own time (slow)",
        description="Weld a part of the closed-loop study with simulated cell, monitor and gate as processes that talk "
        "over DDS: the same welds as msstan closed-loop, with and without the gate. Each takes its own length over the "
        "rate, and some seconds to start.",
    )
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--welds", type=int, default=1, help="seeded welds per imperfection (default: 1)")
    parser.add_argument("--imperfections", help="ISO 6520-1 codes, comma-separated; 0: good welds (default: all)")
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped model)")
    parser.add_argument("--rate", type=float, default=0.5, help="pace of the cell, not 1 (default: 0.5)")
    parser.add_argument("--log", type=Path, default=Path("out"), help="folder for the nodes' output (default: out)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Weld; status 0 only when every weld was heard and no limit was left."""
    from msstan_core.closed_loop.study import FIRST_SEED, chosen_imperfections, summarise, tasks
    from msstan_core.errors import InputError
    from msstan_core.results import write_result

    if arguments.welds < 1:
        raise InputError("--welds", f"{arguments.welds} asked for", "give a number from 1")
    if not 0.05 <= arguments.rate <= 20.0 or arguments.rate == 1.0:
        raise InputError(
            "--rate", f"{arguments.rate:g} is not possible", "0.05 to 20, but not 1: the cell tells the time"
        )
    codes = chosen_imperfections(arguments.imperfections)
    plan = tasks(codes, range(FIRST_SEED, FIRST_SEED + arguments.welds), ("none", "monitor"))
    welds = []
    for task in plan:
        figures = weld_live(task.imperfection, task.seed, task.arm, arguments.rate, arguments.model, arguments.log)
        welds.append(figures)
        print(
            f"{task.imperfection} seed {task.seed} {task.arm}: {figures.any_s:.1f} s of imperfection, advised "
            f"{figures.advised_s:.1f} s, {figures.wps_violations} violations",
            flush=True,
        )
    metrics, baselines, table = summarise(welds)
    baselines.pop("oracle")
    write_result(
        arguments.json,
        command=f"msstan closed-loop-live --welds {arguments.welds} --rate {arguments.rate:g} --json {arguments.json}",
        seeds=arguments.welds,
        data=f"simulated cell over DDS at {arguments.rate:g} times real time, seeds from {FIRST_SEED}",
        metrics=metrics,
        baselines=baselines,
        details={"by_imperfection": table, "welds": [w.as_dict() for w in welds]},
    )
    violations = sum(w.wps_violations for w in welds)
    print(f"{arguments.json}: {violations} violations of the procedure in {len(welds)} welds over DDS")
    return 0 if violations == 0 else 1


def weld_live(imperfection: int, seed: int, arm: str, rate: float, model: Path | None, log: Path) -> WeldFigures:
    """One weld of the study with every part a process of its own.

    Args:
        imperfection: as in closed_loop.welds. seed: of the weld.
        arm: "monitor" with the gate, "none" without.
        rate: pace of the cell.
        model: folder; None: the shipped one.
        log: folder for the nodes' output.

    Raises:
        InputError: when a process fails or no weld was heard.
    """
    import os
    import tempfile

    import yaml

    from msstan_core.advisory.wps_files import ProcedureBook
    from msstan_core.closed_loop.figures import figures_of
    from msstan_core.closed_loop.welds import study_weld
    from msstan_core.errors import InputError
    from msstan_core.recordings.annotations import read_annotations
    from msstan_core.simulation import WeldCell
    from msstan_ros.advisory_recorder import AdvisoryRecorder
    from msstan_ros.bringup import profile_named
    from msstan_ros.supervision import Supervisor
    from msstan_ros.transport import environment

    scenario = study_weld(imperfection, seed)
    wps, problem = ProcedureBook().in_force(WeldCell(scenario).context)
    if wps is None:
        raise InputError(scenario.name, problem, "the built-in scenarios and WPS files belong together: reinstall")
    log.mkdir(parents=True, exist_ok=True)
    log_path = log / f"{scenario.name}-{arm}.log"
    os.environ.update(environment()[0])
    with tempfile.TemporaryDirectory() as name, log_path.open("w", encoding="utf-8") as stream:
        folder = Path(name)
        file = folder / f"{scenario.name}.yaml"
        file.write_text(yaml.safe_dump(scenario.model_dump(mode="json")), encoding="utf-8")
        given = {"scenario": str(file), "annotations": name, "real_time_factor": str(rate), "loop": "false"}
        given |= {"overlay": "false", "gate": "true" if arm == "monitor" else "false"}
        if model is not None:
            given["model"] = str(model)

        def keep(line: str) -> None:
            stream.write(line + "\n")

        with AdvisoryRecorder() as recorder, Supervisor(profile_named("simulated_cell").describe(given), keep) as nodes:
            nodes.start()
            status = nodes.wait(threading.Event())
        truth = folder / f"{scenario.name}-{scenario.seed}.csv"
        record = recorder.record(wps, scenario.joint.seam_length_m, read_annotations(truth)) if truth.exists() else None
    if status != 0 or record is None:
        raise InputError(scenario.name, "the weld was not completed", f"read {log_path}")
    return figures_of(record, imperfection, seed, arm)
