"""The closed-loop study: many seeded welds, each without advice, with monitor and gate, and with an oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msstan_core import advisory, closed_loop
from msstan_core.advisory.wps_files import WPS_FOLDER, ProcedureBook
from msstan_core.closed_loop.figures import WeldFigures, figures_of
from msstan_core.closed_loop.kept_welds import KeptWelds
from msstan_core.closed_loop.loop import WeldRecord, weld
from msstan_core.closed_loop.recognisers import MonitorRecogniser, OracleRecogniser, Recogniser
from msstan_core.closed_loop.tasks import Task
from msstan_core.closed_loop.welds import study_weld
from msstan_core.decision.pipeline import Monitor
from msstan_core.errors import InputError
from msstan_core.parallel import in_order
from msstan_core.resources import share_path
from msstan_core.simulation import WeldCell
from msstan_core.simulation.revision import files_sha256, simulator_sha256
from msstan_core.simulation.scenario_files import SCENARIO_FOLDER


def run_weld(task: Task, monitor: Monitor | None) -> WeldRecord:
    """Weld one task; ``monitor`` is needed for the arm of that name."""
    scenario = study_weld(task.imperfection, task.seed)
    wps, problem = ProcedureBook().in_force(WeldCell(scenario).context)
    if wps is None:
        raise InputError(scenario.name, problem, "the built-in scenarios and WPS files belong together: reinstall")
    recogniser: Recogniser | None = None
    if task.arm == "oracle":
        recogniser = OracleRecogniser()
    elif task.arm == "monitor":
        assert monitor is not None
        recogniser = MonitorRecogniser(monitor)
    return weld(scenario, wps, recogniser)


def run_study(
    plan: Sequence[Task], model_dir: Path, kept: Path, jobs: int, said: Callable[[WeldFigures], None]
) -> list[WeldFigures]:
    """Weld everything that is not yet kept; what is done is kept line by line, so that the study can be interrupted.

    Args:
        plan: all welds of the study.
        model_dir: of the monitor.
        kept: file of the welds that are done; a study with another model or simulator is refused.
        jobs: processes.
        said: told about every finished weld.

    Raises:
        InputError: when ``kept`` belongs to another model or simulator, or cannot be read.
    """
    with KeptWelds(kept, revision_of(model_dir)) as welds:
        for figures in welded(welds.missing(plan), model_dir, jobs):
            welds.add(figures)
            said(figures)
        return welds.of(plan)


def revision_of(model_dir: Path) -> dict[str, str]:
    """What decides how a weld in one process goes: welds of another revision are others."""
    return {
        "card_sha256": Monitor.load(model_dir).info.card_sha256,  # weights and thresholds
        "simulator_sha256": simulator_sha256(),
        "loop_sha256": files_sha256(_loop_files()),
    }


def welded(plan: Sequence[Task], model_dir: Path, jobs: int) -> Iterator[WeldFigures]:
    """Weld in one process each, ``jobs`` at a time, in the order of ``plan``."""
    yield from in_order(_figures, plan, jobs, _load_monitor, (model_dir,))


def _loop_files() -> Iterator[Path]:
    """What decides beside model and simulator how a weld goes: scenarios, procedures, rules, gate, robot."""
    for package in (advisory, closed_loop):
        yield from Path(package.__path__[0]).glob("*.py")
    for folder in (SCENARIO_FOLDER, WPS_FOLDER):
        yield from share_path(folder).glob("*.yaml")


_MONITOR: list[Monitor] = []


def _load_monitor(model_dir: Path) -> None:
    _MONITOR[:] = [Monitor.load(model_dir)]


def _figures(task: Task) -> WeldFigures:
    record = run_weld(task, _MONITOR[0])
    return figures_of(record, task.imperfection, task.seed, task.arm)


def course(record: WeldRecord, every: int = 10) -> dict[str, Any]:
    """The course of one weld for a picture: every tenth cycle, and the spans of truth and suspicion."""
    cycles = record.cycles[::every]
    return {
        "time_s": [round(c.time_s, 2) for c in cycles],
        "deltas": [[float(f"{d:.5g}") for d in c.applied] for c in cycles],
        "cause": [c.cause_iso_code for c in cycles],
        "truth": [
            [round(a.start_s, 2), round(a.end_s, 2), a.iso_code] for a in record.annotations if a.kind == "imperfection"
        ],
    }
