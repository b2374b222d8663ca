"""The loop with a cell, its failures, speed and data: sections of the page of results."""

from __future__ import annotations

from msstan_core.benchmark.aims import AIM_OF
from msstan_core.results_page.section import Aim, Row, Section

CELL: tuple[Section, ...] = (
    Section(
        "closed_loop",
        "Closed loop",
        "Simulated welds with monitor and gate against the programme alone; see [closed_loop.md](closed_loop.md).",
        (
            Row("imperfection_time_ratio", "imperfection time, share of the programme alone", Aim(0.5, at_most=True)),
            Row("wps_violations", "violations of the procedure", Aim(0.0, at_most=True)),
        ),
        command="msstan closed-loop --welds 50 --json docs/results/closed_loop.json --page docs/closed_loop.md",
    ),
    Section(
        "closed_loop_live",
        "Closed loop over DDS",
        "A part of the study with cell, monitor and gate as processes, and the same welds in one process; see "
        "[closed_loop.md](closed_loop.md).",
        (
            Row("imperfection_time_ratio", "imperfection time, share of the programme alone", Aim(0.5, at_most=True)),
            Row("more_than_in_process_s", "more of it a weld than in one process, s"),
            Row("delay_s", "detection delay, s"),
            Row("wps_violations", "violations of the procedure", Aim(0.0, at_most=True)),
        ),
        command="msstan closed-loop-live --welds 50 --jobs 2 --json docs/results/closed_loop_live.json",
    ),
    Section(
        "faults",
        "Failures between monitor and robot",
        "Monitor, gate and clocks fail in seeded runs; the robot has to be back at its programmed setpoints within the "
        "bounds of [robot_interface.md](robot_interface.md).",
        (
            Row("returned_within_bound", "back within the bound, share of the runs", Aim(1.0)),
            Row("wps_violations", "violations of the procedure", Aim(0.0, at_most=True)),
        ),
        command="msstan study failures --runs 50 --json docs/results/faults.json",
    ),
    Section(
        "bench",
        "Speed",
        "Medians and p99 of one run, everything measured in turns on the machine named below. Compare the ratios.",
        (
            Row("tick_ms", "a tick with all sensors, ms", AIM_OF["tick_ms"]),
            Row("end_to_end_ms", "stamp to message, ms", AIM_OF["end_to_end_ms"]),
            Row("backbone_ratio", "times the backbone alone", AIM_OF["backbone_ratio"]),
            Row("ratio_x3d_xs", "times faster than X3D-XS", AIM_OF["ratio_x3d_xs"]),
            Row("ratio_r3d_18", "times faster than 3D ResNet-18", AIM_OF["ratio_r3d_18"]),
            Row("ratio_slowfast", "times faster than SlowFast", AIM_OF["ratio_slowfast"]),
            Row("rss_mb", "memory, MB", AIM_OF["rss_mb"]),
        ),
        command="msstan bench --json docs/results/bench.json",
    ),
    Section("offsets", "Stream offsets", "Estimated clock offsets of the real recordings' streams."),
    Section("realism", "Realism of the simulator", "Distances between simulated and real recordings."),
)
