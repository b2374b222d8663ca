"""The closed-loop study: many seeded welds, each without advice, with monitor and gate, and with an oracle."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from msstan_core import advisory, closed_loop
from msstan_core.advisory.wps_files import WPS_FOLDER, ProcedureBook
from msstan_core.closed_loop.figures import WeldFigures, figures_of
from msstan_core.closed_loop.loop import WeldRecord, weld
from msstan_core.closed_loop.recognisers import MonitorRecogniser, OracleRecogniser, Recogniser
from msstan_core.closed_loop.welds import FAULTS, NOMINAL, study_weld
from msstan_core.decision.pipeline import Monitor
from msstan_core.errors import InputError
from msstan_core.parallel import in_order
from msstan_core.resources import share_path
from msstan_core.simulation import WeldCell
from msstan_core.simulation.revision import files_sha256, simulator_sha256
from msstan_core.simulation.scenario_files import SCENARIO_FOLDER

#: Who advises: nobody, the monitor, or who knows the truth.
ARMS = ("none", "monitor", "oracle")
#: The arms of the study over DDS: the first two in one process, the last with every part a process of its own.
LIVE_ARMS = ("none", "monitor", "live")
#: The rules were written while looking at the welds of smaller seeds (with the oracle, never with the monitor).
FIRST_SEED = 100


@dataclass(frozen=True, slots=True)
class Task:
    """One weld in one arm."""

    imperfection: int
    seed: int
    arm: str


def tasks(imperfections: Sequence[int], seeds: Iterable[int], arms: Sequence[str] = ARMS) -> list[Task]:
    """Seed by seed, so that an interrupted study is balanced."""
    return [Task(code, seed, arm) for seed in seeds for code in imperfections for arm in arms]


def chosen_imperfections(text: str | None) -> list[int]:
    """``"402,0"`` -> codes of the study; None: all. Raises InputError naming the possible ones."""
    if text is None:
        return list(FAULTS)
    try:
        codes = [int(part) for part in text.split(",")]
    except ValueError:
        codes = [-1]
    for code in codes:
        if code not in FAULTS:
            raise InputError("--imperfections", f"{text!r} is not possible", f"some of {','.join(map(str, FAULTS))}")
    return codes


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
    plan: Sequence[Task],
    model_dir: Path,
    kept: Path,
    jobs: int,
    said: Callable[[WeldFigures], None],
    other_arms: Mapping[str, Callable[[Task], WeldFigures]] | None = None,
) -> list[WeldFigures]:
    """Weld everything that is not yet kept; what is done is kept line by line, so that the study can be interrupted.

    Args:
        plan: all welds of the study.
        model_dir: of the monitor.
        kept: JSON lines; the first names model card and simulator, and a study with another one is refused.
        jobs: processes.
        said: told about every finished weld.
        other_arms: how to weld arms that are none of :data:`ARMS`; only with one job.

    Raises:
        InputError: when ``kept`` belongs to another model or simulator, or cannot be read.
    """
    head = {
        "card_sha256": Monitor.load(model_dir).info.card_sha256,  # weights and thresholds
        "simulator_sha256": simulator_sha256(),
        "loop_sha256": files_sha256(_loop_files()),
    }
    done = _read_kept(kept, head)
    found = {(f.imperfection, f.seed, f.arm): f for f in done}
    open_tasks = [t for t in plan if (t.imperfection, t.seed, t.arm) not in found]
    with kept.open("a", encoding="utf-8") as stream:
        if stream.tell() == 0:
            stream.write(json.dumps(head) + "\n")
        for figures in _welded(open_tasks, model_dir, jobs, other_arms or {}):
            stream.write(json.dumps(figures.as_dict()) + "\n")
            stream.flush()
            found[figures.imperfection, figures.seed, figures.arm] = figures
            said(figures)
    return [found[t.imperfection, t.seed, t.arm] for t in plan]


def _loop_files() -> Iterator[Path]:
    """What decides beside model and simulator how a weld goes: scenarios, procedures, rules, gate, robot."""
    for package in (advisory, closed_loop):
        yield from Path(package.__path__[0]).glob("*.py")
    for folder in (SCENARIO_FOLDER, WPS_FOLDER):
        yield from share_path(folder).glob("*.yaml")


def _welded(
    open_tasks: Sequence[Task], model_dir: Path, jobs: int, other_arms: Mapping[str, Callable[[Task], WeldFigures]]
) -> Iterator[WeldFigures]:
    yield from in_order(partial(_done, other_arms), open_tasks, jobs, _load_monitor, (model_dir,))


def _read_kept(kept: Path, head: Mapping[str, str]) -> list[WeldFigures]:
    if not kept.exists() or kept.stat().st_size == 0:
        kept.parent.mkdir(parents=True, exist_ok=True)
        return []
    lines = kept.read_text(encoding="utf-8").splitlines()
    try:
        written, *rest = (json.loads(line) for line in lines)
        if written["card_sha256"] != head["card_sha256"]:
            raise InputError(kept, "holds welds with another model", "remove it to begin anew, or give that model")
        if written != head:
            raise InputError(kept, "holds welds of another revision of cell, rules or gate", "remove it to begin anew")
        return [WeldFigures.from_dict(content) for content in rest]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(kept, f"cannot be continued ({error})", "remove it to begin anew") from None


_MONITOR: list[Monitor] = []


def _load_monitor(model_dir: Path) -> None:
    _MONITOR[:] = [Monitor.load(model_dir)]


def _done(other_arms: Mapping[str, Callable[[Task], WeldFigures]], task: Task) -> WeldFigures:
    return other_arms.get(task.arm, _figures)(task)


def _figures(task: Task) -> WeldFigures:
    record = run_weld(task, _MONITOR[0])
    return figures_of(record, task.imperfection, task.seed, task.arm)


# -- figures over welds -----------------------------------------------------------------------------------------------


def _over_seeds(welds: Sequence[WeldFigures], value: Callable[[list[WeldFigures]], float]) -> dict[str, float]:
    """Mean and standard deviation of a figure over seeds, each taken over all welds of a seed; without NaN."""
    by_seed = [value([w for w in welds if w.seed == seed]) for seed in sorted({w.seed for w in welds})]
    known = np.array([v for v in by_seed if not math.isnan(v)])
    if len(known) == 0:
        return {"mean": math.nan, "std": math.nan}
    return {"mean": round(float(known.mean()), 4), "std": round(float(known.std()), 4)}


def _per_metre(welds: list[WeldFigures]) -> float:
    return sum(w.any_s for w in welds) / sum(w.seam_m for w in welds) if welds else math.nan


def _ratio(welds: Sequence[WeldFigures], arm: str) -> dict[str, float]:
    def of_seed(own: list[WeldFigures]) -> float:
        without = sum(w.any_s for w in own if w.arm == "none")
        return sum(w.any_s for w in own if w.arm == arm) / without if without > 0 else math.nan

    return _over_seeds(welds, of_seed)


def _arm(welds: Sequence[WeldFigures], arm: str) -> list[WeldFigures]:
    return [w for w in welds if w.arm == arm]


def _mean(values: Iterable[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan


def _closed_loop_metrics(welds: Sequence[WeldFigures], arm: str) -> dict[str, Any]:
    """What is worth knowing of an arm in which a monitor advised."""
    own, faulty = _arm(welds, arm), [w for w in welds if w.imperfection != NOMINAL]
    good, own_faulty = [w for w in own if w.imperfection == NOMINAL], _arm(faulty, arm)
    return {
        "imperfection_time_ratio": _ratio(faulty, arm),
        "wps_violations": _over_seeds(own, lambda ws: sum(w.wps_violations for w in ws)),
        "imperfection_s_per_m": _over_seeds(own_faulty, _per_metre),
        "detected": _over_seeds(own_faulty, _detected),
        "delay_s": _over_seeds(own_faulty, lambda ws: _mean(w.delay_s for w in ws if w.detected)),
        "wrong_corrections_per_weld": _over_seeds(own, lambda ws: _mean(w.wrong_corrections for w in ws)),
        "good_weld_advised_s": _over_seeds(good, lambda ws: _mean(w.advised_s for w in ws)),
        "good_weld_imperfection_s": _over_seeds(good, lambda ws: _mean(w.any_s for w in ws)),
    }


def _alone(welds: Sequence[WeldFigures]) -> dict[str, Any]:
    """The programme without advice."""
    faulty = [w for w in welds if w.imperfection != NOMINAL]
    good = [w for w in welds if w.imperfection == NOMINAL]
    return {
        "imperfection_s_per_m": _over_seeds(_arm(faulty, "none"), _per_metre),
        "good_weld_imperfection_s": _over_seeds(_arm(good, "none"), lambda own: _mean(w.any_s for w in own)),
    }


def _table(welds: Sequence[WeldFigures], arms: Sequence[str], advised: str) -> dict[str, Any]:
    """By imperfection: the times in all arms, and how it was recognised in the arm ``advised``."""
    table = {}
    for code in [c for c in FAULTS if any(w.imperfection == c for w in welds)]:
        own = [w for w in welds if w.imperfection == code]
        row: dict[str, Any] = {"welds": len({w.seed for w in own})}
        for arm in arms:
            row[f"{arm}_s_per_m"] = _over_seeds(_arm(own, arm), _per_metre)
            row[f"{arm}_target_s_per_m"] = _over_seeds(
                _arm(own, arm), lambda welded: sum(w.target_s for w in welded) / sum(w.seam_m for w in welded)
            )
        row["detected"] = _over_seeds(_arm(own, advised), _detected)
        row["delay_s"] = _over_seeds(_arm(own, advised), lambda ws: _mean(w.delay_s for w in ws if w.detected))
        row["wrong_corrections_per_weld"] = _over_seeds(
            _arm(own, advised), lambda ws: _mean(w.wrong_corrections for w in ws)
        )
        table[str(code)] = row
    return table


def summarise(welds: Sequence[WeldFigures]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Metrics of the monitor, of the baselines, and the table by imperfection, for a result file."""
    faulty = [w for w in welds if w.imperfection != NOMINAL]
    baselines = {
        "none": _alone(welds),
        "oracle": {
            "imperfection_time_ratio": _ratio(faulty, "oracle"),
            "imperfection_s_per_m": _over_seeds(_arm(faulty, "oracle"), _per_metre),
            "wps_violations": _over_seeds(_arm(welds, "oracle"), lambda own: sum(w.wps_violations for w in own)),
        },
    }
    return _closed_loop_metrics(welds, "monitor"), baselines, _table(welds, ARMS, "monitor")


def summarise_live(welds: Sequence[WeldFigures]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The same for welds over DDS, with the same welds in one process as a baseline.

    ``more_than_in_process_s`` is the time with imperfections that a weld has more over DDS than in one process.
    """
    in_process = {(w.imperfection, w.seed): w.any_s for w in welds if w.arm == "monitor"}
    metrics = _closed_loop_metrics(welds, "live")
    metrics["more_than_in_process_s"] = _over_seeds(
        _arm(welds, "live"), lambda own: _mean(w.any_s - in_process[w.imperfection, w.seed] for w in own)
    )
    baselines = {"none": _alone(welds), "in_process": _closed_loop_metrics(welds, "monitor")}
    return metrics, baselines, _table(welds, LIVE_ARMS, "live")


def _detected(welds: list[WeldFigures]) -> float:
    """Share of the welds with the imperfection in which it was suspected."""
    present = [w for w in welds if w.target_s > 0]
    return sum(w.detected for w in present) / len(present) if present else math.nan


def example_of(welds: Sequence[WeldFigures], imperfection: int) -> int:
    """Seed of the first weld for this imperfection in which the oracle more than halves the time; else the first."""
    own = [w for w in welds if w.imperfection == imperfection]
    without = {w.seed: w.any_s for w in own if w.arm == "none"}
    helped = [w.seed for w in own if w.arm == "oracle" and w.any_s < 0.5 * without[w.seed]]
    return min(helped or without)


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
