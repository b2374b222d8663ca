"""A monitor in a process of its own: seconds from its start to the first action, and its memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from msstan_core.errors import InputError

#: Ticks after which memory is steady.
TICKS = 600
_CLOCK_TICKS_HZ = os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int | str = "self") -> float:
    """Resident memory of a process, MB (10^6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_resident_mb(pid: int | str = "self") -> float:
    """Highest resident memory so far, MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, in user and system mode, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS_HZ


def lone_monitor(model_dir: Path, starts: int) -> dict[str, Any]:
    """Start a monitor ``starts`` times, without ROS.

    Returns:
        ``first_action_s`` {"p50", "p99"}: process start to first action; ``rss_mb`` after TICKS ticks and its peak.

    Raises:
        InputError: when the process fails.
    """
    rows = []
    for _ in range(starts):
        command = [sys.executable, "-m", __name__, str(model_dir), str(time.time())]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise InputError(model_dir, f"a monitor on it does not run ({reason})", "check the model: msstan replay")
        rows.append(json.loads(done.stdout))
    first = [row["first_action_s"] for row in rows]
    return {
        "first_action_s": {"p50": round(float(np.median(first)), 3), "p99": round(max(first), 3)},
        "rss_mb": round(float(np.median([row["rss_mb"] for row in rows])), 1),
        "peak_rss_mb": round(max(row["peak_rss_mb"] for row in rows), 1),
        "of which without a model": round(float(np.median([row["imports_mb"] for row in rows])), 1),
    }


def _main(model_dir: str, started: str) -> None:
    from msstan_core.benchmark.workload import ticks
    from msstan_core.decision.pipeline import Monitor

    imports_mb = resident_mb()
    stream = ticks(1)
    monitor = Monitor.load(Path(model_dir))
    monitor.step(stream[0])
    first = time.time() - float(started)
    for tick in ticks(TICKS)[1:]:
        monitor.step(tick)
    figures = {"first_action_s": first, "rss_mb": resident_mb(), "peak_rss_mb": peak_resident_mb()}
    print(json.dumps({**figures, "imports_mb": imports_mb}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
