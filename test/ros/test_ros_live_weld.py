"""A weld of the study over DDS: what is started for it, and what becomes of what was heard."""

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from live import Spinner, until

from msstan_core.closed_loop.tasks import Task
from msstan_core.closed_loop.welds import study_weld
from msstan_core.errors import InputError
from msstan_core.recordings.annotations import Annotation, write_annotations
from msstan_core.simulation import load_scenario
from msstan_msgs.msg import WeldContext, WeldParameterAdvisory
from msstan_ros import live_weld, qos
from msstan_ros.conversions import stamp_message
from msstan_ros.node_description import NodeSpec

TASK = Task(506, 100, "live")


class Processes:
    """In the supervisor's place: a cell that names its job, writes down one imperfection and ends."""

    status = 0
    gate_speaks = True

    def __init__(self, spinner: Spinner) -> None:
        self.nodes: dict[str, NodeSpec] = {}
        peer = spinner.peer("job")
        self._jobs = peer.create_publisher(WeldContext, "weld/context", qos.CONTEXT)
        self._gate = peer.create_publisher(WeldParameterAdvisory, "weld/advisory_gated", qos.ADVISORY_GATED)

    def __call__(self, nodes: Sequence[NodeSpec], say: Any, domain: int | None) -> "Processes":
        self.nodes = {spec.name: spec for spec in nodes}
        self.domain = domain
        say("[weld_cell] welding")
        return self

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, interrupted: threading.Event) -> None:
        assert until(lambda: self._jobs.get_subscription_count() == self._gate.get_subscription_count() == 1)
        job = WeldContext(thickness_a_m=math.nan, thickness_b_m=math.nan)
        job.header.stamp = stamp_message(10**18)
        self._jobs.publish(job)
        if self.gate_speaks:
            self._gate.publish(WeldParameterAdvisory(header=job.header))

    def wait(self, interrupted: threading.Event) -> int:
        cell = self.nodes["weld_cell"].parameters
        self.scenario = load_scenario(str(cell["scenario"]))
        if self.status == 0:
            truth = Path(str(cell["annotations_folder"])) / f"{self.scenario.name}-{self.scenario.seed}.csv"
            write_annotations(truth, [Annotation(2.0, 3.5, "imperfection", "506", severity=0.5)])
        return self.status


@pytest.fixture
def processes(spinner: Spinner, monkeypatch: pytest.MonkeyPatch) -> Processes:
    processes = Processes(spinner)
    monkeypatch.setattr(live_weld, "Supervisor", processes)

    class Recorder(live_weld.AdvisoryRecorder):
        def __exit__(self, *given: Any) -> None:
            heard = self._jobs if not processes.gate_speaks else self._gated
            assert until(lambda: heard), "the processes end before their message has come"
            super().__exit__(*given)

    monkeypatch.setattr(live_weld, "AdvisoryRecorder", Recorder)
    return processes


def test_cell_monitor_and_gate_weld_the_part_of_the_study_on_the_cells_clock(
    processes: Processes, tmp_path: Path
) -> None:
    figures = live_weld.weld_live(TASK, 0.5, tmp_path, tmp_path / "log")
    assert processes.scenario == study_weld(506, 100), "the same part as in one process"
    assert {"weld_cell", "weld_monitor", "advisory_gate"} == set(processes.nodes)
    managed = [name for name, spec in processes.nodes.items() if spec.lifecycle]
    assert managed == ["advisory_gate", "weld_monitor"], (
        "the cell begins when the monitor listens: the gate is up by then"
    )
    assert processes.nodes["weld_cell"].parameters["real_time_factor"] == 0.5
    assert processes.nodes["weld_cell"].parameters["loop"] is False
    for name in ("weld_monitor", "advisory_gate"):
        assert processes.nodes[name].parameters["use_sim_time"] is True
    assert processes.nodes["weld_monitor"].parameters["model_dir"] == str(tmp_path)
    assert (figures.imperfection, figures.seed, figures.arm) == (506, 100, "live")
    assert figures.timing is not None and figures.timing.decisions == 0
    assert figures.target_s == figures.any_s == pytest.approx(1.5) and not figures.detected
    assert (tmp_path / "log" / "closed-loop-506-100.log").read_text() == "[weld_cell] welding\n"


def test_a_weld_that_fails_names_the_log(processes: Processes, tmp_path: Path) -> None:
    processes.status = 1
    with pytest.raises(InputError, match=r"not completed.*closed-loop-506-100\.log"):
        live_weld.weld_live(TASK, 0.5, tmp_path, tmp_path / "log")


def test_a_weld_during_which_the_gate_was_not_heard_is_none(processes: Processes, tmp_path: Path) -> None:
    processes.gate_speaks = False
    with pytest.raises(InputError, match="not completed"):
        live_weld.weld_live(TASK, 0.5, tmp_path, tmp_path / "log")
