"""What a tick needs is loaded before the first one: an import costs several camera periods."""

import subprocess
import sys

# Without the simulator, which would load much that a monitor alone does not.
PROGRAM = """
import sys
import numpy as np
from msstan_core.decision.evidence import evidence_of
from msstan_core.decision.pipeline import Monitor
from msstan_core.observation import AudioWindow, CameraFrame, TelemetryWindow, ThermalFrame, Tick
from msstan_core.resources import default_model_dir

monitor, rng = Monitor.load(default_model_dir()), np.random.default_rng(0)
before = set(sys.modules)
for i in range(3):
    now = i * 40_000_000
    monitor.step(
        Tick(
            i,
            now,
            camera=CameraFrame(now, rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)),
            thermal=ThermalFrame(now, rng.uniform(20, 1600, (120, 160)).astype(np.float32)),
            audio=AudioWindow(now, 16000, rng.normal(0, 0.1, 16000).astype(np.float32)),
            telemetry=TelemetryWindow(np.array([now]), np.array([[180, 22, 0.12, 0.008, 15]], np.float32)),
            age_s=np.zeros(4, np.float32),
            valid=np.ones(4, bool),
        )
    )
evidence_of(np.full(4, 0.25, np.float32), np.eye(8, dtype=np.float32))  # as an anomaly would ask for
print(*sorted(set(sys.modules) - before))
"""


def test_a_tick_loads_nothing() -> None:
    loaded = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=240, check=True)
    assert loaded.stdout.split() == []
