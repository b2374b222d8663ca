"""Without torch the monitor monitors, replays, reports and calibrates all the same; what trains says what it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from msstan_core import cli

ROOT = Path(__file__).resolve().parents[2]
ABSENT = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {libraries!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""
NO_TORCH = ABSENT.format(libraries=("torch",))
NO_ROS = ABSENT.format(libraries=("rclpy", "msstan_msgs", "builtin_interfaces", "rcl_interfaces", "lifecycle_msgs"))
#: Says how many ticks of a bag ``msstan calibrate`` would have scores of.
WATCH = f"""{NO_TORCH}
from pathlib import Path
from msstan_core.calibration.nominal_scores import monitors_of, scores_of_bag
from msstan_core.decision.pipeline import Monitor
found = scores_of_bag(monitors_of(Monitor.load(Path("models/default")), False), Path(sys.argv[1]))
print(len(next(iter(found.values())).time_s))
"""
MAIN = """
from msstan_core.cli import main
sys.exit(main(sys.argv[1:]))
"""
WELD = """
seed: 3
procedure: {idle_s: 0.5, placement_s: 0.0, cooling_s: 1.0, crater_fill_s: 0.0}
joint: {kind: bead, seam_length_m: 0.02}
process: {kind: gmaw, travel_speed_m_s: 0.01}
"""


def run(*arguments: str | Path, without: str = NO_TORCH) -> subprocess.CompletedProcess[str]:
    """The command line where a library cannot be imported."""
    command = [sys.executable, "-c", without + MAIN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weld")
    (folder / "weld.yaml").write_text(WELD, encoding="utf-8")
    made = run("simulate", folder / "weld.yaml", folder / "bag")
    assert made.returncode == 0, made.stderr
    return folder / "bag"


def test_replay_report_and_calibration_need_no_torch(bag: Path, tmp_path: Path) -> None:
    assert run("replay", bag, "--csv", tmp_path / "weld.csv").returncode == 0
    assert run("report", bag, "--out", tmp_path / "weld.html").returncode == 0
    short = run("calibrate", "models/default", "--nominal", bag, "--out", tmp_path / "model")
    assert short.returncode == 1 and "0.00 h of welds cannot promise" in short.stderr, "all it lacks is welds"
    watched = subprocess.run([sys.executable, "-c", WATCH, bag], capture_output=True, text=True, cwd=ROOT)
    assert watched.returncode == 0 and int(watched.stdout) > 10, watched.stderr


@pytest.mark.parametrize(
    "command",
    [("train", "config/training/own_welds.yaml", "--out", "NEW"), ("evaluate", "models/default", "--json", "NEW")],
)
def test_what_needs_torch_says_so_in_one_line(bag: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    refused = run(*(tmp_path / "new" if part == "NEW" else part for part in command), "--data", bag)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert "needs torch" in refused.stderr.splitlines()[-1] and "make setup" in refused.stderr


def test_a_list_of_what_needs_torch_says_so_too() -> None:
    refused = run("study", "peers", "--list")
    assert refused.returncode == 1 and refused.stderr.startswith("msstan study: needs torch")
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("command", [("up",), ("watch", "--seconds", "1"), ("demo",)])
def test_where_ros_is_missing_that_is_said_in_one_line(command: tuple[str, ...]) -> None:
    refused = run(*command, without=NO_ROS)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr, refused.stderr
    assert refused.stderr.startswith(f"msstan {command[0]}: needs ") and "make setup" in refused.stderr


def test_an_interruption_while_commands_are_still_read_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "build_parser", interrupted)
    assert cli.main(["replay"]) == 130
    assert capsys.readouterr().err == "msstan replay: interrupted\n"
