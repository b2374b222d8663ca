"""A bag is whole or absent, whatever happens to its writer."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bag_examples import SECOND

from msstan_core.errors import InputError
from msstan_core.observation import TelemetrySample
from msstan_core.recordings.bag import BagWriter


def test_existing_destination_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    with pytest.raises(InputError, match="exists already"):
        BagWriter(tmp_path / "bag")
    assert list((tmp_path / "bag").iterdir()) == []


def test_failing_source_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), BagWriter(tmp_path / "bag") as writer:
        writer.write(TelemetrySample(SECOND))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_empty_recording_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to record"), BagWriter(tmp_path / "bag"):
        pass
    assert list(tmp_path.iterdir()) == []


WRITE_FOREVER = """
import sys
import numpy as np
from msstan_core.observation import ThermalFrame
from msstan_core.recordings.bag import BagWriter
noise = np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32)
with BagWriter(sys.argv[1], compress=False) as writer:
    for k in range(10**9):
        writer.write(ThermalFrame(k + 1, noise))
        if k == 20:
            print("running", flush=True)
"""


def start_writer(path: Path, **options: Any) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
        **options,
    )


def test_killed_writer_leaves_no_half_bag(tmp_path: Path) -> None:
    with start_writer(tmp_path / "bag") as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "running\n"
        writer.send_signal(signal.SIGKILL)
    assert not (tmp_path / "bag").exists()


def test_full_disk_is_one_clear_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    def no_space() -> None:  # a file may grow to 5 MB, then writing fails as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))

    with start_writer(tmp_path / "bag", preexec_fn=no_space) as writer:
        _, errors = writer.communicate()
    assert writer.returncode == 1
    assert "InputError" in errors.splitlines()[-1]
    assert "no space left on the disk" in errors.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
