"""NumPy's products stay in the thread that asks for them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from threadpoolctl import ThreadpoolController

from msstan_core.cli import main

#: Processor time of the other threads while this one multiplies thirty times a second, s.
_SPINNING = """
import resource, sys, time
import numpy as np
from msstan_core.linear_algebra import use_one_thread
if sys.argv[1] == "one":
    use_one_thread()
a = np.ones((600, 600), np.float32)
began, own = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_THREAD)
for _ in range(30):
    a @ a
    time.sleep(0.03)
ended, own_end = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_THREAD)
print((ended.ru_utime - began.ru_utime) - (own_end.ru_utime - own.ru_utime))
"""


def other_threads_s(how: str) -> float:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", _SPINNING, how], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_no_thread_waits_for_the_next_product() -> None:
    assert other_threads_s("one") < 0.2, "without the limit it is about a second"


def test_commands_keep_numpy_to_one_thread(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        assert main(["replay", "no_such_bag", "--csv", "out.csv"]) == 1
        libraries = ThreadpoolController().select(user_api="blas").info()
    assert libraries and {library["num_threads"] for library in libraries} == {1}
    assert "no_such_bag" in capsys.readouterr().err
