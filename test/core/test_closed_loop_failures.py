"""Whatever fails between monitor and robot, the programme is back within the stated bound and no limit is left."""

from __future__ import annotations

import math

import pytest

from msstan_core.closed_loop.failure_study import names, run_failure, summarise


@pytest.mark.parametrize("name", names())
def test_whatever_fails_the_programme_is_back_in_time_and_no_limit_is_left(name: str) -> None:
    run = run_failure(name, 1)
    assert run.within_bound and run.violations == 0


def test_a_robot_without_gate_does_not_come_back_and_the_summary_says_so() -> None:
    metrics, baselines, rows = summarise([run_failure("monitor_killed", seed) for seed in range(2)])
    assert metrics["returned_within_bound"]["mean"] == 1.0 and metrics["wps_violations"]["mean"] == 0.0
    assert baselines["without_gate"]["returned_within_bound"]["mean"] == 0.0
    assert not math.isnan(rows[0]["worst_share_of_bound"]) and rows[0]["within_bound"] == 1.0
